"""The usual methods, to stand beside a fitted model: each gives every ordered pair of regions a score, higher for a likelier connection.

Lives here: partial correlation with rules for direction, vector autoregression, Granger causality, the table of all. Does not live here:
the linear state space and its way to continuous time (`state_space`), how well a score finds the truth (`differences`).
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import f as f_distribution
from scipy.stats import skew
from statsmodels.tsa.api import VAR

from ltc_causal.causal.state_space import continuous_coupling, lagged_transition
from ltc_causal.core.data import Recording, TimeSeries
from ltc_causal.errors import InputError, finite_array, one_of, positive, unique_names
from ltc_causal.numerics.least_squares import fitted

Array = NDArray[np.float64]

LOSER = 0.5  # of |rho| goes to the direction that a rule is against: a strong connection both ways comes before a weak one
MOST_LAGS = 5  # among which an order is chosen


def baseline_table(
    data: Recording | TimeSeries | ArrayLike,
    methods: Sequence[str] | None = None,
    *,
    order: int | None = 1,
    dt: float | None = None,
    regions: Sequence[str] | None = None,
) -> pd.DataFrame:
    """What the usual methods say of every ordered pair of regions: one row a pair, one column a method, higher for a likelier connection.

    data : a Recording (its confounds are taken out), a TimeSeries, or an array of shape (time, region); each region is brought to mean 0, sd 1
    methods : some of `METHODS`, all unless given:

        partial_correlation   |rho|, the same both ways
        tanh, skew, rskew     |rho| for the direction that a rule prefers, half of it for the other (Hyvarinen and Smith 2013)
        var                   size of the coefficients over all lags, of a vector autoregression
        granger               -log10 p of the F test that they are zero
        var_continuous        |A|, A = log F / dt of an autoregression of order 1
        state_space           the same of a linear state space with noise on the observation

    order : lags of var and granger; None chooses up to 5 by the Bayesian information criterion
    dt : seconds between samples of an array, 1 unless given; regions : their names, x1, x2, ... unless given

    Raises `InputError` for an unknown method, or for too few samples.
    """
    scores = baseline_scores(data, methods, order=order, dt=dt)
    names = _names(data, regions)
    n = len(names)
    pairs = [(j, i) for j in range(n) for i in range(n) if i != j]
    frame = pd.DataFrame([(names[j], names[i]) for j, i in pairs], columns=["source", "target"])
    for method, matrix in scores.items():
        frame[method] = [matrix[i, j] for j, i in pairs]
    return frame


def baseline_scores(
    data: Recording | TimeSeries | ArrayLike, methods: Sequence[str] | None = None, *, order: int | None = 1, dt: float | None = None
) -> dict[str, Array]:
    """The scores of `baseline_table` as one matrix a method, shape (region, region), row = target, column = source, diagonal 0."""
    chosen = list(METHODS) if methods is None else list(methods)
    for method in chosen:
        one_of("baseline method", method, tuple(METHODS))
    values, seconds = _standardised(data, dt)
    if order is not None and (not isinstance(order, int | np.integer) or order < 1):
        raise InputError(f"baseline_table(order) must be a whole number of lags of at least 1, or None, got {order!r}.")
    n_time, n = values.shape
    if n_time <= n * ((order or MOST_LAGS) + 1) + 1:
        raise InputError(
            f"{n_time} samples are too few for {n} regions at {order or MOST_LAGS} lag(s): record for longer, or choose regions."
        )
    scores = {method: METHODS[method](values, seconds, order) for method in chosen}
    for matrix in scores.values():
        np.fill_diagonal(matrix, 0.0)
    return scores


def _names(data: Recording | TimeSeries | ArrayLike, regions: Sequence[str] | None) -> tuple[str, ...]:
    if isinstance(data, Recording | TimeSeries):
        return data.regions
    n = np.shape(data)[1]
    return tuple(f"x{i}" for i in range(1, n + 1)) if regions is None else unique_names("baseline_table(regions)", regions, n)


def _standardised(data: Recording | TimeSeries | ArrayLike, dt: float | None) -> tuple[Array, float]:
    if isinstance(data, Recording):
        values, seconds, X = data.series.values, data.series.dt, data.confounds
    elif isinstance(data, TimeSeries):
        values, seconds, X = data.values, data.dt, None
    else:
        values = finite_array("baseline_table(data)", data, 2, "(time, region)")
        seconds, X = 1.0 if dt is None else positive("baseline_table(dt)", dt, "seconds"), None
    if X is not None:
        values = values - fitted(X, values)
    values = values - values.mean(axis=0)
    sd = values.std(axis=0)
    if not sd.all():
        raise InputError(f"Region {int(np.argmin(sd))} of baseline_table(data), counted from 0, never changes: leave it out.")
    return values / sd, seconds


# --- correlation and its direction --------------------------------------------------------------------------------------------------


def partial_correlation(values: Array) -> Array:
    """-P_ij / sqrt(P_ii P_jj), P the inverse of the covariance; shape (region, region), diagonal 0."""
    P = np.linalg.inv(np.cov(values.T))
    sd = np.sqrt(np.diag(P))
    rho = -P / np.outer(sd, sd)
    np.fill_diagonal(rho, 0.0)
    return rho


def direction_tanh(x: Array) -> Array:
    """R_ij = r_ij E[x_j tanh(x_i) - tanh(x_j) x_i], above 0 for j -> i where disturbances have heavy tails (Hyvarinen and Smith 2013, sec. 3).

    x : shape (time, region), mean 0, sd 1; r its correlations. Row = target, column = source, R_ji = -R_ij
    """
    moments = np.tanh(x).T @ x / len(x)  # E[tanh(x_i) x_j]
    return np.corrcoef(x.T) * (moments - moments.T)


def direction_skew(x: Array) -> Array:
    """R_ij = r_ij E[x_j^2 x_i - x_j x_i^2], each region turned so that its skewness is positive; above 0 for j -> i (sec. 4)."""
    turned = _positively_skewed(x)
    moments = turned.T @ turned**2 / len(x)  # E[x_i x_j^2]
    return np.corrcoef(turned.T) * (moments - moments.T)


def direction_rskew(x: Array) -> Array:
    """As `direction_skew` with log cosh(max(x, 0)) for the square, which heavy tails do not upset."""
    turned = _positively_skewed(x)
    positive_part = np.log(np.cosh(np.maximum(turned, 0.0)))
    moments = turned.T @ positive_part / len(x)
    return np.corrcoef(turned.T) * (moments - moments.T)


def _positively_skewed(x: Array) -> Array:
    return x * np.where(skew(x, axis=0) < 0, -1.0, 1.0)


def _directed(rule: Callable[[Array], Array]) -> Callable[[Array, float, int | None], Array]:
    def score(values: Array, dt: float, order: int | None) -> Array:
        preferred = rule(values) > 0
        return np.abs(partial_correlation(values)) * np.where(preferred, 1.0, LOSER)

    return score


# --- autoregression -----------------------------------------------------------------------------------------------------------------


def _fitted(values: Array, order: int | None):
    if order is None:
        return VAR(values).fit(maxlags=MOST_LAGS, ic="bic")
    return VAR(values).fit(order)


def var_size(values: Array, dt: float, order: int | None) -> Array:
    """Root of the sum over lags of the squared coefficients."""
    coefficients = _fitted(values, order).coefs
    return np.sqrt((coefficients**2).sum(axis=0)) if len(coefficients) else np.zeros((values.shape[1],) * 2)


def granger(values: Array, dt: float, order: int | None) -> Array:
    """-log10 p that the source's lags help to predict the target, given the lags of all others (Granger 1969; Wald's F)."""
    fitted = _fitted(values, order)
    p, n = fitted.k_ar, values.shape[1]
    if not p:
        return np.zeros((n, n))
    inverse = np.linalg.inv(fitted.endog_lagged.T @ fitted.endog_lagged)
    offset = fitted.params.shape[0] - n * p  # of the constant
    score = np.zeros((n, n))
    for j in range(n):
        block = offset + j + n * np.arange(p)
        precision = np.linalg.inv(inverse[np.ix_(block, block)])
        for i in range(n):
            b = np.asarray(fitted.params)[block, i]
            F = b @ precision @ b / (p * np.asarray(fitted.sigma_u)[i, i])
            score[i, j] = -f_distribution.logsf(F, p, fitted.df_resid) / np.log(10)
    return score


def _var_continuous(values: Array, dt: float, order: int | None) -> Array:
    return np.abs(continuous_coupling(_fitted(values, 1).coefs[0], dt).A)


def _state_space(values: Array, dt: float, order: int | None) -> Array:
    return np.abs(continuous_coupling(lagged_transition(values), dt).A)


METHODS: dict[str, Callable[[Array, float, int | None], Array]] = {
    "partial_correlation": lambda values, dt, order: np.abs(partial_correlation(values)),
    "tanh": _directed(direction_tanh),
    "skew": _directed(direction_skew),
    "rskew": _directed(direction_rskew),
    "var": var_size,
    "granger": granger,
    "var_continuous": _var_continuous,
    "state_space": _state_space,
}
