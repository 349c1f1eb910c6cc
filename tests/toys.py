"""Toy models whose posterior is known: linear ones with a known noise level, and their closed form; several sessions included."""

from dataclasses import dataclass, replace

import numpy as np

import ltc_causal as lc
from ltc_causal.core.model import Features, NoisePrior
from ltc_causal.inference.design import CONFOUND_PRECISION

REGIONS = ("a", "b")
PRECISION = 4.0  # of the noise
KNOWN = NoisePrior(np.log(PRECISION), 1e-12)


@dataclass(frozen=True, eq=False)
class Linear:
    """y[:, r] = X[:, r] theta, where X, shape (time, region, parameter), is what the recording's inputs hold."""

    prior: lc.Gaussian
    noise: NoisePrior = KNOWN
    range: float = np.inf  # of the signal, beyond which it is scaled
    regions: tuple[str, ...] = REGIONS
    approximation: None = None

    @property
    def starts(self):
        return (self.prior.mean,)

    def features(self, recording):
        values = recording.series.values
        scale = min(1.0, self.range / np.ptp(values))
        X = recording.inputs.values.reshape(len(values), len(self.regions), -1)
        return Features(values * scale, recording.confounds, scale, X)

    def predict(self, theta, features, differences="exact"):
        return features.plan @ theta, True

    def linearise(self, theta, features):
        return features.plan @ theta, features.plan[..., self.prior.free], True


def recording(model, theta, seed, n_time=40, n_confound=2):
    """A session of a linear model: its own regressors, confounds and noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_time, len(REGIONS), len(theta)))
    confounds = np.column_stack([np.ones(n_time), rng.standard_normal((n_time, n_confound - 1))])
    noise = rng.standard_normal((n_time, len(REGIONS))) / np.sqrt(PRECISION)
    y = X @ theta + confounds @ rng.standard_normal((n_confound, len(REGIONS))) + noise
    names = [f"x{i}" for i in range(X[0].size)]
    return lc.Recording(lc.TimeSeries(y, 1.0, REGIONS), lc.Inputs(X.reshape(n_time, -1), 1.0, names), confounds)


def closed_form(prior, recordings):
    """Posterior mean and covariance, and log evidence, of a linear model of known noise: every region of every session a block of rows."""
    X = [one.inputs.values.reshape(len(one.inputs.values), len(REGIONS), -1) for one in recordings]
    X = np.concatenate([part[:, r] for part in X for r in range(len(REGIONS))])
    y = np.concatenate([one.series.values.T.ravel() for one in recordings])
    W = _blocks([one.confounds for one in recordings for _ in REGIONS])
    inverse, log_det = _inverse_with_confounds(X @ prior.cov @ X.T + np.eye(len(y)) / PRECISION, W)
    residual = y - X @ prior.mean
    gain = prior.cov @ X.T @ inverse
    evidence = -0.5 * (len(y) * np.log(2 * np.pi) + log_det + residual @ inverse @ residual)
    return prior.mean + gain @ residual, prior.cov - gain @ X @ prior.cov, evidence


def _blocks(parts):
    whole = np.zeros((sum(len(part) for part in parts), sum(part.shape[1] for part in parts)))
    row = column = 0
    for part in parts:
        whole[row : row + len(part), column : column + part.shape[1]] = part
        row, column = row + len(part), column + part.shape[1]
    return whole


def _inverse_with_confounds(S, W):
    """Inverse and log-determinant of S + W W' / CONFOUND_PRECISION, by Woodbury: formed as it stands it is singular to rounding."""
    weighted = np.linalg.solve(S, W)
    inner = CONFOUND_PRECISION * np.eye(W.shape[1]) + W.T @ weighted
    log_det = np.linalg.slogdet(S)[1] + np.linalg.slogdet(inner)[1] - W.shape[1] * np.log(CONFOUND_PRECISION)
    return np.linalg.inv(S) - weighted @ np.linalg.solve(inner, weighted.T), log_det


def with_confounds(one, *columns):
    """The same recording with these columns joined to its confounds."""
    return replace(one, confounds=np.column_stack([one.confounds, *columns]))
