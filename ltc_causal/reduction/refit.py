"""Reduction by refitting the course: the coefficients whose own course is nearest to the model's.

Lives here: `Refit`, the reduced course with its exact sensitivities. Does not live here: its start (`project`), the judgement
(`certificate`).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from ltc_causal.errors import InputError
from ltc_causal.models.true_flow import MAX_STEP
from ltc_causal.numerics.rk4 import runge_kutta
from ltc_causal.reduction.expansion import Terms
from ltc_causal.reduction.linearise import certain
from ltc_causal.reduction.posterior import Estimate, by_draws, parameter_sets
from ltc_causal.reduction.project import Projection
from ltc_causal.reduction.source import Source

Array = NDArray[np.float64]

LARGEST = 1e9  # sensitivities may well be larger than states
LOST = 1e3  # the error that a course counts that leaves the bounds, in sizes of the model's course
UNDETERMINED = 1e-4  # of the largest singular value; directions of the coefficients below it the course says nothing of


@dataclass(frozen=True)
class Refit:
    """min over beta of ||x_reduced(beta) - x_model||^2 along the run, by a trust region with exact sensitivities, from the projection on.

    start : the projection begun at, which also says which coefficients there are, how many draws are made, and the seed
    max_evaluations : of the reduced course

    It follows the course best, and what the course does not determine stays about where it began: judge it by the certificate's interventions,
    of which plain fits to a course are often far off. The posterior takes each draw's refit as one Gauss-Newton step away from the mean's.
    """

    start: Projection = field(default_factory=Projection)
    max_evaluations: int = 30

    def describe(self) -> str:
        """The method in words."""
        return f"the refit of the course from {self.start.describe()}"

    @property
    def operating_point(self) -> str:
        """From where deviations are counted, in words."""
        return "rest"

    def estimate(self, source: Source) -> Estimate:
        """Coefficients, their posterior by draws, compared with the delta method.

        Raises `InputError` where the projection does, or where no course of the reduced model from it on stays within bounds.
        """
        terms, point = self.start.terms(source), np.zeros(len(source.inputs))
        n = len(source.regions)
        theta = None if source.posterior is None else parameter_sets(source.posterior, self.start.draws, self.start.seed)
        first = self.start.estimate(source)
        x = source.states(source.system)[:, :n, 0]
        beta, J = self._fitted(source, terms, terms.coefficients(first.coupling, first.constant), x)
        coupling, constant = terms.coupling(beta)
        if source.posterior is None or theta is None:
            return Estimate(coupling, certain(coupling), constant, source.rest, point, note=source.remark)
        courses = source.states(source.systems(theta))[:, :n]
        moved = np.repeat(beta[None], len(theta), axis=0)
        moved[:, terms.mask] += (np.linalg.pinv(J, rcond=UNDETERMINED) @ (courses - x[..., None]).reshape(-1, len(theta))).T
        posterior, draws, note = by_draws(terms.names, terms.values(moved), source.posterior, self.start.draws)
        return Estimate(coupling, posterior, constant, source.rest, point, draws, " ".join(filter(None, [source.remark, note])))

    def _fitted(self, source: Source, terms: Terms, start: Array, x: Array) -> tuple[Array, Array]:
        """The best beta, and the derivative of its course, shape (time * region, free coefficient)."""
        size = np.sqrt((x**2).mean()) or 1.0

        def course(free: Array, sensitivities: bool) -> Array:
            beta = np.zeros(terms.mask.shape)
            beta[terms.mask] = free
            return reduced_course(source, terms, beta, sensitivities)

        def error(free: Array) -> Array:
            return np.nan_to_num((course(free, False)[:, :, 0] - x).ravel() / size, nan=LOST)

        def jacobian(free: Array) -> Array:
            return np.nan_to_num(course(free, True)[:, :, 1:].reshape(x.size, -1) / size)

        free = start[terms.mask]
        if np.abs(error(free)).max() >= LOST:
            raise InputError("The reduced course explodes where the refit would begin: use the projection, or give weaker inputs.")
        found: Any = least_squares(error, free, jacobian, x_scale="jac", max_nfev=self.max_evaluations)  # pyright: ignore[reportArgumentType] - a function is allowed
        beta = np.zeros(terms.mask.shape)
        beta[terms.mask] = found.x
        return beta, found.jac * size


def reduced_course(source: Source, terms: Terms, beta: Array, sensitivities: bool) -> Array:
    """The reduced model's course and, if asked, its derivative in the free coefficients, shape (bin, region, 1 + coefficient).

    S = dx/dbeta follows dS/dt = (dF/dx) S + dF/dbeta beside the course.
    """
    n, rows, columns = len(source.regions), *np.nonzero(terms.mask)
    coupling, _ = terms.coupling(beta)
    gated = coupling.D + coupling.D.transpose(2, 1, 0)  # [l, i, j], the second derivative of the flow
    y = np.zeros((n, 1 + len(rows) * sensitivities))
    y[:, 0] = source.rest
    course = np.empty((len(source.course_inputs.values), *y.shape))
    place = np.arange(len(rows))
    for bin, u in enumerate(source.course_inputs.values):
        course[bin] = y
        A = coupling.A + np.tensordot(u, coupling.B, 1)

        def flow(y: Array, u: Array = u, A: Array = A) -> Array:
            dx = y[:, 0] - source.rest
            Phi = terms.regressors(dx[None], u[None])[0]
            rate = np.empty_like(y)
            rate[:, 0] = beta @ Phi
            if sensitivities:
                rate[:, 1:] = (A + np.tensordot(dx, gated, 1)) @ y[:, 1:]
                rate[rows, 1 + place] += Phi[columns]
            return rate

        y = runge_kutta(flow, y, source.course_inputs.dt, MAX_STEP, LARGEST)
    return course
