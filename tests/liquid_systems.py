"""Random liquid DCMs of moderate coupling, as sources of a reduction: 4 regions, 3 inputs of random levels."""

import numpy as np

import ltc_causal as lc
from ltc_causal.reduction.source import Source

REGIONS, INPUTS = ("a", "b", "c", "d"), ("u", "v", "w")


def blocks(rng, amplitude, n_bin, dt):
    """Every input at a random level for 2 to 8 s, at zero for a third of the time."""
    values = np.zeros((n_bin, len(INPUTS)))
    for k in range(len(INPUTS)):
        start = 0
        while start < n_bin:
            length = int(rng.uniform(2, 8) / dt)
            values[start : start + length, k] = amplitude * rng.uniform(-1, 1) * (rng.random() < 2 / 3)
            start += length
    return lc.Inputs(values, dt, INPUTS)


def liquid_model(rng, kappa, bends):
    """A model and its parameters; `bends` is the sd of every synapse's threshold and inverse reversal potential."""
    n, m = len(REGIONS), len(INPUTS)
    intrinsic = rng.random((n, n)) < 0.5
    np.fill_diagonal(intrinsic, True)
    modulatory = (rng.random((m, n, n)) < 0.25) & intrinsic & ~np.eye(n, dtype=bool)
    driving = rng.random((n, m)) < 0.4
    driving[0, 0] = True
    per_edge = ("tau", "lambda") if bends else ()
    model = lc.DCM(REGIONS, INPUTS, intrinsic, modulatory, driving, neuronal="liquid", per_edge=per_edge)
    scales = {"A": (0.1, 0.4), "B": (0.1, 0.4), "C": (16 * 0.3, 16 * 0.8)}
    theta = model.prior.mean.copy()
    for p, name in enumerate(model.prior.names):
        source, _, target = name[2:-1].partition("->")
        if source == target and name[0] == "A":
            theta[p] = rng.normal(0.7, 0.2)  # a decay of about 1 Hz
        elif name[:2] in ("A[", "B[", "C["):
            theta[p] = rng.choice([-1, 1]) * rng.uniform(*scales[name[0]])
        elif name.startswith(("tau", "lambda")):
            theta[p] = rng.normal(0, bends)
        elif name == "log_kappa":
            theta[p] = np.log(kappa)
    return model, theta


def liquid_source(seed, kappa=1.0, amplitude=1.0, bends=0.0, n_bin=400, dt=0.2):
    """A source without uncertainty."""
    rng = np.random.default_rng(seed)
    model, theta = liquid_model(rng, kappa, bends)
    posterior = lc.Gaussian(model.prior.names, theta, np.zeros((len(theta), len(theta))))
    return Source(model.system(theta[None]), blocks(rng, amplitude, n_bin, dt), dict.fromkeys(INPUTS, 0.0), model, posterior)
