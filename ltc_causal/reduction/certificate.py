"""How far a reduction can be trusted: what it leaves of the model's flow, of its course, and of what interventions change.

Lives here: the judgement, the sentence that it is put in, `certify`. Does not live here: how a reduction is derived (`linearise`, `project`,
`refit`), the joint run and its bound (`bound`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Inputs
from ltc_causal.core.intervention import Clamp, Cut, Intervention, SetInput
from ltc_causal.core.model import DynamicalSystem
from ltc_causal.core.reduction import Certificate, Reduction
from ltc_causal.errors import InputError
from ltc_causal.models.intervened import checked_interventions, under, window_edges
from ltc_causal.models.simulate import Segment, segments
from ltc_causal.models.true_flow import MAX_STEP
from ltc_causal.reduction.bound import Comparison, run_together
from ltc_causal.reduction.courses import courses
from ltc_causal.reduction.expansion import Expansion
from ltc_causal.reduction.source import Source, read_source

Array = NDArray[np.float64]

EXACT = 1e-9  # below this a residual is rounding
NO_EFFECT = 1e-3  # an intervention that changes less than this share of the usual course has no effect to be reduced
DOUBTFUL = 0.5  # an error of an effect from which on interventions should not be asked of a reduction
BEYOND = 0.1  # share of a range that may be overstepped before it is said
STABLE_STEP = 0.5  # of the fastest time constant; a Runge-Kutta step no longer than that is accurate to about 1e-3


def certify(
    reduction: Reduction, source: Any, do: Sequence[Intervention] = (), *, inputs: Inputs | None = None, session: int = 0
) -> Certificate:
    """The certificate of a reduction once more, under interventions or along other inputs.

    reduction : of that source
    source, session : as given to `reduce_to_dcm`
    do : interventions in force together; residual, course and bound are those under them, and their effect is judged too
    inputs : those given for a system; for a fit, others than its recording's

    It also says where the course then leaves the range that the reduction was made on.

    Raises `InputError` for interventions that do not fit the source, or a reduction of other regions or inputs.
    """
    read = read_source(source, inputs, session)
    if (read.regions, read.inputs) != (reduction.coupling.regions, reduction.coupling.inputs):
        raise InputError(
            f"The reduction is of regions {list(reduction.coupling.regions)} and inputs {list(reduction.coupling.inputs)}, the source has "
            f"{list(read.regions)} and {list(read.inputs)}: give the source that was reduced."
        )
    expansion = Expansion(reduction.coupling, reduction.constant, reduction.state, reduction.inputs)
    before = reduction.certificate
    made_on = (before.state_range, before.input_range)
    return judge(read, expansion, before.method, before.operating_point, do, [do] if do else [], made_on)


def judge(
    source: Source,
    expansion: Expansion,
    method: str,
    operating_point: str,
    do: Sequence[Intervention] = (),
    tried: Sequence[Sequence[Intervention]] = (),
    made_on: tuple[Array, Array] | None = None,
) -> Certificate:
    """Compare a model with its expansion along one run.

    do : in force during it; tried : interventions whose effects are judged, each list by itself
    made_on : ranges of states and inputs on which the reduction was made, None if on this run

    r = F(x, u) - F_reduced(x, u), taken as each input bin begins; rho = rms(r) / rms(F) over time and regions.
    """
    n_bin, dt = source.course_inputs.values.shape[0], source.course_inputs.dt
    do = checked_interventions(do, source.regions, source.inputs, n_bin, dt)
    run = _run(source, expansion, do)
    rho, by_region = _ratio(run.residual, run.flow), _ratios(run.residual, run.flow)
    error = run.reduced - run.model
    trajectory, by_region_course = _ratio(error, run.model - source.rest), _ratios(error, run.model - source.rest)
    effects = _effects(source, expansion, tried) if np.isfinite(rho) else {}
    ranges = _range(run.model), _range(run.inputs)
    bound = _ratio(run.bound, run.model - source.rest)
    beyond = [] if made_on is None else _beyond(source, ranges, made_on)
    verdict = _verdict(method, do, rho, trajectory, bound, effects, beyond)
    return Certificate(rho, by_region, trajectory, by_region_course, bound, effects, *ranges, method, operating_point, tuple(do), verdict)


def usual_interventions(source: Source) -> list[Intervention]:
    """Every region held at rest, every connection of a DCM cut, every input off (0, as the system counts inputs before centring)."""
    held = [Clamp(region, value) for region, value in zip(source.regions, source.rest.tolist(), strict=True)]
    off = [SetInput(name, 0.0) for name in source.inputs]
    if not source.couples:
        return [*held, *off]
    A = source.model.coupling(source.posterior.mean).A  # pyright: ignore[reportOptionalMemberAccess] - a model comes with a posterior
    cuts = [Cut(source.regions[j], source.regions[i]) for i, j in np.argwhere(A) if i != j]
    return [*held, *cuts, *off]


def _run(source: Source, expansion: Expansion, do: Sequence[Intervention]) -> Comparison:
    """Model and reduction together, seen every bin, with the bound."""
    inputs = source.course_inputs
    reads = np.arange(len(inputs.values))
    edges = window_edges(do, inputs.dt)

    def course(system: DynamicalSystem) -> list[Segment]:
        return [under(one, do, source.removed_means, inputs.dt) for one in segments(system, inputs, reads, edges)]

    return run_together(course(source.system), course(expansion), source.start, inputs.dt, expansion.gates)


def _effects(source: Source, expansion: Expansion, tried: Sequence[Sequence[Intervention]]) -> dict[str, float]:
    """{in words: relative error of the effect}, of the interventions that have one; infinite where the reduced course explodes."""
    if not tried:
        return {}
    inputs = source.course_inputs
    fastest = np.abs(np.linalg.eigvals(expansion.coupling.A)).max()
    stride = max(1, int(min(MAX_STEP, STABLE_STEP / max(fastest, 1e-9)) / inputs.dt))
    checked = [checked_interventions(do, source.regions, source.inputs, len(inputs.values), inputs.dt) for do in tried]
    runs = [(), *checked]
    model = courses(source.system, source.start, inputs, runs, source.removed_means, stride)
    reduced = courses(expansion, source.rest, inputs, runs, source.removed_means, stride)
    size, errors = np.linalg.norm(model[:, :, 0] - source.rest), {}
    for column, do in enumerate(checked, 1):
        free = [i for i, region in enumerate(source.regions) if region not in {one.region for one in do if isinstance(one, Clamp)}]
        effect, found = ((course[:, free, column] - course[:, free, 0]) for course in (model, reduced))
        if not np.linalg.norm(effect) >= NO_EFFECT * size:  # none, or a model that leaves its bounds
            continue
        lost = np.isnan(reduced[:, :, [0, column]]).any()
        errors["; ".join(map(str, do))] = np.inf if lost else _ratio(found - effect, effect)
    return errors


def _beyond(source: Source, ranges: tuple[Array, Array], made_on: tuple[Array, Array]) -> list[str]:
    """The regions and inputs that go beyond the range that a reduction was made on, with where they go."""
    words = []
    for names, now, before in zip((source.regions, source.inputs), ranges, made_on, strict=True):
        for name, (low, high), (least, most) in zip(names, now, before, strict=True):
            room = BEYOND * (most - least) + EXACT
            if low < least - room or high > most + room:
                words.append(f"{name} ({low:.3g} to {high:.3g} instead of {least:.3g} to {most:.3g})")
    return words


def _range(values: Array) -> Array:
    return np.stack([values.min(axis=0), values.max(axis=0)], axis=1)


def _ratio(r: Array, F: Array) -> float:
    """rms(r) / rms(F); 0 where nothing moved, NaN where the model's course left its bounds, infinite where the reduced one's did."""
    if np.isinf(r).any() and np.isfinite(F).all():
        return float("inf")
    size = np.linalg.norm(F)
    return 0.0 if size == 0 else float(np.linalg.norm(r) / size)


def _ratios(r: Array, F: Array) -> Array:
    return np.array([_ratio(r[:, i], F[:, i]) for i in range(F.shape[1])])


def _verdict(
    method: str,
    do: Sequence[Intervention],
    rho: float,
    trajectory: float,
    bound: float,
    effects: Mapping[str, float],
    beyond: Sequence[str],
) -> str:
    """One sentence."""
    where = f"{method}, under '{'; '.join(map(str, do))}'," if do else method
    outside = f"; and mind that the course goes beyond what it was made on in {', '.join(beyond)}" if beyond else ""
    if not np.isfinite(rho):
        return f"No judgement of {where}: at the posterior mean the model's own course leaves its bounds, so the fit itself is in doubt."
    if rho < EXACT:
        return f"Exact: {where} is the model's own flow (rho = {rho:.1g})."
    if rho > 1:
        return f"Do not use {where} here: rho = {rho:.2f}, its error exceeds the flow itself, so the course runs where it does not hold{outside}."
    if not trajectory <= 1:
        error = "explodes" if np.isinf(trajectory) else f"errs by {_percent(trajectory)}"
        return f"Do not use {where} here: its own course {error} where the model's does not (rho = {rho:.3g}){outside}."
    limit = f", at most {_percent(bound)} by the bound" if np.isfinite(bound) else ""
    return (
        f"rho = {rho:.3g}: {where} leaves {_percent(rho)} of the flow along this run unexplained, its course errs by {_percent(trajectory)}"
        f"{limit}{_effects_in_words(effects)}{outside}."
    )


def _effects_in_words(effects: Mapping[str, float]) -> str:
    if not effects:
        return ""
    errors = np.array(list(effects.values()))
    worst = max(effects, key=lambda words: effects[words])
    if len(effects) == 1:
        text = f", and what '{worst}' changes by {_percent(errors[0])}"
    else:
        text = (
            f", and what interventions change by {_percent(np.median(errors))} in the median, at worst {_percent(effects[worst])} ({worst})"
        )
    return text + (": do not ask such interventions of it" if errors.max() > DOUBTFUL else "")


def _percent(share: float) -> str:
    if not np.isfinite(share):
        return "without limit"
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"
