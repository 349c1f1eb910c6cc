"""Which stimulation to try next: how well it would tell fitted models apart, how much it would teach about one.

A candidate is a course of the inputs, or interventions during the session as it was: regions driven, held, cut. Its signal is predicted with
its uncertainty from what is known now, y ~ N(g, Q + J S J'): g and its derivative J at the posterior mean, S the posterior covariance, Q the
noise found in the fit; what the confounds could explain is taken out first.

Lives here: the two rankings. Does not live here: prediction and derivative under other inputs (the model's own), the course under interventions
(`predict`), effects (`effects`).
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ltc_causal.causal.predict import signal_under
from ltc_causal.core.data import Inputs, Recording, TimeSeries
from ltc_causal.core.intervention import Intervention
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError, finite_array, known_name

Array = NDArray[np.float64]

DIFFERENCE = 1e-3  # posterior sds by which the signal under interventions is differentiated, both ways
UNSTABLE = "the model leaves its bounds under this design"


Candidate: TypeAlias = Inputs | Intervention | Sequence[Intervention]
Candidates: TypeAlias = Mapping[str, Candidate] | Sequence[Candidate]


class Outlook(NamedTuple):
    """What a fit expects of a design, the confounds' part taken out.

    mean : shape (time, region), in the model's units
    spread : shape (time, region, parameter), J S^(1/2), in the same units
    root : shape (free, parameter), S^(1/2) over the free parameters
    noise : shape (region,), sds
    left : how many samples of a region the confounds leave free
    """

    mean: Array
    spread: Array
    root: Array
    noise: Array
    left: int


def rank_by_information(fit: Fit, candidates: Candidates, *, about: Sequence[str] | None = None, session: int = 0) -> pd.DataFrame:
    """How much each design would narrow the posterior, the most informative first (D-optimality, Chaloner and Verdinelli 1995).

        information = 1/2 log |S| / |S_after|,   S_after = (S^-1 + J' Q^-1 J)^-1

    in nats, expected of a run of the design's length read every dt as in the fit's session; exact for a model linear in its parameters
    whose noise is known.

    candidates : {name: candidate} or a list of them; each an Inputs that holds the model's inputs by name, or one intervention or a list of
        them, during the session as it was (`lc.Drive("V5", 0.5, start=60.0, stop=90.0)`)
    about : parameters that matter, by name (see `fit.posterior.names`); all free ones unless given. S is then their covariance, the others
        unknown as they are
    session : whose scan time, delays, noise and (where the length is the same) confounds are taken

    Columns: design, information, narrowing (the factor by which a parameter's sd shrinks, as a geometric mean), note.

    Raises `InputError` if a candidate lacks an input, a name is unknown, or the fit has no posterior.
    """
    if not isinstance(fit, Fit):
        raise InputError(f"rank_by_information needs a fit, got {type(fit).__name__}: only a fit has a posterior to be narrowed.")
    keep = _chosen(fit, about)
    rows = []
    for name, candidate in _named(candidates).items():
        outlook = _outlook(fit, candidate, session, fit.model.regions)
        if outlook is None:
            rows.append((name, np.nan, np.nan, UNSTABLE))
            continue
        gain = _information(outlook, keep)
        rows.append((name, gain, np.exp(-gain / len(keep)), ""))
    frame = pd.DataFrame(rows, columns=["design", "information", "narrowing", "note"])
    return frame.sort_values("information", ascending=False, ignore_index=True)


def rank_by_separation(
    fits: Sequence[Fit],
    candidates: Candidates,
    *,
    probabilities: ArrayLike | None = None,
    session: int = 0,
) -> pd.DataFrame:
    """How well each design would tell fitted models apart, the best first, by the Laplace-Chernoff risk (Daunizeau et al. 2011).

        risk = H(p) + 1/2 (sum_m p_m log |V_m| - log |sum_m p_m (V_m + d_m d_m')|),   V_m = Q_m + J_m S_m J_m',   d_m = g_m - sum_k p_k g_k

    in nats, H the entropy of the models' probabilities. Where it is H, the design tells nothing. As the risk is an approximation that may
    fall below 0, the probability of choosing the wrong model is bounded besides as Bhattacharyya did (1943, Kailath 1967), over all pairs:

        error <= sum_{m < k} sqrt(p_m p_k) exp(-d' V^-1 d / 8 - 1/2 log |V| + 1/4 log |V_m| |V_k|),   V = (V_m + V_k) / 2

    fits : two or more, of models of the same regions, fitted to the same data
    probabilities : of the models beforehand, shape (model,); equal unless given
    candidates, session : as in `rank_by_information`

    Columns: design, separation (H - risk), risk, error_bound, distance (d' V^-1 d)^(1/2) of the two means farthest apart, note.

    Raises `InputError` for fewer than two fits, or fits of other regions or otherwise scaled data.
    """
    fits = _comparable(fits, session)
    p = _probabilities(probabilities, len(fits))
    entropy = float(-(p[p > 0] * np.log(p[p > 0])).sum())
    rows = []
    for name, candidate in _named(candidates).items():
        found = [_outlook(fit, candidate, session, fits[0].model.regions) for fit in fits]
        outlooks = [one for one in found if one is not None]
        if len(outlooks) < len(fits):
            rows.append((name, np.nan, np.nan, np.nan, np.nan, UNSTABLE))
            continue
        separation = _divergence(outlooks, p)
        distance, bound = _pairs(outlooks, p)
        rows.append((name, separation, entropy - separation, bound, distance, ""))
    frame = pd.DataFrame(rows, columns=["design", "separation", "risk", "error_bound", "distance", "note"])
    return frame.sort_values("separation", ascending=False, ignore_index=True)


def _named(candidates: Candidates) -> dict[str, Inputs | list[Intervention]]:
    if isinstance(candidates, Inputs | Intervention):
        kind = type(candidates).__name__
        raise InputError(f"Designs are ranked among several: give {{name: candidate}} or a list of them, got a single {kind}.")
    given = dict(candidates) if isinstance(candidates, Mapping) else {f"design {n}": one for n, one in enumerate(candidates, start=1)}
    if not given:
        raise InputError("There is no candidate design to rank: give {name: Inputs or interventions}.")
    return {name: one if isinstance(one, Inputs) else _interventions(name, one) for name, one in given.items()}


def _interventions(name: str, given: Candidate) -> list[Intervention]:
    listed = list(given) if isinstance(given, list | tuple) else [given]
    for one in listed:
        if not isinstance(one, get_args(Intervention)):
            raise InputError(
                f"The candidate {name!r} must be an Inputs or interventions, got {type(one).__name__}: see Inputs.from_events and lc.Drive."
            )
    return listed  # pyright: ignore[reportReturnType] - checked above


def _chosen(fit: Fit, about: Sequence[str] | None) -> list[int]:
    """Positions of the parameters that matter, among the free ones."""
    free = [name for name, is_free in zip(fit.posterior.names, fit.posterior.free, strict=True) if is_free]
    if about is None:
        return list(range(len(free)))
    if isinstance(about, str) or not about:
        raise InputError(f"rank_by_information(about) must list at least one parameter, got {about!r}.")
    return [known_name("free parameter", name, free, "rank_by_information(about)") for name in about]


def _comparable(fits: Sequence[Fit], session: int) -> list[Fit]:
    fits = list(fits)
    if len(fits) < 2 or not all(isinstance(fit, Fit) for fit in fits):
        raise InputError("rank_by_separation needs a list of at least two fits: fit another model to the same recording.")
    if any(set(fit.model.regions) != set(fits[0].model.regions) for fit in fits):
        raise InputError("rank_by_separation got fits of different regions, whose signals do not compare: fit all models to the same ones.")
    scales = [fit.session(session).scale for fit in fits]
    if not np.allclose(scales, scales[0], rtol=1e-9):
        raise InputError("rank_by_separation got fits that scaled the signal differently: give all models the same signal_range.")
    return fits


def _probabilities(given: ArrayLike | None, count: int) -> Array:
    if given is None:
        return np.full(count, 1 / count)
    p = finite_array("rank_by_separation(probabilities)", given, 1, "(model,)")
    if len(p) != count or (p < 0).any() or abs(p.sum() - 1) > 1e-6:
        raise InputError(f"rank_by_separation(probabilities) must be {count} numbers that add up to 1, got {p.tolist()}.")
    return p


def _outlook(fit: Fit, candidate: Inputs | list[Intervention], session: int, regions: Sequence[str]) -> Outlook | None:
    """What a fit expects of a design, its regions in this order; None where the model is unstable under it."""
    explained, order = fit.session(session), [list(fit.model.regions).index(region) for region in regions]
    recording, free = explained.recording.select(fit.model.regions), fit.posterior.free
    variance, vectors = np.linalg.eigh(fit.posterior.cov[np.ix_(free, free)])
    root = vectors * np.sqrt(np.clip(variance, 0, None))
    if isinstance(candidate, Inputs):
        recording = _frame(recording, candidate)
        found = _under_inputs(fit, recording, root)
    else:
        found = _under_interventions(fit, candidate, session, root)
    if found is None:
        return None
    confounds = np.linalg.qr(recording.confounds)[0]

    def cleaned(values: Array) -> Array:
        return (values - np.tensordot(confounds, np.tensordot(confounds.T, values, 1), 1))[:, order]

    noise = np.exp(-0.5 * explained.noise.mean)[order]
    return Outlook(cleaned(found[0]), cleaned(found[1]), root, noise, len(found[0]) - confounds.shape[1])


def _under_inputs(fit: Fit, frame: Recording, root: Array) -> tuple[Array, Array] | None:
    """Signal and its derivative along the columns of `root`, by the model's own derivative."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a course that runs away overflows, and is told by `stable`
        prediction, jacobian, stable = fit.model.linearise(fit.posterior.mean, fit.model.features(frame))
    # The model's derivative is in the prior's free parameters; what the posterior fixes besides does not move.
    return (prediction, jacobian[..., fit.posterior.free[fit.model.prior.free]] @ root) if stable else None


def _under_interventions(fit: Fit, do: Sequence[Intervention], session: int, root: Array) -> tuple[Array, Array] | None:
    """`_under_inputs` of the course under interventions, by central differences, all in one integration."""
    moves = np.zeros((root.shape[1], len(fit.posterior.names)))
    moves[:, fit.posterior.free] = DIFFERENCE * root.T
    theta = fit.posterior.mean + np.concatenate([np.zeros((1, moves.shape[1])), moves, -moves])
    signal, stable = signal_under(fit, theta, do, session)
    up, down = np.split(signal[..., 1:], 2, axis=-1)
    return (signal[..., 0], (up - down) / (2 * DIFFERENCE)) if stable else None


def _frame(recording: Recording, inputs: Inputs) -> Recording:
    """A recording of a design that was not run yet: a stand-in for the signal, so that grids are checked where they always are."""
    dt = recording.series.dt
    n_scan = int(round(inputs.duration / dt))
    ramp = np.repeat(np.arange(n_scan, dtype=float)[:, None], len(recording.regions), axis=1)
    confounds = recording.confounds if recording.confounds is not None and len(recording.confounds) == n_scan else None
    return Recording(TimeSeries(ramp, dt, recording.regions), inputs, confounds, recording.echo_time, recording.delays)


def _directions(values: Array, noise: Array) -> Array:
    """Values (time, region, ...) in units of each region's noise, shape (sample, direction)."""
    scaled = np.moveaxis(values, 1, -1) / noise
    return np.moveaxis(scaled, -1, 1).reshape(values.shape[0] * values.shape[1], -1)


def _inner(U: Array) -> Array:
    return np.eye(U.shape[1]) + U.T @ U


def _log_det(S: Array) -> float:
    return float(np.linalg.slogdet(S)[1])


def _information(outlook: Outlook, keep: Sequence[int]) -> float:
    inner = _inner(_directions(outlook.spread, outlook.noise))
    if len(keep) == len(outlook.root):
        return 0.5 * _log_det(inner)  # holds also where S is singular
    before, after = outlook.root @ outlook.root.T, outlook.root @ np.linalg.solve(inner, outlook.root.T)
    some = np.ix_(keep, keep)
    return 0.5 * (_log_det(before[some]) - _log_det(after[some]))


def _divergence(outlooks: Sequence[Outlook], p: Array) -> float:
    """1/2 (log |sum_m p_m (V_m + d_m d_m')| - sum_m p_m log |V_m|), each V a diagonal and few directions: log |I + UU'| = log |I + U'U|."""
    models = list(zip(p, outlooks, strict=True))
    centre = np.sum([weight * one.mean for weight, one in models], axis=0)
    noise = np.sqrt(np.sum([weight * one.noise**2 for weight, one in models], axis=0))
    directions, apart = [], 0.0
    for weight, one in models:
        parts = (one.spread, (one.mean - centre)[..., None])
        directions += [np.sqrt(weight) * _directions(part, noise) for part in parts]
        apart += weight * _own_log_det(one)
    together = 2 * outlooks[0].left * np.log(noise).sum() + _log_det(_inner(np.concatenate(directions, axis=1)))
    return float(0.5 * (together - apart))


def _pairs(outlooks: Sequence[Outlook], p: Array) -> tuple[float, float]:
    """The largest distance between two models' predictive means, and Bhattacharyya's bound on the error summed over pairs."""
    farthest, bound = 0.0, 0.0
    for (k, one), (m, other) in combinations(enumerate(outlooks), 2):
        noise = np.sqrt((one.noise**2 + other.noise**2) / 2)
        d = _directions((one.mean - other.mean)[..., None], noise)[:, 0]
        U = np.concatenate([_directions(each.spread, noise) for each in (one, other)], axis=1) / np.sqrt(2)
        square = max(float(d @ d - (U.T @ d) @ np.linalg.solve(_inner(U), U.T @ d)), 0.0)
        between = 2 * one.left * np.log(noise).sum() + _log_det(_inner(U))
        apart = square / 8 + between / 2 - (_own_log_det(one) + _own_log_det(other)) / 4
        farthest, bound = max(farthest, np.sqrt(square)), bound + float(np.sqrt(p[k] * p[m]) * np.exp(-apart))
    return float(farthest), min(bound, float(1 - p.max()))


def _own_log_det(outlook: Outlook) -> float:
    return 2 * outlook.left * float(np.log(outlook.noise).sum()) + _log_det(_inner(_directions(outlook.spread, outlook.noise)))
