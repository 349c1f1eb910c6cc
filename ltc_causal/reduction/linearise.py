"""Reduction by Taylor expansion of the neuronal flow at an operating point; and the same coefficients by differences, for an anchor.

Lives here: `Taylor`, `by_differences`. Does not live here: the exact derivatives, which are the model's (`models`), nor the judgement
(`certificate`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root

from ltc_causal.core.coupling import Coupling, coupling_posterior, edge_name, named_vector, nonzero_entries
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.model import Expandable
from ltc_causal.errors import InputError, known_name
from ltc_causal.reduction.posterior import Estimate, checked_draws, comparison, draw_by_draw
from ltc_causal.reduction.source import Source

Array = NDArray[np.float64]

SMALL = 1e-3  # of a state's or an input's scale, the step of central differences


@dataclass(frozen=True)
class Taylor:
    """Expansion of the flow about a point: A = dF/dx, B[k] = d2F/dx du_k, C = dF/du, D the gating that gives its second order in x.

    state : {region: activity as deviation from rest}; regions not named are at rest (where the system's run begins)
    inputs : {input: value}, as the model uses them (deviations from the mean where it centres); inputs not named are 0
    draws, seed : of the posterior, to confirm the delta method by; 0 for none
    """

    state: Mapping[str, float] | None = None
    inputs: Mapping[str, float] | None = None
    draws: int = 0
    seed: int = 0

    def __str__(self) -> str:
        values = {**(self.state or {}), **(self.inputs or {})}
        return ", ".join(f"{name} = {value:g}" for name, value in values.items()) or "rest"

    def describe(self) -> str:
        """The method in words."""
        return f"the Taylor reduction at {self}"

    @property
    def operating_point(self) -> str:
        """Where the flow is expanded, in words."""
        return str(self)

    def estimate(self, source: Source) -> Estimate:
        """Coefficients, their posterior by the delta method, and the flow at the point.

        Raises `InputError` for an unknown name, a system with hidden units, or one that does not give its coefficients.
        """
        state, point = source.rest.copy(), named_vector("input", self.inputs, source.inputs)
        for name, value in (self.state or {}).items():
            state[known_name("region", name, source.regions, "the values given")] = value
        if source.posterior is None or not source.couples:
            coupling = self._bare(source, state, point)
            fixed = "" if source.posterior is None else "The posterior is not carried over by Taylor here: use Projection() for that."
            note = " ".join(filter(None, [source.remark, fixed]))
            return Estimate(coupling, certain(coupling), source.system.flow(state[:, None], point)[:, 0], state, point, note=note)
        model, posterior = source.model, source.posterior
        n = len(state)
        # A second population is at its region's level where the expansion is taken.
        constant = source.system.flow(np.tile(state, len(source.start) // n)[:, None], point)[:n, 0]
        coupling = model.coupling(posterior.mean, state, point)
        reduced = coupling_posterior(model, posterior, state, point)
        if not self.draws:
            return Estimate(coupling, reduced, constant, state, point)
        draws = draw_by_draw(lambda theta: model.edge_values(theta, state, point), posterior, checked_draws(self.draws), self.seed)
        return Estimate(coupling, reduced, constant, state, point, draws, comparison(reduced.names, reduced.mean, reduced.sd, draws))

    def _bare(self, source: Source, state: Array, point: Array) -> Coupling:
        what = type(source.system).__name__
        if source.hidden:
            raise InputError(
                f"This {what} has {len(source.start) - len(state)} hidden units, of which a Taylor expansion about one point knows nothing: "
                "use Projection(), which reduces the regions that are read out."
            )
        if not isinstance(source.system, Expandable):
            raise InputError(f"This {what} has no coupling(state, inputs) of its own to expand it by: give it one, or use Projection().")
        return source.system.coupling(dict(zip(source.regions, state, strict=True)), dict(zip(source.inputs, point, strict=True)))


def certain(coupling: Coupling) -> Gaussian:
    """The Gaussian without variance over the entries that are not zero, for a system of which no uncertainty is known."""
    found = list(nonzero_entries(coupling))
    names = tuple(edge_name(matrix, **names) for matrix, _, names in found)
    mean = np.array([getattr(coupling, matrix)[index] for matrix, index, _ in found])
    return Gaussian(names, mean, np.zeros((len(names), len(names))))


def by_differences(source: Source, scale: Array) -> tuple[Coupling, Array]:
    """A, B and C of a bare system at rest by central differences, without D; and the flow there.

    scale : shape (region,), the size of each region's course, of which a small part is the step

    Hidden units are taken at their equilibrium with the regions and inputs, F_r(x, h*(x, u), u), which is what a slow change sees.

    Raises `InputError` where they have none.
    """
    x, u, n, m = source.rest, np.zeros(len(source.inputs)), len(source.regions), len(source.inputs)
    flow = _settled_flow(source) if source.hidden else lambda x, u: source.system.flow(x[:, None], u)[:, 0]
    hx = SMALL * np.diag(np.where(scale > 0, scale, 1.0))
    largest = np.abs(source.course_inputs.values).max(axis=0)
    hu = SMALL * np.diag(np.where(largest > 0, largest, 1.0))

    def slopes(u: Array) -> Array:
        return np.array([(flow(x + h, u) - flow(x - h, u)) / (2 * h.sum()) for h in hx]).T

    C = np.array([(flow(x, u + h) - flow(x, u - h)) / (2 * h.sum()) for h in hu]).T
    B = np.array([(slopes(u + h) - slopes(u - h)) / (2 * h.sum()) for h in hu])
    return Coupling(slopes(u), B.reshape(m, n, n), C.reshape(n, m), source.regions, source.inputs), flow(x, u)


def _settled_flow(source: Source) -> Callable[[Array, Array], Array]:
    n = len(source.regions)

    def flow(x: Array, u: Array) -> Array:
        def hidden_flow(h: Array) -> Array:
            return source.system.flow(np.concatenate([x, h])[:, None], u)[n:, 0]

        found: Any = root(hidden_flow, source.start[n:], tol=1e-12)
        if np.abs(hidden_flow(found.x)).max() > 1e-8 * max(1.0, np.abs(source.start).max()):
            raise InputError(
                "The hidden units have no equilibrium near rest by which to anchor a projection: use Projection(anchor=0), and mind its "
                "errors under interventions."
            )
        return source.system.flow(np.concatenate([x, found.x])[:, None], u)[:n, 0]

    return flow
