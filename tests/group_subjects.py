"""Groups whose truth is known: SPM's twelve subjects, and linear ones whose every posterior and evidence has a closed form."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import ltc_causal as lc

FOLDER = Path(__file__).parent / "reference" / "spm" / "group"


def arrays(name):
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def spm():
    """SPM's numbers, its subjects' fits, and the parameters that its group shares."""
    d, first = arrays("group"), arrays("model_reduction")
    names = tuple(f"p{i}" for i in range(len(first["prior_mean"])))
    prior = lc.Gaussian(names, first["prior_mean"], np.diag(first["prior_variance"]))
    fits = [
        SimpleNamespace(posterior=lc.Gaussian(names, mean, cov), prior=prior, free_energy=float(energy))
        for mean, cov, energy in zip(first["posterior_mean"], first["posterior_cov"], d["free_energy"], strict=True)
    ]
    return d, fits, [names[i] for i in d["peb_parameters"]]


@dataclass
class LinearGroup:
    """y_i = Z_i theta_i + unit noise, theta_i = sum_c x_ic b_c + e_i; fits are exact.

    X : shape (subject, covariate), the first column 1; b : shape (covariate, parameter); between_sd, prior_sd : shape (parameter,)
    """

    X: np.ndarray
    b: np.ndarray
    between_sd: np.ndarray
    prior_sd: np.ndarray
    seed: int = 0
    n_time: int = 8
    prior_mean: float = 0.0
    Z: np.ndarray = field(init=False)
    y: np.ndarray = field(init=False)
    theta: np.ndarray = field(init=False)

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        n, p = len(self.X), len(self.prior_sd)
        self.theta = self.X @ self.b + self.between_sd * rng.standard_normal((n, p))
        self.Z = rng.standard_normal((n, self.n_time, p))
        self.y = np.einsum("ntp,np->nt", self.Z, self.theta) + rng.standard_normal((n, self.n_time))

    @property
    def prior(self):
        names = tuple(f"p{i}" for i in range(len(self.prior_sd)))
        return lc.Gaussian(names, np.full(len(names), self.prior_mean), np.diag(self.prior_sd**2))

    def fits(self, prior=None):
        prior = prior or self.prior
        return [self._fit(Z, y, prior) for Z, y in zip(self.Z, self.y, strict=True)]

    def _fit(self, Z, y, prior):
        mean, cov, evidence = gaussian_regression(Z, y, prior.mean, prior.cov)
        return SimpleNamespace(posterior=lc.Gaussian(prior.names, mean, cov), prior=prior, free_energy=evidence)

    def joint(self, prior_mean, prior_cov, between):
        """Posterior mean and covariance of the effects and log evidence of all data, at a known covariance between subjects."""
        n, p = self.theta.shape
        D = np.concatenate([Z @ np.kron(x, np.eye(p)) for Z, x in zip(self.Z, self.X, strict=True)])
        noise = np.zeros((n * self.n_time, n * self.n_time))
        for i, Z in enumerate(self.Z):
            own = slice(i * self.n_time, (i + 1) * self.n_time)
            noise[own, own] = Z @ between @ Z.T + np.eye(self.n_time)
        return gaussian_regression(D, self.y.ravel(), prior_mean, prior_cov, noise)


def gaussian_regression(Z, y, mean, cov, noise=None):
    """Posterior mean and covariance, and log evidence, of y = Z theta + noise."""
    V = Z @ cov @ Z.T + (np.eye(len(y)) if noise is None else noise)
    residual, gain = y - Z @ mean, cov @ Z.T @ np.linalg.inv(V)
    evidence = -0.5 * (len(y) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + residual @ np.linalg.solve(V, residual))
    after = cov - gain @ Z @ cov
    return mean + gain @ residual, (after + after.T) / 2, float(evidence)


def centred(values):
    """A design of a mean and one centred covariate, shape (subject, 2)."""
    values = np.asarray(values, dtype=float)
    return np.column_stack([np.ones(len(values)), values - values.mean()])


def two_groups(seed, n=20, effect=1.0, p=2, **settings):
    """Half of the subjects differ from the others in the first parameter."""
    member = np.repeat([0.0, 1.0], n // 2)
    b = np.zeros((2, p))
    b[0], b[1, 0] = 0.5, effect
    settings = {"between_sd": np.full(p, 0.3), "prior_sd": np.ones(p)} | settings
    return member, LinearGroup(centred(member), b, seed=seed, **settings)
