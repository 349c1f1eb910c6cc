"""Work handed out to an executor, a few items at a time, so that a worker that dies takes no other's work with it.

Lives here: that. Does not live here: what the work is (`fit_many`).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from itertools import chain
from typing import Any, TypeVar

Item = TypeVar("Item")


def hand_out(
    work: Callable[[Item], Any], items: Iterable[Item], executor: Executor, ahead: int, renew: Callable[[], Executor] | None = None
) -> Iterator[tuple[Item, Any]]:
    """Yield each item with what `work` made of it, or with the exception that came instead, as they get done.

    ahead : how many items are under way at once
    renew : gives another executor when one breaks down. The items that were under way are then tried again, one at a time, so that the one that
        breaks it is known: it alone comes with a BrokenExecutor. Without it all that were not done do
    """
    waiting = iter(items)
    suspects: deque[Item] = deque()
    flying: dict[Future, Item] = {}
    try:
        while True:
            alone = bool(suspects)
            more = iter([suspects.popleft()]) if alone else waiting
            broken = _fill(work, more, executor, ahead, flying, suspects, (BrokenExecutor,) if renew else (Exception,))
            if not flying and not broken and not suspects:
                return
            for future in wait(flying, return_when=FIRST_COMPLETED).done if flying else ():
                # Cancelled by no one here: the executor has gone.
                item, error = flying.pop(future), BrokenExecutor() if future.cancelled() else future.exception()
                if isinstance(error, BrokenExecutor):
                    broken = True
                    if not alone or renew is None:
                        suspects.append(item)
                        continue
                yield item, error or future.result()
            if broken:
                suspects.extend(flying.values())
                flying.clear()
                if renew is None:
                    yield from ((item, BrokenExecutor()) for item in chain(suspects, waiting))
                    return
                executor = renew()
    finally:
        for future in flying:  # after an interrupt: nothing more is begun
            future.cancel()


def _fill(
    work: Callable[[Item], Any],
    items: Iterator[Item],
    executor: Executor,
    ahead: int,
    flying: dict[Future, Item],
    suspects: deque[Item],
    broken: tuple[type[Exception], ...],
) -> bool:
    """Hand out items until enough are under way; whether the executor was found broken, which each says with an exception of its own."""
    while len(flying) < ahead:
        item = next(items, None)
        if item is None:
            return False
        try:
            flying[executor.submit(work, item)] = item
        except broken:
            suspects.append(item)
            return True
    return False
