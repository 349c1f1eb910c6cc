"""Effects at equilibrium: what a sustained change does once everything has settled, over all paths or some, loops included.

Lives here: total, direct and mediated effects, what one connection contributes, and what an effect hangs on. Does not live here: their
course in time (`curves`), frequencies and energies (`control`), the linear system that they are read from (`local`), the graph (`graph`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import expm

from ltc_causal.causal.local import (
    Local,
    Part,
    Route,
    Settings,
    effect,
    equilibrium,
    has_path,
    local,
    no_path,
    reached,
    reaches,
    route,
    slopes,
    usable,
)
from ltc_causal.causal.source import Source
from ltc_causal.core.effect import Effect, Mediation
from ltc_causal.errors import InputError, known_name, positive

Array = NDArray[np.float64]

PER_ACTIVITY = "per unit activity"
PER_DRIVE = "activity per unit drive (s)"
PER_INPUT = "activity per unit input"


def total_effect(
    source_object: Source,
    source: str,
    target: str,
    *,
    inputs: Mapping[str, float] | None = None,
    state: Mapping[str, float] | None = None,
    holding: Sequence[str] = (),
    drive: bool = False,
    draws: int = 1000,
    seed: int | np.random.Generator = 0,
    probability: float = 0.9,
) -> Effect:
    """The effect of a region or an input on a region at equilibrium, with the posterior's uncertainty.

    source_object : a Fit or a Reduction; a Coupling or a trained network too, then without uncertainty
    source, target : names; the target is a region
    inputs : {name: value}, the constant inputs under which the question is asked (those not named are 0); of a reduction taken elsewhere
        than at rest, deviations from its operating point
    state : {region: activity} about which it is asked, instead of rest; of a reduction likewise. The Jacobian there includes gating, and of
        a fit it is the model's own
    holding : regions held where they are, so that what goes through them is left out
    drive : of a region, the effect of one unit of sustained drive (1/s) instead of one unit of activity held there
    draws, seed : of couplings from their Gaussian; probability : of the interval

    With A the Jacobian, j the source, R all other regions (without those held),

        region:  d x*_target / d v   under do(x_j = v)  =  T_target,   T = -A_RR^-1 A_Rj        (Mooij, Janzing and Schoelkopf 2013)
        drive:   d x*_target / d s   of a term s in region j's flow  =  [-A^-1]_target,j
        input:   d x*_target / d u_j                    =  [-A^-1 (C_j + B_j x*)]_target,   x* = -A^-1 (C u + F0)

    F0 is a reduction's constant, zero of all else.

    The third includes what the input modulates, so where it modulates it holds for small changes about the inputs given. Without a state,
    gating (D) is left out: the effects are those about rest. A number exists only if the system that remains under the intervention (A_RR,
    or A) is stable; draws in which it is not are set aside and counted. Without a directed path the effect is exactly 0. Of a fit, an
    effect whose variance the data hardly narrowed is marked NOT_INFORMED.

    Raises `InputError` for an unknown name, or a region held that is its own target.
    """
    at = local(source_object, Settings(inputs, state, draws, seed, probability))
    way = route(at, source, target, holding, drive)
    note = "At equilibrium, over all paths." if not holding else f"At equilibrium, {', '.join(holding)} held."
    return effect(at, way, settled, "Total effect", unit_of(way), note)


def direct_effect(
    source_object: Source,
    source: str,
    target: str,
    *,
    inputs: Mapping[str, float] | None = None,
    state: Mapping[str, float] | None = None,
    draws: int = 1000,
    seed: int | np.random.Generator = 0,
    probability: float = 0.9,
) -> Effect:
    """The controlled direct effect: every region but source and target held, at equilibrium -A_ij / A_ii; see `total_effect`."""
    at = local(source_object, Settings(inputs, state, draws, seed, probability))
    others = [region for region in at.coupling.regions if region not in (source, target)]
    way = route(at, source, target, others)
    return effect(at, way, settled, "Direct effect", unit_of(way), "At equilibrium, all other regions held.")


def mediated_effect(
    source_object: Source,
    source: str,
    target: str,
    through: Sequence[str],
    *,
    time: float | None = None,
    inputs: Mapping[str, float] | None = None,
    state: Mapping[str, float] | None = None,
    drive: bool = False,
    draws: int = 1000,
    seed: int | np.random.Generator = 0,
    probability: float = 0.9,
) -> Mediation:
    """How much of an effect goes through some regions, the mediators.

    through : the mediators, held where they are for the direct effect
    time : None for the sustained effect at equilibrium, of the source held (or driven); else seconds after an impulse to the source:
        with D the identity without the mediators' diagonal,

            total = [e^{At}]_ij,   direct = [e^{DAD t}]_ij,   indirect = total - direct            (Deboeck and Preacher 2016)

    All else as in `total_effect`.

    Raises `InputError` if no mediator is named, or one that is source or target.
    """
    if not through or isinstance(through, str):
        raise InputError(f"mediated_effect(through) must list at least one region, got {through!r}.")
    at = local(source_object, Settings(inputs, state, draws, seed, probability))
    impulse = time is not None
    whole, past = (route(at, source, target, held, drive or impulse) for held in ((), through))
    evaluate, unit, when = settled, unit_of(whole), "At equilibrium"
    if time is not None:
        seconds = positive("mediated_effect(time)", time, "seconds")
        evaluate, when = _impulse_after(seconds), f"{seconds:g} s after an impulse"
        unit = "activity per unit input and second" if whole.is_input else PER_ACTIVITY
    by = ", ".join(through)
    total = effect(at, whole, evaluate, "Total effect", unit, f"{when}, over all paths.")
    direct = effect(at, past, evaluate, "Direct effect", unit, f"{when}, past {by}.")

    def difference(part: Part) -> Array:
        inside = [whole.kept.index(region) for region in past.kept]
        rest = Part(part.A[:, inside][:, :, inside], part.c[:, inside], past.kept.index(past.target))
        return evaluate(part) - (evaluate(rest) if reaches(rest) else 0.0)

    indirect = effect(at, whole, difference, "Indirect effect", unit, f"{when}, through {by}.")
    if not _passes(at, whole, through):
        indirect = no_path(at, whole, "Indirect effect", unit)
    return Mediation(total, direct, indirect)


def connection_contribution(
    source_object: Source,
    source: str,
    target: str,
    connection: tuple[str, str],
    *,
    inputs: Mapping[str, float] | None = None,
    state: Mapping[str, float] | None = None,
    drive: bool = False,
    draws: int = 1000,
    seed: int | np.random.Generator = 0,
    probability: float = 0.9,
) -> Effect:
    """What one connection contributes to a total effect: the effect, less what it is without the connection, G(A) - G(A with A_kl = 0).

    connection : (source, target) of two regions. Through loops, contributions of several connections do not add up to the total

    A number exists only if the system is stable with and without it. All else as in `total_effect`.
    """
    at = local(source_object, Settings(inputs, state, draws, seed, probability))
    way = route(at, source, target, (), drive)
    l, k = (known_name("region", name, at.coupling.regions, "connection_contribution(connection)") for name in connection)
    if k == l:
        raise InputError(f"{connection} is a self-connection, without which nothing decays: name a connection between two regions.")
    words = f"{connection[0]} -> {connection[1]}"

    def contribution(part: Part) -> Array:
        return settled(part) - settled(_without(part, way, l, k))

    note = f"At equilibrium: the total effect, less what it is without {words}."
    if not _carries(at, way, l, k):
        return no_path(at, way, f"Contribution of {words} to", unit_of(way))
    return effect(at, way, contribution, f"Contribution of {words} to", unit_of(way), note)


def sensitivity(
    source_object: Source,
    source: str,
    target: str,
    *,
    inputs: Mapping[str, float] | None = None,
    state: Mapping[str, float] | None = None,
    holding: Sequence[str] = (),
    drive: bool = False,
) -> pd.DataFrame:
    """What a total effect hangs on: one row a connection, the largest share of its uncertainty first.

    derivative : of the effect in the connection, per Hz; for a drive it is d(-A^-1) = A^-1 dA A^-1
    sd : of the connection, Hz
    share : the connection's part of the effect's variance by the delta method g'Sg, g_k (Sg)_k / g'Sg; adds up to 1, and may be negative
        where posterior correlations are strong

    The frame's `attrs["sd"]` is the delta method's sd of the effect. Raises `InputError` for a bare coupling, or where there is no stable
    equilibrium to differentiate.
    """
    at = local(source_object, Settings(inputs, state, draws=2))
    way = route(at, source, target, holding, drive)
    g = slopes(at, way, settled)
    if at.posterior is None or not np.isfinite(g).all():
        raise InputError(f"{source} -> {target} has no stable equilibrium at the mean coupling, so no sensitivity: ask under other inputs.")
    if not has_path(at, way):
        g = np.zeros_like(g)
    parts = g * (at.posterior.cov @ g)
    variance = float(parts.sum())
    frame = pd.DataFrame(
        {"connection": at.posterior.names, "derivative": g, "sd": at.posterior.sd, "share": parts / variance if variance else parts}
    )
    frame = frame.sort_values("share", ascending=False, ignore_index=True)
    frame.attrs["sd"] = float(np.sqrt(variance))
    return frame


# --- functions of what remains ------------------------------------------------------------------------------------------------------


def settled(part: Part) -> Array:
    """The sustained effect -A^-1 c on the target, shape (draw,), NaN where what remains is not stable."""
    return equilibrium(part.A, part.c)[:, part.place]


def unit_of(way: Route) -> str:
    """The unit of a sustained effect."""
    return PER_INPUT if way.is_input else PER_ACTIVITY if way.clamped else PER_DRIVE


def _impulse_after(seconds: float):
    def after(part: Part) -> Array:
        fine = usable(part.A, part.c)
        values = np.full(len(part.A), np.nan)
        values[fine] = (expm(part.A[fine] * seconds) @ part.c[fine][..., None])[:, part.place, 0]
        return values

    return after


def _passes(at: Local, way: Route, through: Sequence[str]) -> bool:
    """Whether the cause reaches a mediator and the mediator the target."""
    part = way.part(at.drawn)
    places = [way.kept.index(at.coupling.regions.index(region)) for region in through]
    ahead = reached(part.A, part.c)
    behind = reached(part.A.transpose(0, 2, 1), np.eye(len(way.kept))[None, part.place])
    return any(ahead[place] and behind[place] for place in places)


def _without(part: Part, way: Route, l: int, k: int) -> Part:
    """What remains, without the connection from region l to region k."""
    A, c = part.A.copy(), part.c.copy()
    if k in way.kept and l in way.kept:
        A[:, way.kept.index(k), way.kept.index(l)] = 0.0
    elif k in way.kept and way.clamped and l == way.source:
        c[:, way.kept.index(k)] = 0.0
    return Part(A, c, part.place)


def _carries(at: Local, way: Route, l: int, k: int) -> bool:
    """Whether a path from the cause to the target goes over the connection from region l to region k."""
    part = way.part(at.drawn)
    cut = _without(part, way, l, k)
    if np.array_equal(cut.A, part.A) and np.array_equal(cut.c, part.c):
        return False
    begins = (way.clamped and l == way.source) or bool(reached(part.A, part.c)[way.kept.index(l)])
    ends = bool(reached(part.A.transpose(0, 2, 1), np.eye(len(way.kept))[None, part.place])[way.kept.index(k)])
    return begins and ends
