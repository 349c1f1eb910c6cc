"""What to adjust for, to read an effect off data in which nobody intervened.

A set Z of others will do for the effect of X on Y if, with I the choice to set X, a cause of X alone,

    Z is not affected by X,   and   Y is separated from I given X and Z        (Pearl 2009, the backdoor; Forre and Mooij 2020 with cycles)

Then p(Y | do(X = x)) is the mean over Z of p(Y | x, Z); in a linear system the effect is the coefficient of X when Y is regressed on X and Z.

Lives here: finding such sets. Does not live here: separation (`separation`), effects from a fitted model (`effects`), which need none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import networkx as nx

from ltc_causal.causal.query import check_node, regions_of, structure
from ltc_causal.causal.separation import (
    Node,
    cut_off,
    fixed_inputs,
    in_slices,
    in_words,
    moral_graph,
    name_of,
    smallest_cut,
    without_cycles,
)
from ltc_causal.errors import InputError, one_of

MOST_CANDIDATES = 12  # 4096 subsets; with more candidates one set is given, not all
CHOICE = ("the choice to set the source",)  # names are text or (name, time), so that no node is called this


@dataclass(frozen=True)
class Adjustment:
    """The sets to adjust for, none of which holds another: none at all, or the empty set alone where nothing needs adjusting for.

    fixed : inputs that are held fixed beside them, because the experimenter sets them
    status : one sentence
    """

    source: Node
    target: Node
    sets: tuple[frozenset, ...]
    fixed: frozenset
    status: str

    @property
    def exists(self) -> bool:
        """Whether there is such a set."""
        return bool(self.sets)

    def __str__(self) -> str:
        return self.status


def adjustment_sets(
    graph: nx.DiGraph, source: Node, target: Node, *, observed: Iterable[str] | None = None, criterion: str = "sigma"
) -> Adjustment:
    """The smallest sets of regions that must be adjusted for, to read the effect of source on target off observed data.

    observed : the regions that were measured; all unless given (but nodes of `kind` "latent")
    criterion : "sigma" for equilibria (in the acyclified graph), or "unrolled" for courses, source and target then being (region, time)
        pairs, in slices: the effect of a moment's activity on a later moment's, as that of a `Pulse`

    Of equilibria, with up to 12 candidates, all sets are given of which none holds another; else one. At equilibrium there is none where the
    effect runs through a region in feedback with the source.

    Raises `InputError` for an unknown name, equal source and target, a source or target that was not observed, or a target that does not come
    after the source in time.
    """
    one_of("adjustment_sets(criterion)", criterion, ("sigma", "unrolled"))
    bare = structure(graph)
    names = {*(regions_of(bare) if observed is None else observed), *fixed_inputs(bare)}
    _check(bare, source, target, names, criterion)
    world = in_slices(bare, [{source}, {target}])[0] if criterion == "unrolled" else bare
    wanted = _with_choice(world, source)
    if criterion == "sigma":
        wanted = without_cycles(wanted)
    fixed = fixed_inputs(wanted) - {source}
    allowed = set(world) - nx.descendants(wanted, CHOICE) - {target} - fixed
    candidates = [node for node in world if node in allowed and name_of(node) in names]
    sets = _separators(wanted, source, target, candidates, fixed, every=criterion == "sigma")
    held = frozenset(name_of(node) for node in fixed)
    return Adjustment(source, target, sets, held, _status(bare, source, target, sets, held))


def _with_choice(world: nx.DiGraph, source: Node) -> nx.DiGraph:
    wanted = nx.DiGraph(world)
    wanted.add_node(CHOICE, kind="region")
    wanted.add_edge(CHOICE, source)
    return wanted


def _separators(wanted: nx.DiGraph, source: Node, target: Node, candidates: list, fixed: set, every: bool) -> tuple[frozenset, ...]:
    """The sets of candidates that separate the choice from the target given the source; all that is not their ancestor is of no use."""
    moral = moral_graph(wanted, {CHOICE, source, target} | fixed)
    candidates, held = [node for node in candidates if node in moral], {source} | fixed
    one = smallest_cut(moral, {CHOICE}, {target}, candidates, held)
    if one is None:
        return ()
    if not every or len(candidates) > MOST_CANDIDATES:
        return (frozenset(one),)
    found: list[frozenset] = []
    for size in range(len(candidates) + 1):
        new = [frozenset(chosen) for chosen in combinations(candidates, size)]
        found += [
            chosen
            for chosen in new
            if not any(smaller <= chosen for smaller in found) and cut_off(moral, {CHOICE}, {target}, held | chosen)
        ]
    return tuple(found)


def _check(bare: nx.DiGraph, source: Node, target: Node, names: set, criterion: str) -> None:
    timed = [isinstance(node, tuple) for node in (source, target)]
    if any(one != (criterion == "unrolled") for one in timed):
        form = "(name, time) pairs" if criterion == "unrolled" else "names alone"
        raise InputError(f"adjustment_sets with criterion={criterion!r} needs {form}, got {source!r} and {target!r}.")
    for what, node in (("source", source), ("target", target)):
        check_node("region or input", name_of(node), bare, f"adjustment_sets({what})")
        if name_of(node) not in names:
            raise InputError(
                f"{name_of(node)!r} is not among the observed regions, so that no effect of or on it can be read off the data."
            )
    for name in names:
        check_node("region or input", name, bare, "adjustment_sets(observed)")
    if source == target:
        raise InputError(f"adjustment_sets needs two different nodes, got {source!r} twice.")
    if bare.nodes[name_of(target)]["kind"] == "input":
        raise InputError(f"{name_of(target)!r} is an input, which nothing acts on: ask for an effect on a region.")
    if all(timed) and not target[1] > source[1]:  # pyright: ignore[reportOperatorIssue] - both are pairs
        raise InputError(f"The target {target!r} must come after the source {source!r} in time, at least one slice.")


def _status(bare: nx.DiGraph, source: Node, target: Node, sets: tuple[frozenset, ...], fixed: frozenset) -> str:
    pair = f"{in_words(source)} -> {in_words(target)}"
    also = f"; the inputs {', '.join(sorted(map(str, fixed)))} are held fixed" if fixed else ""
    if sets == (frozenset(),):
        return f"Nothing need be adjusted for to read {pair} off the data{also}."
    if sets:
        words = " or ".join("{" + ", ".join(sorted(map(in_words, chosen))) + "}" for chosen in sets)
        return f"Adjust for {words} to read {pair} off the data{also}."
    if isinstance(source, str) and any(nx.has_path(bare, child, source) for child in bare.successors(source)):
        return (
            f"There is no set of observed regions by which {pair} could be read off equilibria: {source} is in feedback; intervene, fit a model, "
            "or use courses in time (criterion='unrolled')."
        )
    return f"There is no set of observed regions by which {pair} could be read off the data: what acts on both was not observed."
