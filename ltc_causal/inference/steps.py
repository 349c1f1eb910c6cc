"""One step up a local quadratic: the flow along its gradient for a finite time, (exp(t H) - 1) H^-1 gradient (Ozaki 1992).

The information I = -H over (p, confound weights of channel 1, of channel 2, ...) is an arrow: only p is tied to everything, and the
confounds' block is diagonal. So I + z is solved quickly for any shift z, and the step is a sum of eight such solutions: a rational
approximation of (exp(x) - 1) / x on the negative axis, whose poles are complex. It is right to 1e-13 for any time and any I. With
many parameters one real shift with many right-hand sides is quicker.

Lives here: that step. Does not live here: how long to go (`laplace`).
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ltc_causal.inference.design import CONFOUND_PRECISION, LARGE, Design, Point, Sums
from ltc_causal.inference.noise import precisions
from ltc_causal.numerics.krylov import decay_integral
from ltc_causal.numerics.squares import unpacked

Array = NDArray[np.float64]

# (exp(x) - 1) / x = 2 Re sum_j WEIGHTS_j / (x - POLES_j) for x <= 0: the best rational approximation of exp of degree 16 by the
# Caratheodory-Fejer method (Trefethen, Weideman and Schmelzer 2006), its residues divided by its poles.
POLES = np.array([
    6.426297498431201 + 1.19469992052438j, 5.958367462139265 + 3.589227090646854j, 5.0036231348759 + 5.999953382819157j,
    3.520017060276091 + 8.440745872125058j, 1.431150949292113 + 10.93159870198595j, -1.400617431928479 + 13.50583794547827j,
    -5.248999134432127 + 16.23018338011697j, -10.82347777303184 + 19.28850304438365j,
])  # fmt: skip
WEIGHTS = np.array([
    -16.13574306112499 - 32.32711087606935j, 21.75134801212331 + 4.221028410710226j, -6.307560956614516 + 5.268134876287273j,
    0.06123330971218965 - 1.781532202494043j, 0.1424660977255978 + 0.1565195115111076j, -0.01198809187372025 - 0.001922640275510099j,
    0.0002456586495813519 - 9.011479775633057e-05j, -9.685974809441405e-07 + 5.567056178671103e-07j,
])  # fmt: skip


class Bend(NamedTuple):
    """Gradient and information of the free energy over (p, confound weights) at one noise level.

    head : (coordinate, coordinate), information about p for known confound weights
    arm : (channel, coordinate, confound), what ties p to the confound weights
    tail : (channel, confound), the diagonal of the confounds' part
    slope_p, slope_beta : the gradient
    log_scale : log |information| over its size: the logarithm of its eigenvalues' geometric mean
    """

    head: Array
    arm: Array
    tail: Array
    slope_p: Array
    slope_beta: Array
    log_scale: float


def bend_at(d: Design, point: Point, sums: Sums, used: Array, log_det: float) -> Bend:
    """The local quadratic at a point for log-precisions `used`, whose information has that log-determinant."""
    w, P = precisions(used), len(d.precision)
    head = _head(sums.JJ, d.precision, w) if P <= LARGE else unpacked(w @ sums.JJ, P) + np.diag(d.precision)
    arm, tail, slope_p, slope_beta = _bend(sums.JX, sums.Je, sums.Xe, d.g, d.precision, point.p, point.beta, w)
    # Padding is no confound: it must not slow the others.
    size = tail.size - d.n_padding + len(head)
    return Bend(head, arm, tail, slope_p, slope_beta, (log_det - d.n_padding * np.log(CONFOUND_PRECISION)) / size)


@numba.njit(cache=True, error_model="numpy")
def _head(JJ, precision, w):
    head = np.diag(precision)
    for c in range(len(w)):
        head += w[c] * JJ[c]
    return head


@numba.njit(cache=True, error_model="numpy")
def _bend(JX, Je, Xe, g, precision, p, beta, w):
    slope_p = -precision * p
    arm, tail, slope_beta = np.empty_like(JX), np.empty_like(g), np.empty_like(g)
    for c in range(len(w)):
        slope_p += w[c] * Je[c]
        arm[c] = w[c] * JX[c]
        tail[c] = w[c] * g[c] + CONFOUND_PRECISION
        slope_beta[c] = w[c] * Xe[c] - CONFOUND_PRECISION * beta[c]
    return arm, tail, slope_p, slope_beta


def exponential_step(bend: Bend, time: float) -> tuple[Array, Array, float]:
    """The step in p and in the confound weights after e^time / |I|^(1/size), and what the gradient promises of it in nats."""
    t = np.exp(time - bend.log_scale)
    step = _by_krylov if len(bend.head) > LARGE else _by_poles
    step_p, step_beta = step(bend.head, bend.arm, bend.tail, bend.slope_p, bend.slope_beta, t)
    return step_p, step_beta, float(bend.slope_p @ step_p + np.vdot(bend.slope_beta, step_beta))


def _by_krylov(head: Array, arm: Array, tail: Array, slope_p: Array, slope_beta: Array, t: float) -> tuple[Array, Array]:
    P = len(head)
    information = np.diag(np.concatenate([np.zeros(P), tail.ravel()]))
    information[:P, :P] = head
    information[:P, P:] = arm.transpose(1, 0, 2).reshape(P, -1)
    step = decay_integral(information, np.concatenate([slope_p, slope_beta.ravel()]), t)
    return step[:P], step[P:].reshape(tail.shape)


@numba.njit(cache=True, error_model="numpy")
def _reciprocal(z):
    return z.conjugate() / (z.real * z.real + z.imag * z.imag)


@numba.njit(cache=True, error_model="numpy")
def _by_poles(head, arm, tail, slope_p, slope_beta, t):
    P, C, k = len(head), *tail.shape
    n, poles = C * k, len(POLES)
    # The confounds go first: each leaves the product of its arm with itself (a lower triangle), over its shifted diagonal, on p's part.
    arms, slope, products = np.empty((n, P)), np.empty(n), np.empty((n, P * (P + 1) // 2))
    inverse = np.empty((2 * poles, n))  # real parts, then imaginary parts
    for c in range(C):
        for a in range(k):
            m, entry = c * k + a, 0
            slope[m] = slope_beta[c, a]
            for i in range(P):
                arms[m, i] = t * arm[c, i, a]
                for j in range(i + 1):
                    products[m, entry + j] = arms[m, i] * arms[m, j]
                entry += i + 1
            for l in range(poles):
                q = _reciprocal(t * tail[c, a] + POLES[l])
                inverse[l, m], inverse[poles + l, m] = q.real, q.imag
    left = inverse @ products
    step_p, step_beta = np.zeros(P), np.zeros(n)
    M, x = np.empty((P, P), dtype=np.complex128), np.empty(P, dtype=np.complex128)
    for l in range(poles):
        entry = 0
        for i in range(P):
            for j in range(i + 1):
                M[i, j] = complex(t * head[i, j] - left[l, entry + j], -left[poles + l, entry + j])
            entry += i + 1
            M[i, i] += POLES[l]
            x[i] = slope_p[i]
        for m in range(n):
            real, imag = slope[m] * inverse[l, m], slope[m] * inverse[poles + l, m]
            for i in range(P):
                x[i] -= complex(real * arms[m, i], imag * arms[m, i])
        _solve_symmetric(M, x)
        factor = -2.0 * t * WEIGHTS[l]
        for i in range(P):
            step_p[i] += (factor * x[i]).real
        for m in range(n):
            real, imag = slope[m], 0.0
            for i in range(P):
                real -= x[i].real * arms[m, i]
                imag -= x[i].imag * arms[m, i]
            step_beta[m] += (factor * complex(inverse[l, m], inverse[poles + l, m]) * complex(real, imag)).real
    return step_p, step_beta.reshape(C, k)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def _solve_symmetric(M, x):
    """Solve M x = b in place for a complex symmetric M = L D L', without pivoting.

    That is safe here: the imaginary part of M is definite, and so is that of every Schur complement, so that no pivot is zero.
    """
    P = len(M)
    inverse, row = np.empty(P, dtype=np.complex128), np.empty(P, dtype=np.complex128)
    for j in range(P):
        pivot = M[j, j]
        for i in range(j):
            value = M[j, i]
            for m in range(i):
                value -= row[m] * M[i, m]
            row[i] = value
        for i in range(j):
            M[j, i] = row[i] * inverse[i]
            pivot -= M[j, i] * row[i]
            x[j] -= M[j, i] * x[i]
        inverse[j] = _reciprocal(pivot)
    for i in range(P - 1, -1, -1):
        x[i] *= inverse[i]
        for m in range(i + 1, P):
            x[i] -= M[m, i] * x[m]


def moved(point: Point, step: tuple[Array, Array, float]) -> Point:
    """The point after a step of `exponential_step`."""
    return point._replace(p=point.p + step[0], beta=point.beta + step[1])
