"""A linear system as interventions see it, and its course: what closed forms are compared with."""

import numpy as np
from strategies import REGIONS

import ltc_causal as lc
from ltc_causal.reduction.expansion import Expansion

DT, N_BIN = 0.05, 240
TIMES = DT * np.arange(N_BIN)


def linear(A, C=None, B=None):
    """dx/dt = (A + u B) x + C u."""
    n = len(A)
    C = np.zeros((n, 1)) if C is None else C
    B = np.zeros((1, n, n)) if B is None else B
    return Expansion(lc.Coupling(A, B, C, REGIONS[:n], ("u",)), np.zeros(n), np.zeros(n), np.zeros(1))


def course(system, do=(), values=0.0, dt=DT):
    """Activity at each bin's start, shape (bin, region), of a system of one draw."""
    n_bin = int(round(N_BIN * DT / dt))
    inputs = lc.Inputs(np.broadcast_to(np.asarray(values, dtype=float).reshape(-1, 1), (n_bin, 1)), dt, tuple(system.inputs))
    return lc.predict(system, do, inputs=inputs).draws[0]


ON_OFF = (TIMES % 4 < 2).astype(float)
