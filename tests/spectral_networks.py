"""Resting networks to be recovered: connections like those of SPM's own example, and what a fit makes of them."""

import numpy as np

from ltc_causal.models.spectral_dcm import SpectralDCM

REGIONS = ("R0", "R1", "R2", "R3")


def model(n=4, **settings):
    """A spectral DCM of the first n regions, all connections free."""
    return SpectralDCM([f"R{i}" for i in range(n)], **settings)


def drawn(model, rng, connections="strong"):
    """Parameters of a stable network, all but its connections near the usual prior mean; "prior" draws the connections from the prior too."""
    n = len(model.regions)
    while True:
        A = rng.normal(0, 1 / 8, (n, n))
        if connections == "strong":
            present = rng.random((n, n)) < 0.4
            A = np.where(present, rng.uniform(0.15, 0.4, (n, n)) * np.where(rng.random((n, n)) < 0.7, 1, -1), 0.0)
        np.fill_diagonal(A, rng.normal(0, 1 / 8, n))
        theta = model.prior.mean.copy()
        theta[: n * n] = A.T.ravel()
        theta[n * n : n * n + n + 2] = rng.normal(0, 1 / 16, n + 2)
        theta[n * n + n + 2 :] = rng.normal(0, 1 / 8, n + 4)
        if np.linalg.eigvals(model.coupling(theta).A).real.max() < -0.1:
            return theta
