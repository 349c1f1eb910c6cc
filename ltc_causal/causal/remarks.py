"""What a reader of a prediction must know: where it leaves what the model has seen, what in it does nothing, how many draws ran away.

Lives here: those judgements, as sentences. Does not live here: the prediction (`predict`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Inputs
from ltc_causal.core.intervention import Clamp, Cut, Drive, Intervention, Lesion, Scale, SetInput
from ltc_causal.core.model import DynamicalSystem
from ltc_causal.models.intervened import Acting
from ltc_causal.models.simulate import Run, Segment

Array = NDArray[np.float64]

BEYOND = 0.1  # share of a range that may be overstepped before it is said
SIZES = (0.1, 1.0)  # of the activity at which a system is asked whether a connection does anything


def without_effect(system: DynamicalSystem, rest: Array, do: Sequence[Intervention]) -> Iterator[str]:
    """Interventions on connections that the system does not have, and drives on regions that are clamped.

    rest : shape (unit, draw)

    Whether a connection exists is asked of the flow itself, at random states and inputs: where it does not depend on the source, an
    intervention leaves it as it is to the last bit.
    """
    for one in do:
        if isinstance(one, Cut | Scale) and getattr(one, "factor", 0.0) != 1.0 and not _changes_flow(system, rest, one):
            yield f"The model has no connection {one.source} → {one.target}, so the effect of '{one}' is exactly zero."
        if isinstance(one, Lesion) and not _changes_flow(system, rest, one):
            yield f"No connection of the model leaves {one.region}, so the effect of '{one}' is exactly zero."
        if isinstance(one, Drive):
            for other in do:
                if isinstance(other, Clamp) and other.region == one.region and one.start < other.stop and other.start < one.stop:
                    yield f"'{one}' does nothing while {one.region} is clamped."


def _changes_flow(system: DynamicalSystem, rest: Array, one: Cut | Scale | Lesion) -> bool:
    rng = np.random.default_rng(0)
    always = Acting((replace(one, start=0.0, stop=np.inf),), {}, 1.0, rest)
    for size in SIZES:
        x, u = rest + size * rng.standard_normal(rest.shape), rng.standard_normal(len(system.inputs))
        changed = always.on(Segment(0.0, 1.0, u, system)).system
        if not np.array_equal(changed.flow(x, u), system.flow(x, u), equal_nan=True):
            return True
    return False


def by_hidden_units(n_unit: int, n_own: int, do: Sequence[Intervention]) -> Iterator[str]:
    """That a cut leaves the ways by hidden units open, in a network of `n_unit` of which `n_own` belong to regions."""
    cut = [str(one) for one in do if isinstance(one, Cut | Scale)]
    if cut and n_unit > n_own:
        yield f"The network has {n_unit - n_own} hidden units, by which the source still reaches the target under '{'; '.join(cut)}'."


def beyond_inputs(fitted: Inputs, asked: Inputs, do: Sequence[Intervention]) -> Iterator[str]:
    """Inputs that go beyond those of the recording that was fitted, both in the recording's units."""
    for name in asked.names:
        before = fitted.column(name)
        values = [asked.column(name), *(np.ravel(one.value) for one in do if isinstance(one, SetInput) and one.name == name)]
        now = np.concatenate(values)
        yield from _beyond(f"Input {name}", now.min(), now.max(), before.min(), before.max())


def beyond_states(regions: Sequence[str], fitted: Run, asked: Run) -> Iterator[str]:
    """Regions whose activity goes beyond its range along the fitted recording, each range the median over draws."""
    before, now = _range(fitted), _range(asked)
    for i, region in enumerate(regions):
        yield from _beyond(f"Activity of {region}", *now[:, i], *before[:, i])


def _range(run: Run) -> Array:
    """Lowest and highest activity of each region, shape (2, region), of stable draws if there are any (the others as far as they went)."""
    draws = run.stable if run.stable.any() else np.ones_like(run.stable)
    return np.median([run.lowest[:, draws], run.highest[:, draws]], axis=-1)


def _beyond(what: str, low: float, high: float, least: float, most: float) -> Iterator[str]:
    room = BEYOND * (most - least) + 1e-9
    if low < least - room or high > most + room:
        yield (
            f"{what} runs from {low:.3g} to {high:.3g}, beyond the {least:.3g} to {most:.3g} that the model was fitted on: there the "
            "prediction rests on the model's form alone."
        )


def run_away(run: Run, usual: Run | None) -> Iterator[str]:
    """How many draws left the model's bounds."""
    if not run.stable.all():
        before = "" if usual is None else f" (without the interventions {int((~usual.stable).sum())})"
        yield f"{int((~run.stable).sum())} of {len(run.stable)} draws left the model's bounds{before} and were set aside."
