"""A linear network fitted as a whole: its coupling from the spectra of its signals, by Fisher scoring.

Regression on the signal is biased where the regions fluctuate by themselves, as they do at rest: the haemodynamics smear what drives a region over
seconds, so that it is correlated with the regressors, and measurement noise draws all weights to zero besides. So the likelihood of the spectra
is climbed instead (`numerics.whittle`). A and C have Gaussian priors of one spread each, found from the data (MacKay 1992); the regions' sizes of
fluctuations and noise, and the one rate up to which fluctuations are white, have wide ones.

The posterior's covariance is the inverse of information and prior precision: of all parameters together where they are few, else of each region's,
the other regions' at their estimates. The rate is held.

Lives here: the ascent and its end. Does not live here: the likelihood, indicators (`sparse_network`), honest intervals (`widening`).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from ltc_causal.core.regression import NetworkProblem
from ltc_causal.numerics import response_basis as basis
from ltc_causal.numerics.whittle import Group, Network, Spectra, information, log_likelihood

Array = NDArray  # of real numbers
Mask = NDArray[np.bool_]

HEARD = 1e-3  # of the response's largest power; a frequency below it tells of noise alone
BAND = 0.01  # Hz over which the spectra of a network at rest hardly change
TOGETHER = 1000  # parameters whose covariance is made in one piece
SPREADS = (4.0, 1.0)  # precision of A (1/Hz^2) and of C at the start
LEAST_SPREADS = (0.2, 2e-3)  # what two connections more add to the sums of squares, so that a network of few connections has a spread
SIZES = 3.0  # prior sd of ln q and ln r about the start
RATE = (0.0, 1.0)  # prior mean and sd of ln b, b in 1/s
SLOWEST = 0.02  # 1/s, of any mode
ROUNDS, STEPS, HALVINGS = 3, 40, 12
LONGEST = 2.0  # step in ln q, ln r and ln b
GAIN = (0.01, 1e-4)  # nats, in all and for each parameter; a step that promises less than either is not made
AGAIN = 2  # steps after which the information is worked out anew


@dataclass(frozen=True, eq=False)
class NetworkFit:
    """What is found.

    network : at the maximum; mask : its connections
    groups, covariances : of which parameters, and their covariance (connections, ln q, ln r)
    spreads : precision of A's and of C's prior
    free_energy : nats, by Laplace's approximation; steps, converged : how the ascent went
    """

    network: Network
    mask: Mask
    groups: list[Group]
    covariances: list[Array]
    spreads: tuple[float, float]
    free_energy: float
    steps: int
    converged: bool

    @property
    def sd(self) -> Array:
        """Of W = [A C], 0 where there is no connection."""
        sd = np.zeros(self.mask.shape)
        for group, cov in zip(self.groups, self.covariances, strict=True):
            sd[group.target, group.source] = np.sqrt(np.diag(cov)[: len(group.target)])
        return sd

    def covariance_of(self, region: int, columns: NDArray[np.int64]) -> Array:
        """Of some of a region's connections."""
        for group, cov in zip(self.groups, self.covariances, strict=True):
            own = np.flatnonzero(group.target == region)
            if len(own):
                place = own[np.searchsorted(group.source[own], columns)]
                return cov[np.ix_(place, place)]
        return np.zeros((0, 0))

    def noise_variances(self) -> Array:
        """Of each ln r."""
        found = np.empty(len(self.mask))
        for group, cov in zip(self.groups, self.covariances, strict=True):
            found[group.regions] = np.diag(cov)[len(group.target) + len(group.regions) :]
        return found

    def drawn(self, rng: np.random.Generator, factor: float = 1.0) -> Network:
        """A network from the posterior, its sds times the factor."""
        W, q, r = (part.copy() for part in self.network[:3])
        for group, cov in zip(self.groups, self.covariances, strict=True):
            values, vectors = np.linalg.eigh(cov)
            move = factor * (vectors @ (np.sqrt(np.clip(values, 0, None)) * rng.standard_normal(len(cov))))
            _move(W, q, r, group, move)
        return Network(W, q, r, self.network.log_b)


def _move(W: Array, q: Array, r: Array, group: Group, move: Array) -> None:
    p, n = len(group.target), len(group.regions)
    W[group.target, group.source] += move[:p]
    q[group.regions] += move[p : p + n]
    r[group.regions] += move[p + n :]


def spectra_of(problem: NetworkProblem, y: Array) -> Spectra:
    """The windowed spectra of a signal without its confounds.

    With the window w, d(w s)/dt = A w s + C w u* + w' s, so that what the ends bring in is w' s, for which the measured signal stands.
    """
    n, n_confound = len(y), problem.confounds.shape[1]
    w, slope = basis.window(n, problem.dt)
    columns = np.concatenate([problem.confounds, basis.responses(problem.driven, problem.dt)], axis=1)
    weights = np.asarray(np.linalg.pinv(columns, rcond=1e-8), dtype=float) @ y
    rest = y - problem.confounds @ weights[:n_confound]
    omega = 2 * np.pi * np.fft.rfftfreq(n, problem.dt)
    power = np.abs(problem.transfer(omega)) ** 2
    keep = (power > HEARD * power.max()) & (np.arange(len(omega)) > 0) & (2 * np.arange(len(omega)) != n)
    scale = np.sqrt(problem.dt / (w**2).sum())
    smooth = columns[:, n_confound:] @ weights[n_confound:]
    parts = (rest * w, smooth * slope, problem.driven * w)
    Y, D, U = (scale * np.fft.rfft(part, axis=0)[keep] for part in parts)
    late = np.exp(-1j * omega[keep, None] * (problem.delays - problem.delays.mean()))  # as if all regions were read at once
    # Inputs differ from one frequency to the next, fluctuations have a smooth spectrum.
    width = 1 if problem.driven.shape[1] else max(int(BAND * n * problem.dt), 1)
    return _in_bands(Spectra(Y * late, D * late, U, omega[keep], power[keep]), width)


def _in_bands(spectra: Spectra, width: int) -> Spectra:
    """As many neighbouring frequencies together; the highest few, which hold noise, are left out if they do not fill a band."""
    count = len(spectra.omega) // width
    whole = [part[: count * width].reshape(count, width, -1) for part in spectra]
    return Spectra(whole[0], whole[1], whole[2], whole[3].mean(axis=(1, 2)), whole[4].mean(axis=(1, 2)))


def first_guess(problem: NetworkProblem, spectra: Spectra) -> Network:
    """No coupling between regions; the power where the response is weakest is noise, the rest fluctuations."""
    n = problem.n_region
    W = np.zeros((n, n + problem.driven.shape[1]))
    W[:, :n][np.diag_indices(n)] = problem.self_mean
    power = (np.abs(spectra.Y) ** 2).mean(axis=1)
    weakest = np.argsort(spectra.power)[: max(len(spectra.omega) // 5, 1)]
    r = power[weakest].mean(axis=0)
    per_q = spectra.power / (problem.self_mean**2 + spectra.omega**2) / (1 + spectra.omega**2)
    q = np.maximum(power.mean(axis=0) - r, 0.1 * power.mean(axis=0)) / per_q.mean()
    return Network(W, np.log(q), np.log(r), RATE[0])


def estimate(problem: NetworkProblem, y: Array, mask: Mask | None = None, begin: NetworkFit | None = None) -> NetworkFit:
    """The network of these connections (all allowed ones unless given) at which a signal's spectra are most probable.

    begin : where to start, and which spreads to take; without it there are a few rounds for them
    """
    mask = problem.allowed if mask is None else mask
    spectra = spectra_of(problem, y)
    start = first_guess(problem, spectra)
    network, spreads, steps = start, SPREADS, 0
    if begin is not None:
        network, spreads = begin.network._replace(W=np.where(mask, begin.network.W, 0.0)), _spreads(begin)
        network = network if np.linalg.eigvals(network.A).real.max() < -SLOWEST else start
    found: NetworkFit | None = None
    alone = not (mask[:, : problem.n_region] & ~np.eye(problem.n_region, dtype=bool)).any()
    for _ in range(1 if alone or begin is not None else ROUNDS):
        ascent = Ascent(problem, spectra, mask, start, spreads)
        network, made, converged = ascent.climbed(network)
        steps += made
        found = replace(ascent.posterior(network), steps=steps, converged=converged)
        spreads = _spreads(found)
    assert found is not None
    return found


def groups_of(mask: Mask) -> list[Group]:
    """All parameters together if they are few, else those of each region."""
    n = len(mask)
    target, source = np.nonzero(mask)
    if len(target) + 2 * n <= TOGETHER:
        return [Group(target, source, np.arange(n))]
    return region_groups(mask)


def region_groups(mask: Mask) -> list[Group]:
    """Each region's parameters."""
    columns = [np.flatnonzero(row) for row in mask]
    return [Group(np.full(len(some), region), some, np.array([region])) for region, some in enumerate(columns)]


def _spreads(found: NetworkFit) -> tuple[float, float]:
    n = len(found.mask)
    squares, between = found.network.W**2 + found.sd**2, found.mask.copy()
    between[:, :n][np.diag_indices(n)] = False
    parts = [(between[:, :n].sum(), squares[:, :n][between[:, :n]].sum()), (between[:, n:].sum(), squares[:, n:][between[:, n:]].sum())]
    A, C = ((count + 2) / (total + least) for (count, total), least in zip(parts, LEAST_SPREADS, strict=True))
    return float(A), float(C)


@dataclass(frozen=True, eq=False)
class Ascent:
    """Of log likelihood and log prior over the networks that have the mask's connections."""

    problem: NetworkProblem
    spectra: Spectra
    mask: Mask
    start: Network
    spreads: tuple[float, float]

    @property
    def prior_W(self) -> tuple[Array, Array]:
        """Mean and precision of W, whether a connection is there or not."""
        n = len(self.mask)
        mean, precision = np.zeros(self.mask.shape), np.full(self.mask.shape, self.spreads[0])
        precision[:, n:] = self.spreads[1]
        own = np.arange(n), np.arange(n)
        mean[own], precision[own] = self.problem.self_mean, 1 / self.problem.self_sd**2
        return mean, precision

    def climbed(self, network: Network) -> tuple[Network, int, bool]:
        """Where Fisher scoring with halved steps ends, after how many, and whether it rests there."""
        groups, factors, b = groups_of(self.mask), [], 1.0
        enough = max(GAIN[0], GAIN[1] * sum(len(one.target) + 2 * len(one.regions) for one in groups))
        value, slopes = self.value(network)
        for step in range(STEPS):
            if step % AGAIN == 0:
                factors, b = self._factors(network, groups)
            moved, gain = _step(network, slopes, groups, factors, b)
            if gain < enough:
                return network, step, True
            for halving in range(HALVINGS):
                there = _between(network, moved, 0.5**halving)
                new = self._value_if_any(there)
                if new is not None and new[0] > value:
                    break
            else:
                return network, step, False
            network, (value, slopes) = there, new
        return network, STEPS, False

    def _factors(self, network: Network, groups: list[Group]) -> tuple[list[Any], float]:
        curvatures, b = self.curvatures(network, groups)
        return [cho_factor(one) for one in curvatures], b

    def _value_if_any(self, network: Network) -> tuple[float, Network] | None:
        """None where a mode does not decay or a covariance is singular."""
        if not np.linalg.eigvals(network.A).real.max() < -SLOWEST:
            return None
        try:
            return self.value(network)
        except np.linalg.LinAlgError:
            return None

    def value(self, network: Network) -> tuple[float, Network]:
        """Log of likelihood times prior, without frequencies * regions * ln pi, and its slopes."""
        value, slopes = log_likelihood(self.spectra, network)
        mean, precision = self.prior_W
        away = [
            ((network.W - mean) * np.sqrt(precision))[self.mask],
            (network.log_q - self.start.log_q) / SIZES,
            (network.log_r - self.start.log_r) / SIZES,
            np.array([(network.log_b - RATE[0]) / RATE[1]]),
        ]
        scale = np.log(precision[self.mask]).sum() / 2 - 2 * len(self.mask) * np.log(SIZES) - np.log(RATE[1])
        prior = scale - sum((part**2).sum() + len(part) * np.log(2 * np.pi) for part in away) / 2
        own = Network(
            np.where(self.mask, slopes.W - precision * (network.W - mean), 0.0),
            slopes.log_q - away[1] / SIZES,
            slopes.log_r - away[2] / SIZES,
            slopes.log_b - float(away[3][0]) / RATE[1],
        )
        return value + float(prior), own

    def curvatures(self, network: Network, groups: list[Group]) -> tuple[list[Array], float]:
        """Information and prior precision of each group, and of ln b."""
        found, b = information(self.spectra, network, groups)
        _, precision = self.prior_W
        for group, total in zip(groups, found, strict=True):
            more = np.full(2 * len(group.regions), 1 / SIZES**2)
            total[np.diag_indices(len(total))] += np.concatenate([precision[group.target, group.source], more])
        return found, b + 1 / RATE[1] ** 2

    def posterior(self, network: Network) -> NetworkFit:
        """The Gaussian about where the ascent ended, and the free energy by Laplace's approximation."""
        groups = groups_of(self.mask)
        curvatures, b = self.curvatures(network, groups)
        covariances = [cho_solve(cho_factor(one), np.eye(len(one))) for one in curvatures]
        count = sum(len(one) for one in curvatures) + 1
        log_det = sum(2 * np.log(np.diag(np.linalg.cholesky(one))).sum() for one in curvatures) + np.log(b)
        value, _ = self.value(network)
        F = value - self.spectra.Y.size * np.log(np.pi) + count / 2 * np.log(2 * np.pi) - log_det / 2
        return NetworkFit(network, self.mask, groups, covariances, self.spreads, float(F), 0, False)


def _step(network: Network, slopes: Network, groups: list[Group], factors: list[Any], b: float) -> tuple[Network, float]:
    """The network that scoring leads to, and the gain that it promises in nats."""
    W, q, r = (part.copy() for part in network[:3])
    gain = slopes.log_b**2 / b / 2
    for group, factor in zip(groups, factors, strict=True):
        g = np.concatenate([slopes.W[group.target, group.source], slopes.log_q[group.regions], slopes.log_r[group.regions]])
        move = cho_solve(factor, g)
        sizes = slice(len(group.target), None)
        move[sizes] = np.clip(move[sizes], -LONGEST, LONGEST)
        gain += g @ move / 2
        _move(W, q, r, group, move)
    return Network(W, q, r, network.log_b + float(np.clip(slopes.log_b / b, -LONGEST, LONGEST))), float(gain)


def _between(here: Network, there: Network, share: float) -> Network:
    W, q, r, b = (old + share * (new - old) for old, new in zip(here, there, strict=True))
    return Network(np.asarray(W), np.asarray(q), np.asarray(r), float(b))
