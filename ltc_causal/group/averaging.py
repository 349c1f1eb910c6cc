"""Averages of Gaussians: one set of parameters for many subjects, or one subject's parameters over many models.

Lives here: both averages. Does not live here: a group whose subjects differ (`peb`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from ltc_causal.core.gaussian import Gaussian
from ltc_causal.errors import InputError
from ltc_causal.group.subjects import Subjects, read_subjects

Array = NDArray[Any]


def average_parameters(fits: Subjects, marginal: bool = False) -> Gaussian:
    """Bayesian parameter average: the posterior if all subjects had the same parameters.

    fits : of one model, one a subject, as a list or {subject: fit}
    marginal : weigh each parameter by its own variance alone and count the prior once for every subject, as SPM's average without conditional
        dependencies does; too confident, and only for comparison with it

    With the same prior N(p, P) in every subject and posteriors N(m_i, C_i), the data's parts multiply and the prior counts once:

        C^-1 = sum_i C_i^-1 - (n - 1) P^-1,   C^-1 m = sum_i C_i^-1 m_i - (n - 1) P^-1 p

    Fixed parameters stay as they are. Where subjects may differ, `peb` gives their mean with an honest uncertainty.

    Raises `InputError` for fewer than two subjects, other parameters or priors, or a singular covariance.
    """
    subjects = list(read_subjects("average_parameters", fits).values())
    prior = subjects[0].prior
    P, where = np.asarray(prior.cov), np.flatnonzero(prior.free)
    if any(not np.array_equal(fit.prior.mean, prior.mean) or not np.array_equal(np.asarray(fit.prior.cov), P) for fit in subjects[1:]):
        raise InputError("average_parameters needs the same prior in every subject: fit one model to all, or use peb.")
    means = np.array([fit.posterior.mean[where] for fit in subjects])
    covs = [np.asarray(fit.posterior.cov)[np.ix_(where, where)] for fit in subjects]
    spare = 0 if marginal else len(subjects) - 1
    if marginal:
        covs = [np.diag(np.diag(cov)) for cov in covs]
    try:
        precisions = np.linalg.inv(covs)
        known = spare * np.linalg.inv(P[np.ix_(where, where)]) if spare else np.zeros_like(precisions[0])
        cov = np.linalg.inv(precisions.sum(axis=0) - known)
    except np.linalg.LinAlgError:
        raise InputError("average_parameters needs priors and posteriors that are not singular over the parameters that vary.") from None
    mean, whole = prior.mean.copy(), np.zeros_like(P)
    mean[where] = cov @ (np.einsum("nij,nj->i", precisions, means) - known @ prior.mean[where])
    whole[np.ix_(where, where)] = (cov + cov.T) / 2
    return Gaussian(prior.names, mean, whole)


def average_models(fits: Sequence[Any], probabilities: Array | None = None) -> Gaussian:
    """Bayesian model average: parameters of one subject, averaged over models by their probability.

    fits : of several models of the same data
    probabilities : one a model; by default the posterior probabilities under equal priors, softmax of the free energies

    Over all parameters that any model has; a connection that a model lacks is 0 in it. The result has the mixture's mean and covariance
    (Penny et al. 2010, "Comparing families of dynamic causal models").

    Raises `InputError` for no model, probabilities that do not add up to 1, or models that differ by more than connections.
    """
    fits = list(fits)
    if not fits:
        raise InputError("average_models needs at least one fit, got none.")
    weights = softmax([fit.free_energy for fit in fits]) if probabilities is None else np.asarray(probabilities, dtype=float)
    if weights.shape != (len(fits),) or weights.min() < 0 or abs(weights.sum() - 1) > 1e-6:
        raise InputError(
            f"average_models(probabilities) must be {len(fits)} numbers, one a model, that add up to 1, got {weights.tolist()}."
        )
    names = tuple(dict.fromkeys(name for fit in fits for name in fit.posterior.names))
    return mixture([_over(names, fit.posterior) for fit in fits], weights)


def _over(names: tuple[str, ...], posterior: Gaussian) -> Gaussian:
    """A posterior over more names: absent ones are 0."""
    lacking = [name for name in names if name not in posterior.names]
    for name in lacking:
        if name[0] not in "ABCD" or name[1:2] != "[":
            raise InputError(
                f"average_models can count an absent connection as 0, but {name!r} is none and not every model has it: average models of one kind."
            )
    mean, cov = np.zeros(len(names)), np.zeros((len(names), len(names)))
    where = [names.index(name) for name in posterior.names]
    mean[where] = posterior.mean
    cov[np.ix_(where, where)] = np.asarray(posterior.cov)
    return Gaussian(names, mean, cov)


def mixture(parts: Sequence[Gaussian], weights: Array) -> Gaussian:
    """The Gaussian of the same mean and covariance as a mixture of Gaussians over the same parameters."""
    means = np.array([part.mean for part in parts])
    mean = weights @ means
    away = means - mean
    cov = np.einsum("m,mij->ij", weights, np.array([part.cov for part in parts])) + np.einsum("m,mi,mj->ij", weights, away, away)
    return Gaussian(parts[0].names, mean, (cov + cov.T) / 2)
