"""The likelihood of a linear network in the frequency domain, with its gradient and Fisher information.

    dx/dt = A x + C u + w,   y = h * x + e;   E Y = G (C U + D),   cov Y = S = |h|^2 c G diag(q) G' + diag(r),
    G = (i omega - A)^-1,   c = 1 / (1 + (omega / b)^2)

w fluctuates in each region by itself, white up to the rate b (1/s), and e is white; U are the inputs seen through h, and D what the run's ends
bring in. The spectra of a long run are independent complex Gaussians at its frequencies (Whittle 1953), so that with e = Y - E Y

    log p = - sum over omega of ln |S| + e' S^-1 e,     F_ab = sum of tr(M dS_a M dS_b) + 2 Re dE_a' M dE_b,   M = S^-1

A and C stand side by side as one matrix W, whose columns are the sources: regions, then inputs.

Lives here: these, as arrays. Does not live here: priors and the ascent (`inference.network`), the haemodynamics (`models.linear_system`).
"""

from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray  # of real numbers
Complex = NDArray

CHUNK = 2**20  # complex numbers of one kind held at once: 16 MB


class Spectra(NamedTuple):
    """A recording in the frequency domain, in bands of neighbouring frequencies over which G, c and h hardly change.

    Y, D : shape (band, frequency in it, region), scaled so that white noise of variance s^2 has E |Y|^2 = s^2 dt
    U : (band, frequency, input), on the same scale
    omega : of each band, 1/s; power : |h|^2 there
    """

    Y: Complex
    D: Complex
    U: Complex
    omega: Array
    power: Array


class Network(NamedTuple):
    """W = [A C], shape (region, region + input), in Hz; ln q and ln r, shape (region,); ln b. Also the form of derivatives in all of these."""

    W: Array
    log_q: Array
    log_r: Array
    log_b: float

    @property
    def A(self) -> Array:
        """Shape (region, region)."""
        return self.W[:, : len(self.W)]

    @property
    def C(self) -> Array:
        """Shape (region, input)."""
        return self.W[:, len(self.W) :]


class Group(NamedTuple):
    """Parameters whose information is wanted together: connections (target, source), and the regions whose ln q and ln r belong to them."""

    target: NDArray[np.int64]
    source: NDArray[np.int64]
    regions: NDArray[np.int64]


class _Parts(NamedTuple):
    G: Complex
    Sx: Complex
    c: Array
    M: Complex
    mean: Complex
    log_det: float


def chunks(spectra: Spectra) -> list[Spectra]:
    """Frequencies in parts of which no array outgrows `CHUNK`."""
    n = max(CHUNK // (spectra.Y.shape[2] + spectra.U.shape[2]) ** 2, 1)
    return [Spectra(*(part[k : k + n] for part in spectra)) for k in range(0, len(spectra.omega), n)]


def _parts(spectra: Spectra, network: Network) -> _Parts:
    n = len(network.A)
    G = np.linalg.inv(1j * spectra.omega[:, None, None] * np.eye(n) - network.A)
    c = 1 / (1 + (spectra.omega / np.exp(network.log_b)) ** 2)
    Sx = (G * (c[:, None] * np.exp(network.log_q))[:, None, :]) @ G.conj().transpose(0, 2, 1)
    S = spectra.power[:, None, None] * Sx
    S[:, np.arange(n), np.arange(n)] += np.exp(network.log_r)
    diagonal = np.einsum("fii->fi", np.linalg.cholesky(S)).real
    mean = (spectra.U @ network.C.T + spectra.D) @ G.transpose(0, 2, 1)
    return _Parts(G, Sx, c, np.linalg.inv(S), mean, float(2 * np.log(diagonal).sum()))


def log_likelihood(spectra: Spectra, network: Network) -> tuple[float, Network]:
    """Log p of the spectra, without the constant - frequencies * regions * ln pi, and its derivatives.

    Raises `numpy.linalg.LinAlgError` where a covariance cannot be told from a singular one.
    """
    n = len(network.A)
    value, W, q, r, b = 0.0, np.zeros(network.W.shape), np.zeros(n), np.zeros(n), 0.0
    for some in chunks(spectra):
        G, Sx, c, M, mean, log_det = _parts(some, network)
        count, away = some.Y.shape[1], some.Y - mean
        z = away @ M.transpose(0, 2, 1)
        value -= count * log_det + (away.conj() * z).sum().real
        V = z.transpose(0, 2, 1) @ z.conj() - count * M  # derivative of log p in S
        T = V @ (some.power[:, None, None] * G)
        W[:, :n] += 2 * (Sx @ T).sum(axis=0).T.real
        pulled = (z @ G.conj()).conj()
        W += 2 * np.real(np.tensordot(pulled, np.concatenate([mean, some.U], axis=2), ((0, 1), (0, 1))))
        by_q = c[:, None] * np.exp(network.log_q) * np.einsum("fki,fki->fi", G.conj(), T).real
        q += by_q.sum(axis=0)
        r += np.exp(network.log_r) * np.einsum("fii->i", V).real
        b += float((2 * (1 - c) * by_q.sum(axis=1)).sum())
    return float(value), Network(W, q, r, b)


def information(spectra: Spectra, network: Network, groups: list[Group]) -> tuple[list[Array], float]:
    """Fisher information of each group's parameters (connections, then ln q, then ln r), and of ln b by itself."""
    found = [np.zeros((len(g.target) + 2 * len(g.regions),) * 2) for g in groups]
    b, m = 0.0, network.C.shape[1]
    q, r = np.exp(network.log_q), np.exp(network.log_r)
    for some in chunks(spectra):
        G, Sx, c, M, mean, _ = _parts(some, network)
        power = some.power[:, None, None]
        MG, MS = M @ G, M @ Sx
        # Of an input's column no spectrum of fluctuations depends on, hence the zeros.
        P1 = np.pad(power * (Sx @ MG), ((0, 0), (0, m), (0, 0)))
        P2 = G.conj().transpose(0, 2, 1) @ MG
        count = some.Y.shape[1]
        P3 = np.pad(count * power**2 * (Sx @ MS), ((0, 0), (0, m), (0, m)))
        if mean.any() or m:
            seen = np.concatenate([mean, some.U], axis=2)
            P3 += seen.transpose(0, 2, 1) @ seen.conj()
        V = np.pad(power * MS, ((0, 0), (0, 0), (0, m)))
        b += count * float((4 * (1 - c) ** 2 * np.einsum("fij,fji->f", power * MS, power * MS).real).sum())
        for g, total in zip(groups, found, strict=True):
            _add_information(count, P1, P2, P3, MG, V, M, some.power, np.outer(c, q), r, g.target, g.source, g.regions, total)
    return [total + np.triu(total, 1).T for total in found], b


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _add_information(count, P1, P2, P3, U, V, M, power, cq, r, target, source, regions, total):
    """The upper triangle, added to what is there."""
    p, n = len(target), len(regions)
    for f in range(len(P1)):
        h = power[f]
        for a in range(p):
            i, j = target[a], source[a]
            for other in range(a, p):
                k, l = target[other], source[other]
                total[a, other] += 2 * (count * P1[f, j, k] * P1[f, l, i] + P3[f, j, l] * P2[f, k, i]).real
            for m in range(n):
                k = regions[m]
                total[a, p + m] += 2 * count * h * cq[f, k] * (P1[f, j, k] * P2[f, k, i]).real
                total[a, p + n + m] += 2 * count * r[k] * (U[f, k, i] * np.conj(V[f, k, j])).real
        for m in range(n):
            i = regions[m]
            for other in range(n):
                k = regions[other]
                if other >= m:
                    total[p + m, p + other] += count * h * h * cq[f, i] * cq[f, k] * (P2[f, i, k].real ** 2 + P2[f, i, k].imag ** 2)
                    total[p + n + m, p + n + other] += count * r[i] * r[k] * (M[f, i, k].real ** 2 + M[f, i, k].imag ** 2)
                total[p + m, p + n + other] += count * h * cq[f, i] * r[k] * (U[f, k, i].real ** 2 + U[f, k, i].imag ** 2)


def fluctuations(network: Network, transfer: Callable[[Array], Complex], n: int, dt: float, rng: np.random.Generator) -> Array:
    """The signal of a run without inputs and noise, shape (time, region), cut from one of twice the length that repeats itself.

    transfer : the response h at angular frequencies in 1/s
    """
    size = len(network.A)
    omega = 2 * np.pi * np.fft.rfftfreq(2 * n, dt)
    c = 1 / (1 + (omega / np.exp(network.log_b)) ** 2)
    amplitude = np.sqrt(c[:, None] * np.exp(network.log_q) * n / dt)
    w = amplitude * (rng.standard_normal((len(omega), size)) + 1j * rng.standard_normal((len(omega), size)))
    x = np.empty_like(w)
    for k in range(len(omega)):
        x[k] = np.linalg.solve(1j * omega[k] * np.eye(size) - network.A, w[k])
    return np.fft.irfft(transfer(omega)[:, None] * x, 2 * n, axis=0)[:n]


def shares(spectra: Spectra, network: Network) -> float:
    """Of the signal's power without noise, how much the regions' own fluctuations make up."""
    own, driven = 0.0, 0.0
    for some in chunks(spectra):
        _, Sx, _, _, mean, _ = _parts(some, network)
        own += some.Y.shape[1] * float((some.power * np.einsum("fii->f", Sx).real).sum())
        driven += float((np.abs(mean) ** 2).sum())
    return own / (own + driven)
