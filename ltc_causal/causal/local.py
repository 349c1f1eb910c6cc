"""The linear system about an operating point, at the mean coupling and in draws of it, and the part of it that a question is about.

    d dx/dt = A dx + C du,   A = dF/dx,   C = dF/du

Lives here: that system, its reduction by what is held, and the summary of any function of it: value, draws, delta method, status.
Does not live here: what the functions are (`effects`, `curves`, `control`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ltc_causal.causal.source import Source, constant_of, draw_couplings, read_source, stacked
from ltc_causal.core.coupling import Coupling, coupling_posterior, named_vector
from ltc_causal.core.diagnosis import SHRINKAGE
from ltc_causal.core.effect import Effect, EffectStatus
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError, known_name

Array = NDArray[np.float64]

STEP = 1e-5  # Hz, of the central differences: their error is of the order of 1e-10 of an effect
CHUNK = 512  # shifted couplings at once
MANY = 2000  # entries beyond which a variance is that over directions drawn, not of each entry's slope
DIRECTIONS = 256  # of those: the variance is then known to 9 %
LARGE = 50  # regions from which squaring tells stability faster than eigenvalues
SQUARINGS, CERTAIN = 14, 1e60  # how often; and the norm beyond which powers do not come back, whatever their eigenvectors


class Linear(NamedTuple):
    """A, shape (draw, region, region), and C, shape (draw, region, input)."""

    A: Array
    C: Array


class Part(NamedTuple):
    """What remains of the system: dz/dt = A z + c v, v the cause; shapes (draw, kept, kept) and (draw, kept). `place` is the target's."""

    A: Array
    c: Array
    place: int


Evaluate = Callable[[Part], NDArray]


@dataclass(frozen=True)
class Settings:
    """How a question is asked: under which inputs and state, with how many draws of the coupling; `probability` is that of the interval."""

    inputs: Mapping[str, float] | None = None
    state: Mapping[str, float] | None = None
    draws: int = 1000
    seed: int | np.random.Generator = 0
    probability: float = 0.9

    def __post_init__(self):
        if self.draws < 2 or not 0 < self.probability < 1:
            raise InputError(
                f"An effect needs at least 2 draws and a probability between 0 and 1, got draws={self.draws!r}, "
                f"probability={self.probability!r}."
            )


@dataclass(frozen=True)
class Route:
    """From a cause to a target, by position.

    source : of a region, or of an input if `is_input`
    kept : the regions whose equations remain; the others are held where they are, or are the cause itself
    clamped : whether the cause is the region's activity (then it is not kept) and not a drive of it
    """

    source: int
    is_input: bool
    target: int
    kept: tuple[int, ...]
    clamped: bool
    names: tuple[str, str]

    def part(self, linear: Linear) -> Part:
        """The system that remains, and how the cause acts on it."""
        kept = list(self.kept)
        if self.is_input:
            c = linear.C[:, kept, self.source]
        elif self.clamped:
            c = linear.A[:, kept, self.source]
        else:
            c = np.zeros((len(linear.A), len(kept)))
            c[:, kept.index(self.source)] = 1.0
        return Part(linear.A[:, kept][:, :, kept], c, kept.index(self.target))


@dataclass(frozen=True, eq=False)
class Local:
    """A source of couplings at an operating point.

    coupling, posterior, prior : about that point; the prior's covariance over the same entries, None where no prior is known
    u, x : inputs and state as deviations from the point; x is None where it is the equilibrium under u that counts, gating left out
    constant : F0
    mean, drawn : the linear system at the mean coupling (one draw), and in draws (the mean again where there is no posterior)
    """

    coupling: Coupling
    posterior: Gaussian | None
    prior: Array | None
    u: Array
    x: Array | None
    constant: Array
    mean: Linear
    drawn: Linear
    settings: Settings

    @property
    def uncertain(self) -> bool:
        """Whether there is a posterior to draw from."""
        return self.posterior is not None


def local(source_object: Source, settings: Settings) -> Local:
    """The linear systems about the inputs and state of the settings (see `effects.total_effect` for what they mean)."""
    coupling, posterior = read_source(source_object)
    u, x = coupling.input_vector(settings.inputs), None
    prior = _prior_cov(source_object, None, None)
    if settings.state is not None:
        x = named_vector("region", settings.state, coupling.regions)
        if isinstance(source_object, Fit):  # the model knows its own expansion there, exactly
            model, mean = source_object.model, source_object.posterior
            coupling, posterior = model.coupling(mean.mean, x, u), coupling_posterior(model, mean, x, u)
            prior, u, x = _prior_cov(source_object, x, u), np.zeros_like(u), np.zeros_like(x)
    constant = constant_of(source_object, len(coupling.regions))
    mean = linearised({matrix: getattr(coupling, matrix)[None] for matrix in "ABCD"}, u, x, constant)
    drawn = mean
    if posterior is not None:
        drawn = linearised(draw_couplings(coupling, posterior, settings.draws, settings.seed), u, x, constant)
    return Local(coupling, posterior, prior, u, x, constant, mean, drawn, settings)


def _prior_cov(source_object: Source, x: Array | None, u: Array | None) -> Array | None:
    """The prior covariance of a fit's couplings, carried through the same derivative as the posterior's."""
    if not isinstance(source_object, Fit):
        return None
    prior = Gaussian(source_object.prior.names, source_object.posterior.mean, source_object.prior.cov)
    return coupling_posterior(source_object.model, prior, x, u).cov


def linearised(stacks: Mapping[str, Array], u: Array, x: Array | None, constant: Array) -> Linear:
    """A = A + sum u_k B[k] + sum x_l (D[l] + D[.]_l),  C_k = C_k + B[k] x; without a state, C at the equilibrium x* of each draw."""
    A = stacks["A"] + np.einsum("k,dkij->dij", u, stacks["B"])
    if x is None:
        at = equilibrium(A, constant + np.einsum("dik,k->di", stacks["C"], u))
    else:
        D = stacks["D"]
        if x.any():
            A = A + np.einsum("l,dlij->dij", x, D) + np.einsum("djil,l->dij", D, x)
        at = np.broadcast_to(x, A.shape[:2])
    return Linear(A, stacks["C"] + np.einsum("dkij,dj->dik", stacks["B"], at))


def usable(A: Array, drive: Array) -> NDArray[np.bool_]:
    """Which draws have a drive, shape (draw, n), and an A in which every mode decays."""
    fine: NDArray[np.bool_] = np.isfinite(drive.sum(axis=1))
    fine[fine] = decays(A[fine])
    return fine


def decays(A: Array) -> NDArray[np.bool_]:
    """Whether every mode of each matrix decays, shape (draw,) for (draw, n, n).

    With M = (c + A)(c - A)^-1, c > 0, which takes the left half plane into the unit circle: powers of M vanish if it does and grow without bound
    if not. What repeated squaring leaves open, eigenvalues tell.
    """
    n = A.shape[-1]
    if n < LARGE:
        return np.linalg.eigvals(A).real.max(axis=1) < 0
    return np.array([_decays(one) for one in A], dtype=bool)


def _decays(A: Array) -> bool:
    c, eye = np.linalg.norm(A) / np.sqrt(len(A)), np.eye(len(A))
    try:
        M = np.linalg.solve(c * eye - A, c * eye + A)
    except np.linalg.LinAlgError:  # c is an eigenvalue
        return False
    for _ in range(SQUARINGS):
        size = np.linalg.norm(M)
        if size < 1:
            return True
        if size > CERTAIN:
            return False
        M = M @ M
    return bool(np.linalg.eigvals(A).real.max() < 0)


def equilibrium(A: Array, drive: Array) -> Array:
    """-A^-1 drive in each draw, exactly zero where no path leads, NaN where A is not stable; shapes (draw, n, n) and (draw, n)."""
    result = np.zeros_like(drive)
    if not drive.any():
        return result
    fine = usable(A, drive)
    result[~fine] = np.nan
    result[fine] = -np.linalg.solve(A[fine], drive[fine][..., None])[..., 0]
    result[:, ~reached(A, drive)] = 0.0  # what rounding leaves there is not an effect
    return result


def reached(A: Array, start: Array) -> NDArray[np.bool_]:
    """Which regions a directed path leads to, in any draw, from those where `start` is not zero, shape (region,)."""
    edges, seen = (A != 0).any(axis=0), (start != 0).any(axis=0)
    for _ in range(len(edges)):
        seen = seen | edges[:, seen].any(axis=1)
    return seen


def route(at: Local, source: str, target: str, holding: Sequence[str] = (), drive: bool = False) -> Route:
    """Who acts on whom, through what; raises `InputError` for an unknown name or a source that is its own target."""
    regions, inputs = at.coupling.regions, at.coupling.inputs
    i = known_name("region", target, regions, "the effect's target")
    known_name("region or input", source, (*regions, *inputs), "the effect's source")
    if isinstance(holding, str):
        raise InputError(f"holding must be a list of regions, got the single string {holding!r}: write [{holding!r}].")
    held = {known_name("region", region, regions, "holding") for region in holding}
    is_input = source in inputs
    j = (inputs if is_input else regions).index(source)
    clamped = not (is_input or drive)
    if clamped and j == i:
        raise InputError(
            f"An effect needs two different nodes, got {source!r} twice: a region held has no effect on itself; drive it instead."
        )
    if i in held or (not is_input and j in held):
        raise InputError(f"{source} -> {target} cannot be asked with either of them held: leave them out of {list(holding)}.")
    kept = tuple(region for region in range(len(regions)) if region not in held and not (clamped and region == j))
    return Route(j, is_input, i, kept, clamped, (source, target))


def has_path(at: Local, way: Route) -> bool:
    """Whether a directed path leads from the source to the target in any draw, past what is held."""
    return reaches(way.part(at.drawn))


def reaches(part: Part) -> bool:
    """Whether a directed path leads from the cause to the target in any draw."""
    return bool(reached(part.A, part.c)[part.place])


def slopes(at: Local, way: Route, evaluate: Evaluate) -> Array:
    """Derivatives of a function in the posterior's entries at its mean, shape (entry, ...), by central differences; fixed entries 0."""
    posterior = at.posterior
    if posterior is None:
        raise InputError("A bare coupling has no posterior to be sensitive to: ask a fit or a reduction.")
    free = np.flatnonzero(posterior.free)
    parts = []
    for some in np.array_split(free, len(free) // CHUNK + 1):
        moves = np.zeros((len(some), len(posterior.mean)))
        moves[np.arange(len(some)), some] = STEP
        stacks = stacked(at.coupling, posterior, posterior.mean + np.concatenate([moves, -moves]))
        up, down = np.split(evaluate(way.part(linearised(stacks, at.u, at.x, at.constant))), 2)
        parts.append((up - down) / (2 * STEP))
    moved = np.concatenate(parts)
    result = np.zeros((len(posterior.mean), *moved.shape[1:]), dtype=moved.dtype)
    result[free] = moved
    return result


def informed(at: Local, way: Route, evaluate: Evaluate) -> bool:
    """Whether the data narrowed a function of the coupling: its variance, by the delta method, against the prior's at the same place."""
    if at.prior is None or at.posterior is None:
        return True
    if len(at.posterior.mean) > MANY:
        before, after = (_variance_along(at, way, evaluate, drawn) for drawn in (_drawn_from_prior(at), at.drawn))
    else:
        g = slopes(at, way, evaluate).reshape(len(at.prior), -1)
        before, after = (float((g.conj() * (cov @ g)).sum().real) for cov in (at.prior, at.posterior.cov))
    return not (after > (1 - SHRINKAGE) * before)


def _drawn_from_prior(at: Local) -> Linear:
    """About the posterior mean."""
    posterior = at.posterior
    assert posterior is not None and at.prior is not None
    prior = Gaussian(posterior.names, posterior.mean, at.prior)
    return linearised(draw_couplings(at.coupling, prior, DIRECTIONS, 0), at.u, at.x, at.constant)


def _variance_along(at: Local, way: Route, evaluate: Evaluate, drawn: Linear) -> float:
    """Of a function whose argument moves as the draws do: the mean square of its slopes along them."""
    total, count = 0.0, min(DIRECTIONS, len(drawn.A))
    A, C = at.mean
    for some in np.array_split(np.arange(count), max(count // (CHUNK // 16), 1)):
        moves = Linear(STEP * (drawn.A[some] - A), STEP * (drawn.C[some] - C))
        up, down = (evaluate(way.part(Linear(A + sign * moves.A, C + sign * moves.C))) for sign in (1, -1))
        total += float((np.abs((up - down) / (2 * STEP)) ** 2).sum())
    return total / count


def status_of(at: Local, value_is_known: bool, unstable: float, is_informed: bool) -> EffectStatus:
    """What is to be said of an effect, the gravest first."""
    if not value_is_known:
        return EffectStatus.NO_EQUILIBRIUM
    if not is_informed:
        return EffectStatus.NOT_INFORMED
    return EffectStatus.UNSTABLE_DRAWS if unstable and at.uncertain else EffectStatus.OK


def effect(at: Local, way: Route, evaluate: Evaluate, kind: str, unit: str, note: str = "") -> Effect:
    """The summary of a function of what remains that is NaN where that is not stable."""
    if not has_path(at, way):
        return no_path(at, way, kind, unit)
    value, drawn = (evaluate(way.part(linear)) for linear in (at.mean, at.drawn))
    unstable = float(np.isnan(drawn).mean())
    known = bool(np.isfinite(value[0]))
    status = status_of(at, known, unstable, not known or informed(at, way, evaluate))
    return summary(at, way.names, float(value[0]), drawn, kind, unit, status, unstable, note)


def no_path(at: Local, way: Route, kind: str, unit: str) -> Effect:
    """The effect that is exactly zero."""
    zero, drawn = (0.0, np.zeros(at.settings.draws)) if at.uncertain else (None, None)
    return Effect(*way.names, 0.0, zero, zero, zero, zero, unit, EffectStatus.NO_PATH, 0.0, kind, draws=drawn)


def summary(
    at: Local,
    names: tuple[str, str],
    value: float,
    drawn: Array,
    kind: str,
    unit: str,
    status: EffectStatus,
    unstable: float,
    note: str = "",
) -> Effect:
    """Value, sd and interval of the finite draws; no number where the value is NaN."""
    if np.isnan(value):
        return Effect(*names, None, None, None, None, None, unit, status, unstable, kind, note)
    kept = drawn[np.isfinite(drawn)]
    if not at.uncertain or len(kept) < 2:
        return Effect(*names, value, None, None, None, None, unit, status, unstable, kind, note)
    tail = (1 - at.settings.probability) / 2
    lower, upper = np.quantile(kept, [tail, 1 - tail])
    sd, above = float(kept.std(ddof=1)), float((kept > 0).mean())
    return Effect(*names, value, sd, float(lower), float(upper), above, unit, status, unstable, kind, note, drawn)
