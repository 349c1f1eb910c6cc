"""Dynamic causal models of fMRI: which regions are coupled, what the inputs do, and how that becomes BOLD.

One class for every neuronal model (`neuronal`), with the haemodynamics of `haemodynamics` and the priors of `priors`, so that free
energies compare.

Lives here: the model, its parameters by name, its prediction. Does not live here: inversion (`inference`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.coupling import Connections, Coupling, connection_mask, edge_name
from ltc_causal.core.data import Inputs, Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.model import Features, NoisePrior
from ltc_causal.errors import InputError, known_name, one_of, read_only, unique_names
from ltc_causal.models import haemodynamics, neuronal, priors, true_flow
from ltc_causal.models.neuronal import Weights
from ltc_causal.models.system import DCMSystem
from ltc_causal.numerics import cascade
from ltc_causal.numerics.schedule import Steps, cut_into_steps, sample_bins

SIGNAL_RANGE = 4.0  # SPM scales the data so that their range is at most this
FLOWS = ("bilinear", "true")


@dataclass(frozen=True, eq=False)
class Plan:
    """The model's time plan for one recording: the steps of its integration, and the echo time."""

    steps: Steps
    echo_time: float


@dataclass(frozen=True, eq=False)
class DCM:
    """A dynamic causal model for fMRI.

    regions, inputs : names, in the order of every matrix; they must be in the recording
    intrinsic : connections between regions (A), as (source, target) pairs or a boolean array (target, source). Every region has a
        self-connection besides
    modulatory : for each input, the connections that it changes (B); a pair (V1, V1) is the self-connection. As an array: (input, target, source)
    driving : what each input drives (C), as (input, region) pairs or a boolean array (region, input)
    neuronal : "bilinear" (Friston et al. 2003), or "liquid": saturating synapses with one kappa, estimated (see `neuronal`)
    flow : "bilinear" replaces the whole flow by its expansion about rest and integrates that exactly, as SPM does; "true" integrates the
        flow as stated. None is "bilinear" for a bilinear model; a liquid model has only the true flow
    centre_inputs : subtract each input's mean (SPM's `options.centre`), so that A is the coupling at the mean input

    Parameters are on SPM's scale (a self-connection of a is a decay of -exp(a)/2 Hz; C is in sixteenths of Hz); `coupling` gives Hz.
    """

    regions: Sequence[str]
    inputs: Sequence[str]
    intrinsic: Any = ()  # these three are boolean arrays from birth on
    modulatory: Any = field(default_factory=dict)
    driving: Any = ()
    neuronal: str = "bilinear"
    flow: str | None = None
    centre_inputs: bool = False

    def __post_init__(self):
        regions, inputs = unique_names("DCM regions", self.regions), unique_names("DCM inputs", self.inputs)
        if not regions or not inputs:
            raise InputError("A DCM needs at least one region and one input: name them.")
        if set(regions) & set(inputs):
            raise InputError(f"{sorted(set(regions) & set(inputs))} name both a region and an input of the DCM: rename one of them.")
        one_of("DCM neuronal", self.neuronal, neuronal.NEURONAL)
        flow = self.flow or ("bilinear" if self.neuronal == "bilinear" else "true")
        one_of("DCM flow", flow, FLOWS)
        if self.neuronal == "liquid" and flow != "true":
            raise InputError("A liquid DCM is not bilinear, so it has only flow='true': leave flow out.")
        intrinsic = connection_mask("DCM intrinsic", self.intrinsic, regions, regions)
        np.fill_diagonal(intrinsic, True)
        values = {
            "regions": regions, "inputs": inputs, "flow": flow, "intrinsic": read_only(intrinsic),
            "modulatory": read_only(_modulatory_mask(self.modulatory, inputs, regions)),
            "driving": read_only(connection_mask("DCM driving", self.driving, inputs, regions)),
        }  # fmt: skip
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if not (self.driving.any() or self.modulatory.any()):
            raise InputError("No input of the DCM drives or modulates anything, so it predicts a flat signal: give `driving` connections.")

    # --- in words -------------------------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """One line: kind, regions, inputs, number of free parameters."""
        kind = {"bilinear": "Bilinear DCM", "liquid": "Liquid DCM"}[self.neuronal]
        how = "integrated by its expansion about rest" if self.flow == "bilinear" else "integrated by its true flow"
        return f"{kind} of {', '.join(self.regions)} with inputs {', '.join(self.inputs)}; {int(self.prior.free.sum())} parameters, {how}."

    def with_neuronal(self, kind: str) -> "DCM":
        """The same connections under another neuronal model ("bilinear" or "liquid"), by its true flow."""
        return replace(self, neuronal=kind, flow="true")

    def with_flow(self, flow: str) -> "DCM":
        """The same model integrated another way ("bilinear" or "true")."""
        return replace(self, flow=flow)

    def to_spec(self) -> dict[str, Any]:
        """The model as plain JSON values; `DCM.from_spec` reads it."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "DCM":
        """The model of `to_spec`."""
        known = [f.name for f in fields(cls)]
        for name in spec:
            known_name("DCM field", name, known, "the model specification")
        arrays = {name: np.array(spec[name], dtype=bool) for name in ("intrinsic", "modulatory", "driving")}
        return cls(**{**spec, **arrays})

    # --- parameters -----------------------------------------------------------------------------------------------------------------

    @cached_property
    def _edges(self) -> list[tuple[str, tuple[int, int, int]]]:
        """Matrix and (input or -1, target, source) of every connection, in SPM's order (A, B, C, each column by column)."""
        edges = [("A", (-1, i, j)) for j, i in np.argwhere(self.intrinsic.T)]
        edges += [("B", (k, i, j)) for k, j, i in np.argwhere(self.modulatory.transpose(0, 2, 1))]
        edges += [("C", (-1, i, k)) for k, i in np.argwhere(self.driving.T)]
        return [(matrix, (int(k), int(i), int(j))) for matrix, (k, i, j) in edges]

    @cached_property
    def edge_names(self) -> tuple[str, ...]:
        """Names of the connections, in the order of `edge_values` and of the first parameters."""
        names = []
        for matrix, (k, i, j) in self._edges:
            source = self.inputs[j] if matrix == "C" else self.regions[j]
            names.append(edge_name(matrix, source, self.regions[i], self.inputs[k] if matrix == "B" else ""))
        return tuple(names)

    @cached_property
    def prior(self) -> Gaussian:
        """Over connections, then transit of each region, decay, epsilon, and log_kappa of a liquid model."""
        of_matrix = {"A": priors.INTRINSIC, "B": priors.MODULATORY, "C": priors.DRIVING}
        entries = [(name, of_matrix[name[0]]) for name in self.edge_names]
        entries += [(name, priors.HAEMODYNAMIC) for name in (*(f"transit[{region}]" for region in self.regions), "decay", "epsilon")]
        if self.neuronal == "liquid":
            entries.append(("log_kappa", priors.SATURATION))
        names, moments = zip(*entries, strict=True)
        mean, variance = np.array(moments).T
        return Gaussian(names, mean, np.diag(variance))

    @property
    def noise(self) -> NoisePrior:
        """Prior of the log-precision of each region's noise."""
        return priors.NOISE

    @property
    def starts(self) -> tuple[NDArray, ...]:
        """The prior mean, and for a liquid model also with strong saturation, since the free energy has a maximum on either side."""
        mean = self.prior.mean
        if self.neuronal != "liquid":
            return (mean,)
        saturated = mean.copy()
        saturated[self.prior.index("log_kappa")] = priors.SATURATED_START
        return mean, saturated

    def weights(self, theta: NDArray) -> Weights:
        """The neuronal parameters as matrices; theta of shape (parameter,), real or complex."""
        n, m = len(self.regions), len(self.inputs)
        A, B, C = (np.zeros(shape, dtype=theta.dtype) for shape in ((n, n), (m, n, n), (n, m)))
        for value, (matrix, (k, i, j)) in zip(theta, self._edges, strict=False):
            if matrix == "A":
                A[i, j] = value
            elif matrix == "B":
                B[k, i, j] = value
            else:
                C[i, j] = value
        return Weights(A, B, C, np.exp(theta[-1]) if self.neuronal == "liquid" else 0.0)

    def haemodynamic_parameters(self, theta: NDArray) -> tuple[NDArray, Any, Any]:
        """Transit (..., region), decay and epsilon (...) of theta (..., parameter)."""
        first = len(self._edges)
        n = len(self.regions)
        return theta[..., first : first + n], theta[..., first + n], theta[..., first + n + 1]

    # --- coupling -------------------------------------------------------------------------------------------------------------------

    @property
    def self_modulation(self) -> str:
        """How this model's flow lets an input act on a self-connection (see `neuronal.network`)."""
        return "linear" if self.flow == "bilinear" else "log"

    def _taylor(self, theta: NDArray, state: NDArray | None, inputs: NDArray | None) -> tuple[NDArray, ...]:
        x = np.zeros(len(self.regions)) if state is None else np.asarray(state, dtype=float)
        u = np.zeros(len(self.inputs)) if inputs is None else np.asarray(inputs, dtype=float)
        return neuronal.taylor(self.weights(theta), x, u, self.self_modulation)

    def edge_values(self, theta: NDArray, state: NDArray | None = None, inputs: NDArray | None = None) -> NDArray:
        """Taylor coefficients of the connections in Hz at an operating point (rest unless given), in the order of `edge_names`."""
        A, B, C, _ = self._taylor(theta, state, inputs)
        of_matrix = {"A": lambda k, i, j: A[i, j], "B": lambda k, i, j: B[k, i, j], "C": lambda k, i, j: C[i, j]}
        return np.array([of_matrix[matrix](*entry) for matrix, entry in self._edges])

    def coupling(self, theta: NDArray, state: NDArray | None = None, inputs: NDArray | None = None) -> Coupling:
        """A, B, C, D in Hz at an operating point (rest unless given)."""
        A, B, C, D = self._taylor(theta, state, inputs)
        return Coupling(A, B, C, tuple(self.regions), tuple(self.inputs), D)

    # --- prediction -----------------------------------------------------------------------------------------------------------------

    def prepared_inputs(self, inputs: Inputs) -> Inputs:
        """The model's own inputs in its order; each without its mean, if the model centres them."""
        chosen = inputs.select(self.inputs)
        return replace(chosen, values=chosen.values - chosen.values.mean(axis=0)) if self.centre_inputs else chosen

    def features(self, recording: Recording) -> Features:
        """The recording as the model predicts it: its own regions, mean removed, scaled to a range of at most 4; and the time plan."""
        recording = recording.select(self.regions)
        values = recording.series.values - recording.series.values.mean(axis=0)
        scale = SIGNAL_RANGE / max(np.ptp(values), SIGNAL_RANGE)
        inputs = self.prepared_inputs(recording.inputs)
        bins = sample_bins(len(inputs.values), len(values), recording.delays, inputs.dt)
        plan = Plan(cut_into_steps(inputs.values, inputs.dt, bins), recording.echo_time)
        return Features(values * scale, recording.confounds, scale, plan)

    def predict(self, theta: NDArray, features: Features, differences: str = "exact") -> tuple[NDArray, bool]:
        """BOLD in percent, shape (time, region), and whether the integration stayed within bounds.

        differences : "spm" expands the flow about rest by forward differences (flow="bilinear" only), as SPM does
        """
        plan = features.plan
        transit, decay, epsilon = self.haemodynamic_parameters(theta)
        if self.flow == "true":
            h, stable = true_flow.course(self.weights(theta), transit, decay, plan.steps)
        else:
            N = neuronal.network(self.weights(theta), plan.steps.values, "spm" if differences == "spm" else "linear")
            h, stable = cascade.course(N, haemodynamics.rest_expansion(transit, decay, differences), plan.steps, haemodynamics.VOLUME)
        return haemodynamics.bold(h[..., 0], h[..., 1], epsilon, plan.echo_time), stable

    def linearise(self, theta: NDArray, features: Features) -> tuple[NDArray, NDArray, bool]:
        """`predict`, and its exact derivative in the free parameters, shape (time, region, free parameter)."""
        plan, free = features.plan, self.prior.free
        transit, decay, epsilon = self.haemodynamic_parameters(theta)
        weights = self.weights(theta)
        row, column, coefficient = neuronal.network_slopes(weights, plan.steps.values, *self._moved, self.self_modulation)
        if self.flow == "true":
            h, dh, stable = true_flow.course_and_tangents(
                weights, transit, decay, row, column, coefficient, self._chain, self._kappa, plan.steps
            )
        else:
            N = neuronal.network(weights, plan.steps.values, "linear")
            H = haemodynamics.rest_expansion(transit, decay)
            dH = haemodynamics.rest_expansion_derivatives(H)
            h, dh, stable = cascade.course_and_tangents(N, H, dH, row, column, coefficient, self._chain, plan.steps, haemodynamics.VOLUME)
        log_v, log_q = h[..., 0], h[..., 1]
        by_v, by_q, by_epsilon = haemodynamics.bold_slopes(log_v, log_q, epsilon, plan.echo_time)
        jacobian = by_v[..., None] * dh[:, :, 0] + by_q[..., None] * dh[:, :, 1]
        names = [name for name, is_free in zip(self.prior.names, free, strict=True) if is_free]
        if "epsilon" in names:
            jacobian[..., names.index("epsilon")] = by_epsilon
        return haemodynamics.bold(log_v, log_q, epsilon, plan.echo_time), jacobian, stable

    @cached_property
    def _moved(self) -> tuple[NDArray, NDArray]:
        """Matrix and entry of each free parameter, for `neuronal.network_slopes`."""
        entries = self._edges + [("-", (-1, -1, -1))] * (len(self.prior.names) - len(self._edges))
        entries = [entry for entry, free in zip(entries, self.prior.free, strict=True) if free]
        return np.array([matrix for matrix, _ in entries]), np.array([entry for _, entry in entries])

    @cached_property
    def _chain(self) -> NDArray[np.int64]:
        """For each free parameter the region whose transit it is, the number of regions for decay, -1 otherwise."""
        n, first = len(self.regions), len(self._edges)
        chain = np.full(len(self.prior.names), -1)
        chain[first : first + n + 1] = np.arange(n + 1)
        return chain[self.prior.free]

    @cached_property
    def _kappa(self) -> int:
        """Position of log_kappa among the free parameters, -1 if it is not one."""
        names = [name for name, free in zip(self.prior.names, self.prior.free, strict=True) if free]
        return names.index("log_kappa") if "log_kappa" in names else -1

    def system(self, theta: NDArray, echo_time: float = 0.04) -> DCMSystem:
        """The model at parameters of shape (draw, parameter), for simulation and interventions."""
        theta = np.atleast_2d(np.asarray(theta, dtype=float))
        return DCMSystem.of(self, theta, echo_time)


def _modulatory_mask(
    modulatory: Mapping[str, Connections] | NDArray[np.bool_], inputs: Sequence[str], regions: Sequence[str]
) -> NDArray[np.bool_]:
    shape = (len(inputs), len(regions), len(regions))
    if isinstance(modulatory, np.ndarray):
        if modulatory.shape != shape:
            raise InputError(f"DCM modulatory as an array must have shape {shape} (input, target, source), got {modulatory.shape}.")
        return np.stack([connection_mask("DCM modulatory", part, regions, regions) for part in modulatory])
    mask = np.zeros(shape, dtype=bool)
    for name, connections in modulatory.items():
        mask[known_name("input", name, inputs, "DCM modulatory")] = connection_mask(
            f"DCM modulatory[{name!r}]", connections, regions, regions
        )
    return mask


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else list(value) if isinstance(value, tuple) else value
