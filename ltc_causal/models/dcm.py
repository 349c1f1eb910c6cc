"""Dynamic causal models: which regions are coupled, what the inputs do, and how that becomes BOLD, or is seen as it is.

One class for every neuronal model (`neuronal`), with the haemodynamics of `haemodynamics` and the priors of `priors`, so that free
energies compare.

Lives here: the model, its parameters by name, its prediction. Does not live here: inversion (`inference`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core import html
from ltc_causal.core.coupling import Coupling, connection_mask, connection_masks, connection_name
from ltc_causal.core.data import Inputs, Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.model import Features, NoisePrior
from ltc_causal.errors import InputError, known_name, one_of, positive, read_only, unique_names
from ltc_causal.models import haemodynamics, neuronal, priors, spm_nonlinear, true_flow
from ltc_causal.models.neuronal import Slots, Weights
from ltc_causal.models.parameters import SYNAPTIC, Layout, Moves
from ltc_causal.models.specification import plain
from ltc_causal.models.system import DCMSystem
from ltc_causal.models.taylor import taylor
from ltc_causal.numerics import cascade
from ltc_causal.numerics.least_squares import fitted
from ltc_causal.numerics.schedule import Steps, cut_into_steps, sample_bins

LONGEST_SCAN = 60.0  # seconds; no one measures BOLD more slowly, so that it must be milliseconds
SIGNAL_RANGE = 4.0  # SPM scales the data so that their range is at most this
OBSERVED = ("bold", "activity")
FLOWS = {"bilinear": ("bilinear", "true"), "two_state": ("bilinear", "true"), "nonlinear": ("true", "spm"), "liquid": ("true",)}
GATED = ("nonlinear", "liquid")
KINDS = {"bilinear": "Bilinear DCM", "nonlinear": "Nonlinear DCM", "two_state": "Two-state DCM", "liquid": "Liquid DCM"}
HOW = {"bilinear": "by its expansion about rest", "true": "by its true flow", "spm": "by SPM's scheme for nonlinear models"}


@dataclass(frozen=True, eq=False)
class Plan:
    """The model's time plan for one recording: the steps of its integration, what its parameters move in each (by name), and the echo time."""

    steps: Steps
    names: tuple[str, ...]
    slots: Slots
    moves: Moves
    echo_time: float


@dataclass(frozen=True, eq=False)
class DCM:
    """A dynamic causal model, for fMRI unless `observation` says otherwise.

    regions, inputs : names, in the order of every matrix; they must be in the recording
    intrinsic : connections between regions (A), as (source, target) pairs or a boolean array (target, source). Every region has a
        self-connection besides
    modulatory : for each input, the connections that it changes (B); a pair (V1, V1) is the self-connection. As an array: (input, target, source)
    driving : what each input drives (C), as (input, region) pairs or a boolean array (region, input)
    gating : for each region, the connections that its activity changes (D), as `modulatory`; nonlinear and liquid models have it
    neuronal : "bilinear", "nonlinear", "two_state" or "liquid" (see `neuronal` for the equations and their sources)
    flow : "bilinear" replaces the whole flow by its expansion about rest and integrates that exactly, as SPM does (bilinear and two-state
        models, and their default); "true" integrates the flow as stated (every model); "spm" is SPM's scheme for nonlinear models, which is
        not the flow that they state: for comparison with SPM, and fitted with VariationalLaplace(differences="spm")
    centre_inputs : subtract each input's mean (SPM's `options.centre`), so that A is the coupling at the mean input
    prior : {connection: (mean, sd)} for what differs from the usual prior; a connection by its name as in `model.prior.names`, or, for A and
        C, as a (source, target) pair; an sd of 0 fixes it. Or a Gaussian over all parameters. After birth the attribute is that Gaussian
    noise : prior of each region's noise log-precision, in the units of the scaled signal; SPM's for BOLD, a wide one for activity
    signal_range : BOLD is scaled down if its range over all regions exceeds this, as SPM does (4); None for no scaling
    per_edge : which of "kappa", "tau", "lambda" each connection of a liquid model has of its own; by default all share one kappa
    observation : "bold", or "activity" where the recording holds the regions' activity itself (as deviation from rest, in units of the user's;
        then without haemodynamics, always by the true flow, and never scaled)

    Parameters are on SPM's scale (a self-connection of a is a decay of -exp(a)/2 Hz; C is in sixteenths of Hz; the connections of a two-state
    model are logarithms); `coupling` gives Hz.
    """

    regions: Sequence[str]
    inputs: Sequence[str]
    intrinsic: Any = ()  # these four are boolean arrays from birth on
    modulatory: Any = field(default_factory=dict)
    driving: Any = ()
    gating: Any = field(default_factory=dict)
    neuronal: str = "bilinear"
    flow: str | None = None
    centre_inputs: bool = False
    prior: Any = None  # a Gaussian from birth on
    noise: Any = None  # a NoisePrior from birth on
    signal_range: float | None = SIGNAL_RANGE
    per_edge: Sequence[str] = ()
    observation: str = "bold"

    def __post_init__(self):
        regions, inputs = unique_names("DCM regions", self.regions), unique_names("DCM inputs", self.inputs)
        if not regions or not inputs:
            raise InputError("A DCM needs at least one region and one input: name them.")
        if set(regions) & set(inputs):
            raise InputError(f"{sorted(set(regions) & set(inputs))} name both a region and an input of the DCM: rename one of them.")
        one_of("DCM neuronal", self.neuronal, neuronal.NEURONAL)
        one_of("DCM observation", self.observation, OBSERVED)
        flows = FLOWS[self.neuronal] if self.observation == "bold" else ("true",)
        flow = self.flow or flows[0]
        if flow not in flows:
            allowed = " or ".join(f"flow={name!r}" for name in flows)
            raise InputError(
                f"DCM flow must be one that a {self.neuronal} model of {self.observation} has, got {flow!r}: it has only {allowed}."
            )
        intrinsic = connection_mask("DCM intrinsic", self.intrinsic, regions, regions)
        np.fill_diagonal(intrinsic, True)
        values = {
            "regions": regions, "inputs": inputs, "flow": flow, "intrinsic": read_only(intrinsic),
            "modulatory": read_only(connection_masks("DCM modulatory", "input", self.modulatory, inputs, regions)),
            "driving": read_only(connection_mask("DCM driving", self.driving, inputs, regions)),
            "gating": read_only(connection_masks("DCM gating", "region", self.gating, regions, regions)),
            "per_edge": unique_names("DCM per_edge", self.per_edge),
            "noise": self.noise or (priors.NOISE if self.observation == "bold" else priors.ACTIVITY_NOISE),
            "signal_range": self.signal_range if self.observation == "bold" else None,
        }  # fmt: skip
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check_kind()
        if not isinstance(self.noise, NoisePrior):
            raise InputError(f"DCM.noise must be a NoisePrior, got {self.noise!r}: write NoisePrior(mean, variance).")
        if self.signal_range is not None:
            object.__setattr__(self, "signal_range", positive("DCM signal_range", self.signal_range, "percent, or None for no scaling"))
        if not isinstance(self.prior, Gaussian | Mapping | None):
            raise InputError(f"DCM.prior must be {{connection: (mean, sd)}} or a Gaussian, got {self.prior!r}.")
        stated = self.prior if isinstance(self.prior, Gaussian) else dict(self.prior or {})
        object.__setattr__(self, "prior", self._layout.stated_prior(stated))
        # The usual prior states nothing, also where dataclasses.replace hands it on as a Gaussian.
        usual = isinstance(stated, Gaussian) and self._layout.is_default(stated)
        object.__setattr__(self, "_stated", {} if usual else stated)

    def _check_kind(self) -> None:
        """Connections and options that the kind of model cannot have."""
        if not (self.driving.any() or self.modulatory.any()):
            raise InputError("No input of the DCM drives or modulates anything, so it predicts a flat signal: give `driving` connections.")
        if self.gating.any() and self.neuronal not in GATED:
            raise InputError(f"DCM gating needs neuronal='nonlinear' or 'liquid', and this model is {self.neuronal}: change one of them.")
        for name in self.per_edge:
            one_of("DCM per_edge", name, tuple(SYNAPTIC))
        if self.per_edge and self.neuronal != "liquid":
            raise InputError(f"DCM per_edge is for the synapses of a liquid model, and this one is {self.neuronal}: leave it out.")
        if self.neuronal == "two_state" and (lost := np.argwhere(self.modulatory & ~self.intrinsic)).size:
            k, i, j = lost[0]
            raise InputError(
                f"In a two-state DCM an input scales a connection that exists, but {self.inputs[k]!r} modulates {self.regions[j]!r} -> "
                f"{self.regions[i]!r}, which is not intrinsic: add it to `intrinsic`."
            )

    @cached_property
    def _layout(self) -> Layout:
        masks = {"A": self.intrinsic, "B": self.modulatory, "C": self.driving, "D": self.gating}
        return Layout(tuple(self.regions), tuple(self.inputs), masks, self.neuronal, tuple(self.per_edge), self.observation == "bold")

    # --- in words -------------------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"DCM({self.describe()})"

    def _repr_html_(self) -> str:
        masks = {"A": self.intrinsic & ~np.eye(len(self.regions), dtype=bool), "B": self.modulatory, "C": self.driving, "D": self.gating}
        facts = [("model", self.describe()), ("observation", self.observation)]
        return html.card("DCM", facts, Coupling(**masks, regions=tuple(self.regions), inputs=tuple(self.inputs)).to_frame().iloc[:, :4])

    def describe(self) -> str:
        """One line: kind, regions, inputs, number of free parameters."""
        count = f"{int(self.prior.free.sum())} parameters"
        return f"{KINDS[self.neuronal]} of {', '.join(self.regions)} with inputs {', '.join(self.inputs)}; {count}, integrated {HOW[str(self.flow)]}."

    def with_neuronal(self, kind: str, per_edge: Sequence[str] = ()) -> "DCM":
        """The same connections under another neuronal model, by its true flow; what was stated of the prior goes with them.

        Raises `InputError` if the model gates and the other kind cannot, or if a prior was stated on a scale that the other does not have.
        """
        stated = self._stated  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(stated, Gaussian) or (stated and "two_state" in (kind, self.neuronal) and kind != self.neuronal):
            raise InputError(
                f"This DCM's prior is stated on the scale of a {self.neuronal} model: build the {kind} DCM with a prior of its own."
            )
        other = replace(self, neuronal=kind, flow="true", prior=None, per_edge=per_edge)
        kept = {key: value for key, value in stated.items() if connection_name(key, self.inputs) in other.prior.names}
        return replace(other, prior=kept) if kept else other

    def with_flow(self, flow: str) -> "DCM":
        """The same model integrated another way ("bilinear", "true" or "spm")."""
        return replace(self, flow=flow, prior=self._stated)  # pyright: ignore[reportAttributeAccessIssue]

    def with_principal_modes(self, recording: Recording, count: int = 8) -> "DCM":
        """The same model with A's prior confined to the signal's principal modes, SPM's way with more than 8 regions.

        count : how many modes V of the signal (confounds removed) are kept. The prior covariance S of A, of shape (region^2, region^2),
            becomes P S P with P = VV' (x) VV'; like SPM's, it gives variance to connections that the model does not have, which are left out.
        """
        n = len(self.regions)
        if not 1 <= count <= n:
            raise InputError(f"with_principal_modes(count) must lie between 1 and the number of regions ({n}), got {count!r}.")
        series = recording.select(self.regions)
        X = series.confounds
        signal = series.series.values - fitted(X, series.series.values)
        V = np.linalg.svd(signal, full_matrices=False)[2][:count].T
        P = np.kron(V @ V.T, V @ V.T)
        own = [p for p, (matrix, _) in enumerate(self._layout.edges) if matrix == "A"]
        flat = [j * n + i for matrix, (_, i, j) in self._layout.edges if matrix == "A"]
        S = np.zeros((n * n, n * n))
        S[np.ix_(flat, flat)] = self.prior.cov[np.ix_(own, own)]
        cov = self.prior.cov.copy()
        cov[np.ix_(own, own)] = (P @ S @ P)[np.ix_(flat, flat)]
        return replace(self, prior=Gaussian(self.prior.names, self.prior.mean, cov))

    @property
    def approximation(self) -> "DCM | None":
        """The bilinear expansion of a model that is integrated by its true flow, over the same parameters; None where there is none."""
        has_one = self.flow == "true" and self.observation == "bold" and "bilinear" in FLOWS[self.neuronal]
        return self.with_flow("bilinear") if has_one else None

    def to_spec(self) -> dict[str, Any]:
        """The model as plain JSON values; `DCM.from_spec` reads it."""
        stated = self._stated  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(stated, Gaussian):
            prior: Any = {"mean": stated.mean.tolist(), "cov": stated.cov.tolist()}
        else:
            prior = [[connection_name(key, self.inputs), *map(float, value)] for key, value in stated.items()]
        others = {f.name: plain(getattr(self, f.name)) for f in fields(self) if f.name not in ("prior", "noise")}
        return {**others, "prior": prior, "noise": asdict(self.noise)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "DCM":
        """The model of `to_spec`."""
        known = [f.name for f in fields(cls)]
        for name in spec:
            known_name("DCM field", name, known, "the model specification")
        values = dict(spec)
        for name in ("intrinsic", "modulatory", "driving", "gating"):
            if name in values:
                values[name] = np.array(values[name], dtype=bool)
        if "noise" in values:
            values["noise"] = NoisePrior(**values["noise"])
        prior = values.pop("prior", [])
        if isinstance(prior, Mapping):
            names = cls(**values).prior.names
            return cls(**values, prior=Gaussian(names, np.array(prior["mean"]), np.array(prior["cov"])))
        return cls(**values, prior={name: (mean, sd) for name, mean, sd in prior})

    # --- parameters -----------------------------------------------------------------------------------------------------------------

    @property
    def edge_names(self) -> tuple[str, ...]:
        """Names of the connections, in the order of `edge_values` and of the first parameters."""
        return self._layout.edge_names

    @property
    def starts(self) -> tuple[NDArray, ...]:
        """The prior mean, and for a liquid model also with strong saturation, since the free energy has a maximum on either side."""
        return self._starts

    @cached_property
    def _starts(self) -> tuple[NDArray, ...]:
        mean = self.prior.mean
        saturating = np.array([name.startswith("log_kappa") for name in self.prior.names]) & self.prior.free
        if not saturating.any():
            return (mean,)
        return mean, np.where(saturating, priors.SATURATED_START, mean)

    def weights(self, theta: NDArray) -> Weights:
        """The neuronal parameters as matrices; theta of shape (parameter,), real or complex."""
        return self._layout.weights(theta)

    def haemodynamic_parameters(self, theta: NDArray) -> tuple[Any, Any, Any]:
        """Transit (..., region), decay and epsilon (...) of theta (..., parameter); None and zeros of a model of activity."""
        return self._layout.haemodynamics(theta)

    # --- coupling -------------------------------------------------------------------------------------------------------------------

    @property
    def modulation(self) -> str:
        """How this model's flow lets an input act inside an exponential (see `neuronal.network`)."""
        return "linear" if self.flow == "bilinear" else "log"

    def _taylor(self, theta: NDArray, state: NDArray | None, inputs: NDArray | None) -> tuple[NDArray, ...]:
        x = np.zeros(len(self.regions)) if state is None else np.asarray(state, dtype=float)
        u = np.zeros(len(self.inputs)) if inputs is None else np.asarray(inputs, dtype=float)
        return taylor(self.weights(theta), x, u, self.modulation)

    def edge_values(self, theta: NDArray, state: NDArray | None = None, inputs: NDArray | None = None) -> NDArray:
        """Taylor coefficients of the connections in Hz at an operating point (rest unless given), in the order of `edge_names`."""
        matrices = dict(zip("ABCD", self._taylor(theta, state, inputs), strict=True))
        return np.array([matrices[matrix][(k, i, j) if matrix in "BD" else (i, j)] for matrix, (k, i, j) in self._layout.edges])

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
        """The recording as the model predicts it: its own regions, mean removed, scaled to a range of at most `signal_range`; and the plan."""
        recording = recording.select(self.regions)
        if self.observation == "bold" and recording.series.dt > LONGEST_SCAN:
            raise InputError(
                f"The series has a scan every {recording.series.dt:g} s, too slow for BOLD: give TimeSeries(dt=) in seconds, not milliseconds."
            )
        values = recording.series.values - recording.series.values.mean(axis=0)
        scale = 1.0 if self.signal_range is None else float(self.signal_range / max(np.ptp(values), self.signal_range))
        inputs = self.prepared_inputs(recording.inputs)
        bins = sample_bins(len(inputs.values), len(values), recording.delays, inputs.dt)
        steps = self._steps(inputs, bins, recording.series.dt)
        plan = Plan(steps, self._free_names, *self._layout.slots(steps.values, self.prior.free), recording.echo_time)
        return Features(values * scale, recording.confounds, scale, plan)

    def _steps(self, inputs: Inputs, bins: NDArray[np.int64], dt: float) -> Steps:
        moments = None
        if self.flow == "spm":
            moments = spm_nonlinear.refresh_bins(len(inputs.values), len(bins), dt, bins[0, 0])
        return cut_into_steps(inputs.values, inputs.dt, bins, moments)

    def predict(self, theta: NDArray, features: Features, differences: str = "exact") -> tuple[NDArray, bool]:
        """BOLD in percent (or activity), shape (time, region), and whether the integration stayed within bounds.

        differences : "spm" expands the flow about rest by forward differences, as SPM does (no part in flow="true")
        """
        plan, weights = features.plan, self.weights(theta)
        transit, decay, epsilon = self.haemodynamic_parameters(theta)
        if self.flow == "true":
            h, stable = true_flow.course(weights, transit, decay, plan.steps)
        elif self.flow == "spm":
            h, stable = spm_nonlinear.course(weights, transit, decay, plan.steps)
        else:
            N = neuronal.network(weights, plan.steps.values, "spm" if differences == "spm" else "linear")
            h, stable = cascade.course(N, haemodynamics.rest_expansion(transit, decay, differences), plan.steps, haemodynamics.VOLUME)
        if self.observation == "activity":
            return h[..., 0], stable
        return haemodynamics.bold(h[..., 0], h[..., 1], epsilon, plan.echo_time), stable

    def linearise(self, theta: NDArray, features: Features) -> tuple[NDArray, NDArray, bool]:
        """`predict`, and its exact derivative in the free parameters, shape (time, region, free parameter).

        Raises `InputError` for flow="spm", which has differences only, and for the features of a model with other parameters.
        """
        if self.flow == "spm":
            raise InputError('flow="spm" imitates SPM and has no exact derivatives: fit it with VariationalLaplace(differences="spm").')
        plan, weights = features.plan, self.weights(theta)
        if plan.names != self._free_names:
            raise InputError(
                "linearise got the features of a model with other free parameters: make them with this model's own `features`."
            )
        transit, decay, epsilon = self.haemodynamic_parameters(theta)
        N = neuronal.network(weights, plan.steps.values, self.modulation)
        moves = plan.moves._replace(coefficient=plan.slots.slopes(weights, N, self.modulation))
        if self.observation == "activity":
            x, dx, stable = true_flow.course_and_tangents(weights, None, 0.0, moves, plan.steps)
            return x[..., 0], np.ascontiguousarray(dx[:, :, 0]), stable
        if self.flow == "true":
            h, dh, stable = true_flow.course_and_tangents(weights, transit, decay, moves, plan.steps)
            signal, by_state, by_epsilon = haemodynamics.bold_and_slopes(h, epsilon, plan.echo_time)
            jacobian = by_state[:, :, :1] * dh[:, :, 0] + by_state[:, :, 1:] * dh[:, :, 1]
        else:
            H = haemodynamics.rest_expansion(transit, decay)
            dH = haemodynamics.rest_expansion_derivatives(H)

            seen: dict[str, NDArray] = {}

            def by_states(h: NDArray) -> NDArray:
                seen["signal"], weights_of_states, seen["by_epsilon"] = haemodynamics.bold_and_slopes(h, epsilon, plan.echo_time)
                return weights_of_states

            _, jacobian, stable = cascade.course_and_tangents(
                N, H, dH, moves.row, moves.column, moves.coefficient, moves.chain, plan.steps, haemodynamics.VOLUME, by_states
            )
            signal, by_epsilon = seen["signal"], seen["by_epsilon"]
        if self._epsilon >= 0:
            jacobian[..., self._epsilon] = by_epsilon
        return signal, jacobian, stable

    @cached_property
    def _free_names(self) -> tuple[str, ...]:
        return tuple(name for name, free in zip(self.prior.names, self.prior.free, strict=True) if free)

    @cached_property
    def _epsilon(self) -> int:
        """Position of epsilon among the free parameters, -1 if it is fixed."""
        at = self.prior.index("epsilon")
        return int(self.prior.free[:at].sum()) if self.prior.free[at] else -1

    def system(self, theta: NDArray, echo_time: float = 0.04) -> DCMSystem:
        """The model at parameters of shape (draw, parameter), for simulation and interventions."""
        theta = np.atleast_2d(np.asarray(theta, dtype=float))
        return DCMSystem.of(self, theta, echo_time)
