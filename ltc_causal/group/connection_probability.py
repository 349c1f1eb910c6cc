"""How probable each connection of a fit is, all others being there: the evidence with it against without it.

For a connection w inside a model, evidence with over evidence without = p(w = 0) / q(w = 0), prior over posterior density at zero (Dickey
1971): a reduction of the model by one parameter, which needs no other fit.

Lives here: that table. Does not live here: the evidence for taking out several at once (`model_reduction`), a search (`pruning`).
"""

import numpy as np
import pandas as pd
from scipy.special import expit

from ltc_causal.core.coupling import is_self_connection
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError


def connection_probabilities(fit: Fit, prior_probability: float = 0.5) -> pd.DataFrame:
    """One row a free connection of the fit: connection, mean, sd, gain (nats, log evidence with minus without), probability.

    prior_probability : that such a connection exists, between 0 and 1

    Self-connections and the connections of a two-state DCM are left out: no value of theirs is an absent connection. Raises `InputError` for a
    prior_probability outside (0, 1) and for a fit without any such connection.
    """
    if not 0 < prior_probability < 1:
        raise InputError(f"connection_probabilities(prior_probability) lies between 0 and 1, got {prior_probability!r}.")
    prior, posterior = fit.prior, fit.posterior
    logarithmic = getattr(fit.model, "neuronal", None) == "two_state"
    names = [name for name in fit.model.edge_names if prior.free[prior.index(name)] and not is_self_connection(name)]
    names = [name for name in names if not (logarithmic and name[0] == "A")]
    if not names:
        raise InputError("This fit has no free connection between regions whose absence could be weighed.")
    at = [prior.index(name) for name in names]
    gain = _log_density_at_zero(prior.mean[at], prior.cov[at, at]) - _log_density_at_zero(posterior.mean[at], posterior.cov[at, at])
    odds = np.log(prior_probability) - np.log1p(-prior_probability)
    return pd.DataFrame(
        {"connection": names, "mean": posterior.mean[at], "sd": posterior.sd[at], "gain": gain, "probability": expit(gain + odds)}
    )


def _log_density_at_zero(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return -0.5 * (np.log(variance) + mean**2 / variance)
