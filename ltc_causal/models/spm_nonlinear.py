"""The step that SPM really takes when one region gates the coupling of others: a test mode, to agree with its numbers.

Around rest the neuronal flow F(x, u), every derivative a forward difference of step e^-8, is expanded into

    L = dF/dx,   B^k = d2F / dx du_k,   Q^j = d2F / dx dx_j,   C = dF/du

and every step, of length dt from activity a, propagates exactly

    dx/dt = [L + sum_k u_k B^k + sum_j a_j Q^j] x + L a + C u,      dh/dt = H h + e_s (x + a)

with H the expansion of the haemodynamics at rest. The terms in a are frozen during the step. L x thus enters twice, and so does the drive of
the haemodynamics, the latter because L a stands for a whole column of the Jacobian; a step of the flow itself would have half of Q^j and no
L a. `docs/spm-nonlinear.md` says what follows from that.

Lives here: this scheme. Does not live here: the flow as stated (`neuronal`) and its integration (`true_flow`).
"""

from dataclasses import dataclass, replace

import numba
import numpy as np
from numpy.typing import NDArray

from ltc_causal.models.haemodynamics import DIFFERENCE_STEP, N_STATE, VOLUME, rest_expansion
from ltc_causal.models.neuronal import Weights, network
from ltc_causal.numerics.cascade import BOUND
from ltc_causal.numerics.schedule import Steps

SIGNAL = 0  # the haemodynamic state that activity drives
_TAYLOR_TERM, _MOST_PARTS = 1e-17, 100_000  # size at which the series ends; parts of a step at which the state is given up


def refresh_bins(n_bin: int, n_scan: int, dt: float, first_delay: int) -> NDArray[np.int64]:
    """How many input bins have elapsed when SPM renews the frozen terms, besides input changes and readings.

    n_bin, n_scan : bins of the input grid and scans; dt : seconds a scan
    first_delay : bins from a scan's onset to the reading of the first region, less one (the first entry of `schedule.sample_bins`)

    Returns round(max(dt, 1)) moments a scan, so about one a second, shape (moment,).
    """
    moments = n_scan * int(np.floor(max(dt, 1.0) + 0.5))
    return -(-np.arange(moments) * n_bin // moments) + first_delay


@dataclass(frozen=True, eq=False)
class Expansion:
    """The neuronal flow around rest: L, B^k, Q^j and C of the module's first lines, in Hz.

    linear : (region, region); by_input : (input, region, region); by_activity : (region, region, region), first the one that multiplies
    drive : (region, input)
    """

    linear: NDArray
    by_input: NDArray
    by_activity: NDArray
    drive: NDArray


def expansion(weights: Weights, step: float = DIFFERENCE_STEP) -> Expansion:
    """`Expansion` by forward differences of that step in activity and input, the second derivatives by differences of differences."""
    n, m = weights.C.shape
    x, u = step * np.eye(n), step * np.eye(m)
    no_x, no_u = np.zeros((1, n)), np.zeros((1, m))

    def jacobian(at_x: NDArray, at_u: NDArray) -> NDArray:
        start = _flow(weights, at_x, at_u)
        return np.stack([_flow(weights, at_x + x[j], at_u) - start for j in range(n)], axis=-1) / step

    L = jacobian(no_x, no_u)
    B = (jacobian(np.repeat(no_x, m, axis=0), u) - L) / step
    Q = (jacobian(x, np.repeat(no_u, n, axis=0)) - L) / step
    return Expansion(L[0], B, Q, _flow(weights, np.repeat(no_x, m, axis=0), u).T / step)


def _flow(weights: Weights, x: NDArray, u: NDArray) -> NDArray:
    """dx/dt at each pair of activity (point, region) and input (point, input)."""
    rates = []
    for one_x, one_u in zip(x, u, strict=True):
        A = weights.A if weights.D is None else weights.A + np.tensordot(one_x, weights.D, 1)
        N = network(replace(weights, A=A, D=None), one_u[None])[0]
        rates.append(N[:, :-1] @ one_x + N[:, -1])
    return np.array(rates)


def course(weights: Weights, transit: NDArray, decay: float, steps: Steps, local: bool = False) -> tuple[NDArray, bool]:
    """Course of log v and log q, shape (scan, region, 2), and whether it stayed within bounds; after leaving them, they stay 0.

    transit : shape (region,); decay : a number; see `haemodynamics`
    steps : cut also at `refresh_bins`
    local : True takes the plain local linearisation instead, to see what SPM's frozen terms do: -sum_j a_j Q^j a / 2 in place of L a, and
        no a in dh/dt
    """
    E = expansion(weights)
    N = E.linear + np.tensordot(steps.values, E.by_input, 1)
    H = rest_expansion(np.asarray(transit, dtype=float), float(decay), "spm")
    return _run(N, E.by_activity, E.linear, steps.values @ E.drive.T, H, local, *steps.arrays)


@numba.njit(cache=True)
def _norm(J, H):
    """Largest absolute row sum of a step's matrix, the frozen terms aside."""
    norm = 0.0
    for i in range(len(J)):
        norm = max(norm, np.sum(np.abs(J[i])))
        for s in range(H.shape[1]):
            norm = max(norm, np.sum(np.abs(H[i, s])) + (1.0 if s == SIGNAL else 0.0))
    return norm


@numba.njit(cache=True)
def _advance(J, forcing, H, frozen, dt, x, h):
    """Move x and h in place by dt through x' = J x + forcing, h_i' = H_i h_i + e_s (x_i + frozen_i), by Taylor series of short parts."""
    n, ns = h.shape
    parts = max(1.0, np.ceil(_norm(J, H) * dt))
    if not parts <= _MOST_PARTS:
        x[:] = np.inf
        return
    width = dt / parts
    # Terms of the series; the forcing enters the first only.
    tx, th, px, ph = np.zeros(n), np.zeros((n, ns)), np.zeros(n), np.zeros((n, ns))
    for _ in range(int(parts)):
        px[:], ph[:] = x, h
        order, size = 0, 1.0
        while size > _TAYLOR_TERM:
            order += 1
            r = width / order
            size /= order
            for i in range(n):
                total = forcing[i] if order == 1 else 0.0
                for j in range(n):
                    total += J[i, j] * px[j]
                tx[i] = r * total
                for s in range(ns):
                    total = 0.0
                    if s == SIGNAL:
                        total = px[i] + (frozen[i] if order == 1 else 0.0)
                    for c in range(ns):
                        total += H[i, s, c] * ph[i, c]
                    th[i, s] = r * total
            x += tx
            h += th
            tx, px, th, ph = px, tx, ph, th


@numba.njit(cache=True)
def _run(N, Q, L, drive, H, local, dt, pair_value, pair_bins, step_pair, read_scan, n_scan):
    """The whole course, step by step; see `course`."""
    n = len(L)
    x, h, frozen = np.zeros(n), np.zeros((n, N_STATE)), np.zeros(n)
    J, gated, forcing = np.zeros((n, n)), np.zeros((n, n)), np.zeros(n)
    out = np.zeros((n_scan, n, N_STATE - VOLUME))
    for step in range(len(step_pair)):
        pair = step_pair[step]
        if pair >= 0:
            value = pair_value[pair]
            gated[:] = 0.0
            for j in range(n):
                gated += x[j] * Q[j]
            J[:] = N[value] + gated
            forcing[:] = drive[value] + (-0.5 * gated @ x if local else L @ x)
            if not local:
                frozen[:] = x
            _advance(J, forcing, H, frozen, pair_bins[pair] * dt, x, h)
            if not np.sum(np.abs(x)) + np.sum(np.abs(h)) <= BOUND:
                return out, False
        for i in range(n):
            if read_scan[step, i] >= 0:
                out[read_scan[step, i], i] = h[i, VOLUME:]
    return out, True
