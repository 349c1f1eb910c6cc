"""What of an oscillation arrives, and how far a region's drive moves the others: transfer functions and controllability.

Lives here: transfer functions, Gramians by Lyapunov's equation, energies. Does not live here: courses in time (`curves`), which
stimulation to choose (`design`).
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import expm, solve_continuous_lyapunov

from ltc_causal.causal.effects import unit_of
from ltc_causal.causal.local import Linear, Local, Part, Settings, effect, has_path, informed, local, route, status_of, summary, usable
from ltc_causal.causal.source import Source, read_source
from ltc_causal.core.effect import Effect, EffectStatus, TransferFunction
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError, finite_array, known_name, positive

Array = NDArray[np.float64]

NEGLIGIBLE = 1e-12  # of a Gramian's largest eigenvalue: no direction that can be driven
DIFFERENCE = 1e-5  # of log states, in the expansion of the haemodynamics


def transfer_function(
    source_object: Source,
    source: str,
    target: str,
    frequencies: ArrayLike,
    *,
    haemodynamics: bool = False,
    inputs: Mapping[str, float] | None = None,
    state: Mapping[str, float] | None = None,
    holding: Sequence[str] = (),
    clamp: bool = False,
    draws: int = 1000,
    seed: int | np.random.Generator = 0,
    probability: float = 0.9,
) -> TransferFunction:
    """The response to a sinusoidal drive, H(w) = [(i w I - A)^-1 c]_target, c = e_j of a region and C_j of an input.

    frequencies : Hz, shape (frequency,), not negative
    haemodynamics : whether to go on to the signal, by the target's haemodynamic response linearised about rest at the posterior mean; then
        the gain is in the recording's units. Needs a fit
    clamp : of a region, the response to its activity following the sinusoid instead of a drive of it: of the rest R with c = A_Rj

    At frequency 0 it is the sustained effect. All else as in `effects.total_effect`.

    Raises `InputError` for an unknown name, a negative frequency, or haemodynamics of what has none.
    """
    hertz = finite_array("transfer_function(frequencies)", np.atleast_1d(np.asarray(frequencies)), 1, "(frequency,)")
    if (hertz < 0).any():
        raise InputError(f"transfer_function(frequencies) must not be negative, got {hertz.min():g} Hz.")
    at = local(source_object, Settings(inputs, state, draws, seed, probability))
    way = route(at, source, target, holding, drive=not clamp)
    blood = haemodynamic_response(source_object, target, hertz) if haemodynamics else np.ones(len(hertz), dtype=complex)

    def response(part: Part) -> NDArray[np.complex128]:
        return _responses(part, hertz) * blood

    reachable = has_path(at, way)
    value, drawn = (
        response(way.part(linear)) if reachable else np.zeros((len(linear.A), len(hertz)), dtype=complex) for linear in (at.mean, at.drawn)
    )
    kept = drawn[np.isfinite(drawn[:, 0])]
    unstable, known = float(np.isnan(drawn[:, 0]).mean()), bool(np.isfinite(value[0, 0]))
    status = status_of(at, known, unstable, not (known and reachable) or informed(at, way, response))
    phase = np.unwrap(np.angle(value[0])) if known else np.full(len(hertz), np.nan)
    # Each draw's phase about the mean's, so that no interval is torn where phases wrap.
    turned = phase + np.angle(kept * np.exp(-1j * phase))
    gain_lower, gain_upper = _interval(np.abs(kept), probability)
    phase_lower, phase_upper = _interval(turned, probability)
    unit = unit_of(way) if not haemodynamics else "signal per unit input" if way.is_input else "signal per unit drive (s)"
    return TransferFunction(
        source, target, hertz, value[0], gain_lower, gain_upper, phase, phase_lower, phase_upper, drawn, unit,
        status if reachable else EffectStatus.NO_PATH, unstable,
    )  # fmt: skip


def _interval(draws: Array, probability: float) -> tuple[Array, Array]:
    """The central interval over draws at each frequency; NaN where there are none."""
    if not len(draws) or not np.isfinite(draws).all():
        return np.full(draws.shape[1], np.nan), np.full(draws.shape[1], np.nan)
    lower, upper = np.quantile(draws, [(1 - probability) / 2, (1 + probability) / 2], axis=0)
    return lower, upper


def _responses(part: Part, hertz: Array) -> NDArray[np.complex128]:
    """(i w I - A)^-1 c at the target, shape (draw, frequency), NaN where what remains is not stable."""
    result = np.full((len(part.A), len(hertz)), np.nan, dtype=np.complex128)
    fine = usable(part.A, part.c)
    eye = np.eye(part.A.shape[1])
    for column, f in enumerate(hertz):
        result[fine, column] = np.linalg.solve(2j * np.pi * f * eye - part.A[fine], part.c[fine][..., None])[:, part.place, 0]
    return result


def haemodynamic_response(fit: Source, region: str, frequencies: ArrayLike) -> NDArray[np.complex128]:
    """Transfer function from a region's activity to its signal, about rest at the posterior mean, in the recording's units; (frequency,).

    Raises `InputError` for anything but a fit, or for a model of activity itself.
    """
    if not isinstance(fit, Fit):
        raise InputError(f"The haemodynamic response is known from a fit only, got {type(fit).__name__}: leave it out, or ask the fit.")
    session = fit.session(0)
    system = fit.model.system(fit.posterior.mean[None], session.recording.echo_time)
    x, h = system.initial_state()
    if not len(h):
        raise InputError("This model is of activity itself and has no haemodynamics: leave haemodynamics=False.")
    at = known_name("region", region, fit.model.regions, "haemodynamic_response")
    n, activity = len(h), x[: len(system.regions)]
    J, g = np.empty((n, n)), np.empty(n)
    for state in range(n):
        up, down = h.copy(), h.copy()
        up[state], down[state] = DIFFERENCE, -DIFFERENCE
        J[:, state] = (system.observation_flow(up, activity) - system.observation_flow(down, activity))[:, at, 0] / (2 * DIFFERENCE)
        g[state] = (system.observe(x, up) - system.observe(x, down))[at, 0] / (2 * DIFFERENCE)
    b = (system.observation_flow(h, activity + DIFFERENCE) - system.observation_flow(h, activity - DIFFERENCE))[:, at, 0] / (2 * DIFFERENCE)
    w = 2j * np.pi * np.atleast_1d(np.asarray(frequencies, dtype=float))
    return np.array([g @ np.linalg.solve(one * np.eye(n) - J, b) for one in w], dtype=np.complex128) / session.scale


# --- energies -----------------------------------------------------------------------------------------------------------------------


def response_energy(
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
    """How much an impulse at the source moves the target in all: W_ii = integral of ([e^{At} c]_i)^2 dt, A W + W A' + c c' = 0.

    source : a region (c = e_j) or an input (c = C_j). Of one target it is worked out by the dual equation, A' M + M A + e_i e_i' = 0,
    W_ii = c' M c. All else as in `effects.total_effect`.
    """
    at = local(source_object, Settings(inputs, state, draws, seed, probability))
    way = route(at, source, target, (), drive=True)
    unit = "activity^2 s per unit impulse^2"
    return effect(at, way, lambda part: _energies(part, np.eye(part.A.shape[1])[part.place]), "Energy", unit)


def average_controllability(
    source_object: Source,
    source: str,
    *,
    inputs: Mapping[str, float] | None = None,
    state: Mapping[str, float] | None = None,
    draws: int = 1000,
    seed: int | np.random.Generator = 0,
    probability: float = 0.9,
) -> Effect:
    """How much an impulse at the source moves the whole system: tr W, W the controllability Gramian (Gu et al. 2015), in continuous time.

    The sum of `response_energy` over all targets; the effect's target reads "all regions".
    """
    at = local(source_object, Settings(inputs, state, draws, seed, probability))
    regions, unit = at.coupling.regions, "activity^2 s per unit impulse^2"
    own = source if source in regions else regions[_acted_on(at, source)]
    way = route(at, source, own, (), drive=True)
    made = effect(at, way, lambda part: _energies(part, np.ones(part.A.shape[1])), "Average controllability", unit)
    return Effect(**{**vars(made), "target": "all regions"})


def controllability_table(
    source_object: Source,
    *,
    inputs: Mapping[str, float] | None = None,
    state: Mapping[str, float] | None = None,
    draws: int = 1000,
    seed: int = 0,
    probability: float = 0.9,
) -> pd.DataFrame:
    """Average controllability of every region, the largest first; columns as `Effect.row`."""
    regions = read_source(source_object)[0].regions
    ask = partial(average_controllability, inputs=inputs, state=state, draws=draws, seed=seed, probability=probability)
    rows = [ask(source_object, region).row() for region in regions]
    return pd.DataFrame(rows).sort_values("value", ascending=False, ignore_index=True)


def minimal_energy(
    source_object: Source,
    to: Mapping[str, float],
    driven: Sequence[str],
    horizon: float,
    *,
    inputs: Mapping[str, float] | None = None,
    state: Mapping[str, float] | None = None,
    draws: int = 1000,
    seed: int | np.random.Generator = 0,
    probability: float = 0.9,
) -> Effect:
    """The least energy, integral of v' v dt, of drives v that bring some regions from where they are to given deviations at the horizon.

    to : {region: activity}; the other regions may end anywhere
    driven : regions (each a drive of its own) and inputs that may act
    horizon : seconds

        d' (P W_T P')^-1 d,   W_T = integral from 0 to T of e^{At} B B' e^{A't} dt,   P the rows of the regions named

    W_T by Van Loan (1978) and doubling. Where the drives cannot bring them there at the mean coupling, there is no number.

    Raises `InputError` if nothing is to be moved or nothing may act.
    """
    if not to or not driven or isinstance(driven, str):
        raise InputError(f"minimal_energy needs regions to move and a list of what may act, got to={to!r} and driven={driven!r}.")
    seconds = positive("minimal_energy(horizon)", horizon, "seconds")
    at = local(source_object, Settings(inputs, state, draws, seed, probability))
    rows = [known_name("region", name, at.coupling.regions, "minimal_energy(to)") for name in to]
    d = finite_array("minimal_energy(to)", list(to.values()), 1, "(region,)")
    for name in driven:
        known_name("region or input", name, (*at.coupling.regions, *at.coupling.inputs), "minimal_energy(driven)")
    value, drawn = (_least_energies(linear, _drives(at, linear, driven), rows, d, seconds) for linear in (at.mean, at.drawn))
    stable = usable(at.drawn.A, np.zeros(at.drawn.A.shape[:2]))
    unstable = float(np.mean(~stable))
    known = bool(np.isfinite(value[0]))
    status = status_of(at, known, unstable, True)
    if not known and usable(at.mean.A, np.zeros(at.mean.A.shape[:2]))[0]:
        status = EffectStatus.NOT_CONTROLLABLE
    names = ("+".join(driven), "+".join(to))
    note = f"At least, within {seconds:g} s."
    return summary(at, names, float(value[0]), drawn, "Energy", "drive^2 s", status, unstable, note)


def gramian(A: Array, B: Array, horizon: float | None = None) -> Array:
    """The controllability Gramian of x' = A x + B v, shapes (n, n) and (n, m); over all time (A stable) or up to a horizon in seconds."""
    if horizon is None:
        return solve_continuous_lyapunov(A, -B @ B.T)
    doublings = max(0, int(np.ceil(np.log2(max(np.linalg.norm(A, 1) * horizon, 1.0)))))
    n, step = len(A), horizon / 2**doublings
    M = np.zeros((2 * n, 2 * n))
    M[:n, :n], M[:n, n:], M[n:, n:] = -A, B @ B.T, A.T
    F = expm(M * step)
    onward = F[n:, n:].T
    W = onward @ F[:n, n:]
    # e^{-At} drowns the rest over long times, so that formula is for a short one only; W(2t) = W(t) + e^{At} W(t) e^{A't} goes on from there.
    for _ in range(doublings):
        W, onward = W + onward @ W @ onward.T, onward @ onward
    return (W + W.T) / 2


def _energies(part: Part, weights: Array) -> Array:
    """The energy c' M c with A' M + M A + diag(weights) = 0, shape (draw,), NaN where A is not stable."""
    result = np.full(len(part.A), np.nan)
    for draw in np.flatnonzero(usable(part.A, part.c)):
        M = solve_continuous_lyapunov(part.A[draw].T, -np.diag(weights))
        result[draw] = part.c[draw] @ M @ part.c[draw]
    return result


def _acted_on(at: Local, source: str) -> int:
    """A region that an input acts on, any one where there is none."""
    k = known_name("region or input", source, at.coupling.inputs, "average_controllability(source)")
    return int((at.drawn.C[:, :, k] != 0).any(axis=0).argmax())


def _drives(at: Local, linear: Linear, driven: Sequence[str]) -> Array:
    """The columns by which regions and inputs act, shape (draw, region, drive)."""
    regions, inputs = at.coupling.regions, at.coupling.inputs
    eye = np.broadcast_to(np.eye(len(regions)), linear.A.shape)
    return np.stack([linear.C[:, :, inputs.index(one)] if one in inputs else eye[:, :, regions.index(one)] for one in driven], axis=-1)


def _least_energies(linear: Linear, B: Array, rows: Sequence[int], d: Array, horizon: float) -> Array:
    result = np.full(len(linear.A), np.nan)
    for draw in np.flatnonzero(usable(linear.A, B.sum(axis=2))):
        W = gramian(linear.A[draw], B[draw], horizon)[np.ix_(rows, rows)]
        values, vectors = np.linalg.eigh(W)
        if values[0] > NEGLIGIBLE * values[-1]:
            result[draw] = float(((vectors.T @ d) ** 2 / values).sum())
    return result
