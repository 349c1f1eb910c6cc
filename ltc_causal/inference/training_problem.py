"""What a training minimises: the share of the signal that a network leaves unexplained, on the part trained on; and the same held out.

Lives here: the parts of the recordings, the objective, the Gauss-Newton covariance, the sessions of the result. Does not live here: the steps
(`gradient`). This file imports torch.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from ltc_causal.core.data import Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.model import Features
from ltc_causal.core.result import Session
from ltc_causal.errors import InputError
from ltc_causal.numerics.least_squares import fitted

Array = NDArray[np.float64]
Tensor = torch.Tensor

DIFFERENCE = 1e-5  # step of theta by which courses are differentiated for the covariance
AT_ONCE = 16  # courses at a time, for the memory that they take
FARTHEST, HALVINGS = 2.0, 7  # along a draw's ray, in its own length; and how often the distance is halved


@dataclass(frozen=True, eq=False)
class Part:
    """Some scans of a session.

    scans : which; values : shape (scan, region), their signal; basis : shape (scan, confound), orthonormal, of their confounds
    """

    scans: slice
    values: Tensor
    basis: Tensor

    @classmethod
    def of(cls, features: Features, scans: slice) -> "Part":
        """Each part has confound weights of its own, so that nothing of the held-out part enters the training."""
        X = features.confounds[scans]
        if len(X) <= X.shape[1] + 1:
            raise InputError(
                f"A part of {len(X)} scans cannot be judged beside {X.shape[1]} confounds: hold out more (GradientTraining(validation=...)), or nothing."
            )
        U, s, _ = np.linalg.svd(X, full_matrices=False)
        return cls(scans, torch.tensor(features.values[scans]), torch.tensor(U[:, s > 1e-10 * s[0]]))

    def residuals(self, signal: Tensor) -> Tensor:
        """Of a predicted signal (r, time, region), the confounds projected out, shape (r, scan, region)."""
        error = self.values - signal[:, self.scans]
        return error - self.basis @ (self.basis.T @ error)


@dataclass(frozen=True, eq=False)
class Problem:
    """A network and what it is trained on.

    training, held_out : one part a session; no held-out parts where everything is trained on
    size : the signal's variance by region, confounds removed, shape (region,)
    """

    model: Any
    recordings: tuple[Recording, ...]
    features: tuple[Features, ...]
    training: tuple[Part, ...]
    held_out: tuple[Part, ...]
    size: Tensor

    @classmethod
    def of(cls, model: Any, recordings: Sequence[Recording], validation: float) -> "Problem":
        """Raises `InputError` for a part too short for its confounds."""
        recordings = tuple(one.select(model.regions) for one in recordings)
        features = _on_one_scale([model.features(one) for one in recordings])
        lengths = [len(one.values) for one in features]
        cut = [length - round(validation * length) for length in lengths]
        training = tuple(Part.of(one, slice(0, end)) for one, end in zip(features, cut, strict=True))
        held_out = tuple(Part.of(one, slice(end, None)) for one, end in zip(features, cut, strict=True)) if validation else ()
        whole = tuple(Part.of(one, slice(0, None)) for one in features)
        squares = sum((part.residuals(torch.zeros_like(part.values)[None]) ** 2).sum((0, 1)) for part in whole)
        return cls(model, recordings, features, training, held_out, torch.as_tensor(squares) / sum(lengths))

    @property
    def holds_out(self) -> bool:
        """Whether there is a held-out part."""
        return bool(self.held_out)

    @property
    def identity(self) -> str:
        """A short digest of the data."""
        digest = hashlib.sha256()
        for one in self.recordings:
            digest.update(repr((one.series.dt, one.inputs.dt, one.inputs.names, one.echo_time)).encode())
            for values in (one.series.values, one.inputs.values, one.confounds, one.delays):
                digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()[:16]

    def _count(self, parts: Sequence[Part]) -> int:
        """Scans in some parts."""
        return sum(len(one.basis) for one in parts)

    def _share(self, signals: Sequence[Tensor], parts: Sequence[Part]) -> Tensor:
        """Mean over regions of the share of the variance that is not explained, shape (r,)."""
        squares = sum((part.residuals(signal) ** 2).sum(1) for part, signal in zip(parts, signals, strict=True))
        return (torch.as_tensor(squares) / (self._count(parts) * self.size)).mean(1)

    def objective(self, theta: Tensor, step: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """J of `gradient`'s first lines, the shares not explained of the two parts, and which starts are stable; each of shape (r,).

        step : does not matter, every step sees everything
        """
        signals, stable = zip(*(self.model.signal(theta, one) for one in self.features), strict=True)
        training = self._share(signals, self.training)
        objective = torch.log(training) + (theta**2).sum(1) / (len(self.size) * self._count(self.training))
        with torch.no_grad():
            held_out = self._share(signals, self.held_out) if self.held_out else torch.full_like(training, torch.nan)
        return objective, training.detach(), held_out, torch.stack(stable).all(0)

    def weights(self, share: Array) -> Array:
        """Of an ensemble, by the likelihood of the noise shares that judge it (held out if there is such a part), shape (member,)."""
        count = len(self.size) * self._count(self.held_out or self.training)
        if not np.isfinite(share).all():
            return np.full(len(share), 1 / len(share))
        weights = np.exp(-count / 2 * np.log(share / share.min()))
        return weights / weights.sum()

    def points(self, theta: Array, count: int, rng: np.random.Generator) -> Array:
        """Points about theta that the data allow as well, shape (point, parameter).

        Each lies along a draw z of the Gaussian whose precision is J'J / noise + 1 (Gauss-Newton), as far out as its change of the signal and of
        the parameters, ||dy||^2 / noise + ||dtheta||^2, comes to what the Gaussian promised, ||z||^2, and within bounds: the random map of
        implicit sampling (Morzfeld et al. 2012), without its weights. Plain draws of the Gaussian are often unstable. The noise is that of the
        held-out part where it is the larger: on what it was trained on, a network leaves too little.
        """
        _, training, held_out, _ = self.objective(torch.tensor(theta[None]))
        noise = np.fmax(training.numpy(), held_out.numpy())[0] * self.size.numpy()
        at_theta, _ = self._whitened(theta[None], noise)
        J = (self._whitened(theta + DIFFERENCE * np.eye(len(theta)), noise)[0] - at_theta) / DIFFERENCE
        L = np.linalg.cholesky(J @ J.T + np.eye(len(theta)))
        z = rng.standard_normal((count, len(theta)))
        ray = solve_triangular(L, z.T, lower=True, trans=1).T
        promised = (z**2).sum(axis=1)
        near, far = np.zeros(count), np.full(count, FARTHEST)
        for _ in range(HALVINGS):
            middle = (near + far) / 2
            signal, stable = self._whitened(theta + middle[:, None] * ray, noise)
            beyond = ~stable | (((signal - at_theta) ** 2).sum(axis=1) + ((middle[:, None] * ray) ** 2).sum(axis=1) > promised)
            near, far = np.where(beyond, near, middle), np.where(beyond, middle, far)
        return theta + near[:, None] * ray

    def _whitened(self, theta: Array, noise: Array) -> tuple[Array, NDArray[np.bool_]]:
        """The residuals of the part trained on in sd of the noise, shape (r, scan * region), and which are stable."""
        blocks, stable = [], np.ones(len(theta), dtype=bool)
        with torch.no_grad():
            for part, one in zip(self.training, self.features, strict=True):
                chunks = [self.model.signal(torch.tensor(rows), one) for rows in np.array_split(theta, -(-len(theta) // AT_ONCE))]
                stable &= torch.cat([within for _, within in chunks]).numpy()
                residuals = part.residuals(torch.cat([signal for signal, _ in chunks])).numpy() / np.sqrt(noise)
                blocks.append(residuals.reshape(len(theta), -1))
        return np.concatenate(blocks, axis=1), stable

    def sessions(self, theta: Array) -> tuple[Session, ...]:
        """What the network at theta says of each recording, in its units, the confounds fitted to the whole of it."""
        result = []
        for recording, one in zip(self.recordings, self.features, strict=True):
            prediction = self.model.predict(theta[None], one)[0][0]
            X = one.confounds
            explained = fitted(X, one.values - prediction)
            rest = one.values - prediction - explained
            noise = Gaussian(tuple(self.model.regions), -np.log(rest.var(axis=0)), 2 / len(rest) * np.eye(rest.shape[1]))
            confounds = explained / one.scale + recording.series.values - one.values / one.scale
            result.append(Session(recording, prediction / one.scale, confounds, noise, one.scale))
        return tuple(result)


def _on_one_scale(features: Sequence[Features]) -> tuple[Features, ...]:
    """Sessions of one subject in the same units: the smallest factor of all."""
    scale = min(one.scale for one in features)
    return tuple(
        one if one.scale == scale else Features(one.values * (scale / one.scale), one.confounds, scale, one.plan) for one in features
    )
