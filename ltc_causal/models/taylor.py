"""Taylor coefficients A, B, C and D of a neuronal flow at an operating point, in Hz.

Lives here: the formulas, which pass complex parameters through. Does not live here: the flow itself (`neuronal`), its use as a reduction
(`ltc_causal.reduction`).
"""

import numpy as np
from numpy.typing import NDArray

from ltc_causal.models.neuronal import INPUT_SCALE, SELF_RATE, Weights, network

Coefficients = tuple[NDArray, NDArray, NDArray, NDArray]


def taylor(weights: Weights, x: NDArray, u: NDArray, modulation: str = "log") -> Coefficients:
    """A (n, n), B (m, n, n), C (n, m) and D (n, n, n) of the flow F at activity x and inputs u.

    A_im = dF_i/dx_m, B^k_im = d2F_i/dx_m du_k, C_ik = dF_i/du_k, and D^l_im the gating that gives the flow's second order,
    D^l_im + D^m_il = d2F_i/dx_l dx_m; of the many such D the one whose antisymmetric part is the model's own gating. All at (x, u): the
    expansion around that point is in the deviations from it.

    The inhibitory populations of a two-state model are taken at the equilibrium with their regions, z = x.
    """
    return _two_state(weights, u, modulation) if weights.two_state else _one_state(weights, x, u, modulation)


def _two_state(weights: Weights, u: NDArray, modulation: str) -> Coefficients:
    n, m = weights.C.shape
    region = np.arange(n)

    def without_inhibitory(N):
        A = N[:, :n, :n].copy()
        A[:, region, region] += N[:, region, n + region]
        return A

    A = without_inhibitory(network(weights, u[None], modulation))[0]
    # What an input adds: K B at the point, or K at rest times B where the model is expanded in its inputs.
    K = without_inhibitory(network(weights, (u if modulation == "log" else 0 * u)[None], modulation))[0]
    K[region, region] += SELF_RATE
    return A, K * weights.B, weights.C / INPUT_SCALE, np.zeros((n, n, n), dtype=A.dtype)


def _one_state(weights: Weights, x: NDArray, u: NDArray, modulation: str) -> Coefficients:
    n, m = weights.C.shape
    region, eye = np.arange(n), np.eye(n)
    G = np.zeros((n, n, n)) if weights.D is None else weights.D
    own_G = G[:, region, region]  # (gating region, region)
    G = np.where(eye, 0.0, G)
    B = np.where(eye, 0.0, weights.B)
    w = weights.between(u) + np.tensordot(x, G, 1)

    # Transmission from j to i and its derivatives in a_ij, then a_ij's own derivatives in x_m.
    value, slope, curvature = _transmission(weights, w * x)
    lam = np.broadcast_to(weights.lambda_, (n, n))
    g = 1 - lam * x[:, None]
    a_m = np.einsum("ij,jm->ijm", w, eye) + np.einsum("mij,j->ijm", G, x)

    # The self-connection, J_i(x) x_i.
    J = network(weights, u[None], modulation)[0, region, region] * np.exp(x @ own_G)
    J_m = J[:, None] * own_G.T

    A = np.einsum("ij,ijm->im", g * slope, a_m) - eye * (lam * value).sum(axis=1) + eye * J[:, None] + J_m * x[:, None]

    by_input = J if modulation == "log" else -SELF_RATE * np.exp(np.diagonal(weights.A))
    own_B = by_input * np.diagonal(weights.B, axis1=1, axis2=2)  # (input, region)
    B_x = B * x  # derivative of a_ij in u_k
    B_A = (
        np.einsum("ij,kij,ijm->kim", g * curvature, B_x, a_m) + g * slope * B - eye * np.einsum("ij,kij->ki", lam * slope, B_x)[:, :, None]
    )
    B_A = B_A + own_B[:, :, None] * (eye + x[:, None] * own_G.T)
    C = weights.C / INPUT_SCALE + np.einsum("ij,kij->ik", g * slope, B_x) + (own_B * x).T

    H = _second_order(G, g, lam, slope, curvature, a_m)
    H = H + np.einsum("im,il->ilm", eye, J_m) + np.einsum("il,im->ilm", eye, J_m) + np.einsum("il,mi,i->ilm", J_m, own_G, x)
    # The model's own gating, as S^l_im: region l on the transmission from m to i.
    S = g * slope * G - np.einsum("il,im,im->lim", eye, lam, slope * w) + np.einsum("il,im->lim", J_m, eye)
    D = (H.transpose(1, 0, 2) + S - S.transpose(2, 1, 0)) / 2
    return A, B_A, C, D


def _transmission(weights: Weights, a: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Phi and its first two derivatives."""
    if np.all(weights.kappa == 0):
        return a, np.ones_like(a), np.zeros_like(a)
    T = np.tanh(weights.tau)
    t = np.tanh(weights.kappa * a - weights.tau)
    scale = 1 - T**2
    slope = (1 - t**2) / scale
    return (t + T) / (weights.kappa * scale), slope, -2 * weights.kappa * t * slope


def _second_order(G: NDArray, g: NDArray, lam: NDArray, slope: NDArray, curvature: NDArray, a_m: NDArray) -> NDArray:
    """Second derivatives of the sum over j of phi(a_ij) (1 - lambda_ij x_i), shape (i, l, m)."""
    H = np.einsum("ij,ijl,ijm->ilm", g * curvature, a_m, a_m)
    gating = np.einsum("im,lim->ilm", g * slope, G)  # a_ij's second derivative in x_l and x_m is G^l_im + G^m_il
    eye = np.eye(len(g))
    braking = np.einsum("il,ij,ijm->ilm", eye, lam * slope, a_m)
    return H + gating + gating.transpose(0, 2, 1) - braking - braking.transpose(0, 2, 1)
