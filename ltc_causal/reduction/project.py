"""Reduction by anchored projection: the coefficients whose flow is nearest to the model's over the states that it visits.

Plain least squares (anchor 0) fits the course and errs under interventions, since what does not vary along the course is not determined by
it; the anchor keeps what is not determined near the Taylor coefficients.

Lives here: `Projection`. Does not live here: the Taylor coefficients (`linearise`, `models`), the judgement (`certificate`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.coupling import Coupling
from ltc_causal.core.model import DynamicalSystem, Expandable
from ltc_causal.errors import InputError, finite_array
from ltc_causal.reduction.expansion import Expansion, Terms
from ltc_causal.reduction.linearise import by_differences, certain
from ltc_causal.reduction.posterior import Estimate, by_draws, checked_draws, parameter_sets
from ltc_causal.reduction.source import Source

Array = NDArray[np.float64]

WEAKEST = 1e-6  # an anchor below it does not condition the normal equations


@dataclass(frozen=True)
class Projection:
    """min over beta of ||F_i - Phi beta||^2 / N + anchor sum_q s_q (beta_q - beta_Taylor,q)^2 for each region i.

    F is the model's flow at N visited states, Phi = [1, dx, u, u (x) dx] there (and dx (x) dx where the Taylor expansion at rest has a D), dx
    the deviation from rest, beta_Taylor the coefficients at rest, and s_q the mean square of q's kind of column (1, dx, u, ...). So the units
    of activity and inputs do not matter, and what hardly varies, a region less than the others, stays near its Taylor coefficient.

    anchor : eta; 0 is plain least squares, a large one gives the Taylor coefficients
    jitter : sd by which visited states are moved, in sd of each region's course; none for models of more units than regions, whose other
        units could not follow
    keep_zeros : of a DCM's fit, whether connections that the model does not have stay zero; any other system has all of them
    points : how many bins of the course are visited, drawn without replacement where it has more
    draws : from a fit's posterior, for the uncertainty
    seed : of jitter, points and draws

    Of a network with hidden units the regions alone are projected, anchored where the hidden units are at equilibrium with them.
    """

    anchor: float = 1e-2
    jitter: float = 0.5
    keep_zeros: bool = True
    points: int = 2000
    draws: int = 200
    seed: int = 0

    def __post_init__(self):
        for name in ("anchor", "jitter"):
            value = float(finite_array(f"Projection.{name}", getattr(self, name), 0, "()"))
            if value < 0:
                raise InputError(f"Projection.{name} must be at least 0, got {value!r}.")
        checked_draws(self.draws)
        if not isinstance(self.points, int) or self.points < 1:
            raise InputError(f"Projection.points must be a whole number of at least 1, got {self.points!r}.")

    def describe(self) -> str:
        """The method in words."""
        return f"the projection anchored at rest (anchor {self.anchor:g})" if self.anchor else "the projection without anchor"

    @property
    def operating_point(self) -> str:
        """Where the flow is anchored, in words."""
        return "rest"

    def terms(self, source: Source) -> Terms:
        """The coefficients that the reduction has; of D those that are not zero at rest, so that a model without gating gets none."""
        if source.couples and self.keep_zeros:
            terms = Terms.named(source.regions, source.inputs, source.model.edge_names)
        else:
            terms = Terms.full(source.regions, source.inputs)
        taylor = _at_rest(source)
        return terms if taylor is None else terms.with_gating(taylor.D)

    def estimate(self, source: Source) -> Estimate:
        """Coefficients at rest, their posterior by draws, compared with the delta method.

        Raises `InputError` where the model's own course leaves its bounds, so that there is nothing to project on.
        """
        terms, point = self.terms(source), np.zeros(len(source.inputs))
        if source.posterior is None:
            beta = self.coefficients(source, terms, source.system)[0]
            coupling, constant = terms.coupling(_stable(beta))
            return Estimate(coupling, certain(coupling), constant, source.rest, point, note=source.remark)
        theta = parameter_sets(source.posterior, self.draws, self.seed)
        beta = self.coefficients(source, terms, source.systems(theta), theta)
        coupling, constant = terms.coupling(_stable(beta[0]))
        posterior, draws, note = by_draws(terms.names, terms.values(beta), source.posterior, self.draws)
        return Estimate(coupling, posterior, constant, source.rest, point, draws, " ".join(filter(None, [source.remark, note])))

    def coefficients(self, source: Source, terms: Terms, system: DynamicalSystem, theta: Array | None = None) -> Array:
        """Beta of each draw, shape (draw, region, column); NaN where its course leaves the bounds.

        theta : (draw, parameter) of a fit's system
        """
        rng = np.random.default_rng(self.seed)
        states, inputs = source.states(system), source.course_inputs.values
        n, n_bin = len(source.regions), len(inputs)
        spread = states[:, :n].std(axis=0)
        visited = np.arange(n_bin) if n_bin <= self.points else np.sort(rng.choice(n_bin, self.points, replace=False))
        x, u = states[visited], inputs[visited]
        if not source.populations:
            x = x + self.jitter * spread * rng.standard_normal((len(visited), n, 1))
        F = np.array([system.flow(x_now, u_now)[:n] for x_now, u_now in zip(x, u, strict=True)])
        centre = self._anchors(source, terms, system, theta, spread)
        beta = np.full((system.n_draw, *terms.mask.shape), np.nan)
        for draw in np.flatnonzero(np.isfinite(F).all(axis=(0, 1))):
            Phi = terms.regressors(x[:, :n, draw] - source.rest, u)
            beta[draw] = anchored(F[:, :, draw], Phi, terms.mask, centre[draw], terms.sizes(Phi), self.anchor)
        return beta

    def _anchors(self, source: Source, terms: Terms, system: DynamicalSystem, theta: Array | None, spread: Array) -> Array:
        """The Taylor coefficients at rest of each draw, shape (draw, region, column)."""
        if not self.anchor:
            return np.zeros((system.n_draw, *terms.mask.shape))
        if theta is None or not source.couples:  # the draws of a fit are then all anchored at its mean, which comes first
            coupling, constant = by_differences(source, spread[:, 0])
            return np.repeat(terms.coefficients(_at_rest(source) or coupling, constant)[None], system.n_draw, axis=0)
        n = len(source.regions)
        constant = system.flow(system.initial_state()[0], np.zeros(len(source.inputs)))[:n].T
        return np.array([terms.coefficients(source.model.coupling(one), F0) for one, F0 in zip(theta, constant, strict=True)])


def anchored(F: Array, Phi: Array, mask: NDArray[np.bool_], centre: Array, scale: Array, anchor: float) -> Array:
    """The minimiser of `Projection`'s criterion, shape (region, column); zero outside the mask.

    F : (time, region); Phi : (time, column); mask, centre : (region, column); scale : (column,), the size s_q of the criterion

    Each column is counted in its own size, so that the anchor itself keeps the normal equations well conditioned; without one, or with one so
    weak that it could not, as a least-squares problem with the anchor as rows of its own, and of several minimisers the smallest.
    """
    beta = np.zeros(mask.shape)
    X, target = Phi / np.sqrt(len(Phi)), F / np.sqrt(len(Phi))
    if anchor >= WEAKEST:
        size = np.sqrt(np.where(scale > 0, scale, 1.0))
        X = X / size
        H, slope = X.T @ X + anchor * np.eye(len(size)), X.T @ (target - X @ (centre * mask * size).T)
        for i, kept in enumerate(mask):
            beta[i, kept] = centre[i, kept] + np.linalg.solve(H[np.ix_(kept, kept)], slope[kept, i]) / size[kept]
        return beta
    for i, kept in enumerate(mask):
        b0 = centre[i, kept]
        rows = np.concatenate([X[:, kept], np.diag(np.sqrt(anchor * scale[kept]))])
        rest = np.concatenate([target[:, i] - X[:, kept] @ b0, np.zeros(len(b0))])
        beta[i, kept] = b0 + np.linalg.lstsq(rows, rest, rcond=None)[0]
    return beta


def _at_rest(source: Source) -> Coupling | None:
    """The exact Taylor coefficients at rest, None where the source does not give them."""
    if source.couples:
        return source.model.coupling(source.posterior.mean)  # pyright: ignore[reportOptionalMemberAccess] - a model comes with a posterior
    if isinstance(source.system, Expansion):
        return source.system.coupling
    if source.hidden or not isinstance(source.system, Expandable):
        return None
    return source.system.coupling(dict(zip(source.regions, source.rest.tolist(), strict=True)))


def _stable(beta: Array) -> Array:
    if not np.isfinite(beta).all():
        raise InputError(
            "The model's own course leaves its bounds under these inputs, so there are no visited states to project on: use Taylor(), or "
            "give weaker inputs."
        )
    return beta
