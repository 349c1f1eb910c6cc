"""Regression DCM: a linear DCM whose inversion is one Bayesian regression a region, in the frequency domain; for tens to hundreds of regions.

With one linear haemodynamic response for all regions, dx/dt = A x + C u holds for the signal as well: dy/dt = A y + C (h * u). Frässle et al.
2017 (NeuroImage 155:406), 2018 (179:505, sparse), 2021 (225:117491, rest).

Variants, and how they differ: `docs/regression-dcm.md`. Bilinear terms, in the TAPAS variants only, follow TAPAS: the product of the
deconvolved signal with the convolved input, convolved again.

Lives here: the model and what it poses to its inversion. Does not live here: TAPAS's regressions (`tapas`), inversion (`inference.regression`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.blocks import Blocks
from ltc_causal.core.coupling import Coupling, connection_mask, connection_masks, edge_name
from ltc_causal.core.data import Inputs, Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.regression import NetworkProblem, RegressionProblem, SmoothedProblem
from ltc_causal.errors import InputError, known_name, one_of, read_only, unique_names
from ltc_causal.models import tapas
from ltc_causal.models.linear_system import LinearSystem, response, transfer
from ltc_causal.models.specification import plain
from ltc_causal.numerics import spectral_regression as spectral
from ltc_causal.numerics.schedule import sample_bins

Array = NDArray[np.float64]

VARIANTS = ("corrected", "tapas15", "tapas14")
DRIVING_SCALE = 16.0  # TAPAS gives C in sixteenths of Hz, as SPM does
SELF_SD = 0.15  # Hz, of the corrected variant
SPARSITIES = tuple(np.round(np.arange(0.05, 0.951, 0.05), 2).tolist())


@dataclass(frozen=True, eq=False)
class RegressionDCM:
    """A regression DCM of fMRI.

    regions : names, in the order of every matrix
    inputs : names; none at rest
    intrinsic : connections between regions (A), as (source, target) pairs or a boolean array (target, source); None for all. Every region has
        a self-connection besides
    driving : what each input drives (C), as (input, region) pairs or a boolean array (region, input); None for all
    modulatory : for each input, the connections that it changes (B), as in `DCM`; TAPAS variants without sparsity only
    variant : "tapas15" or "tapas14" for what those versions of TAPAS compute, with their faults; "corrected" for a likelihood that knows of the
        noise in the regressors, with honest intervals
    sparse : whether each connection of `intrinsic` has an indicator, the probability that it is there (`fit.inclusion`). In the
        corrected variant a connection's strength and interval are then those that it has if it is there
    sparsity : prior probability of a connection of a sparse TAPAS model, or several to choose from by the free energy; by default 0.05, 0.1, ...
        0.95. The corrected variant finds it from the data
    informed : whether a sparse TAPAS model's prior knows `intrinsic`; otherwise it considers all connections, as TAPAS does
    restrict_inputs : whether a sparse TAPAS model's inputs drive what `driving` says and nothing else
    filter_strength : of the TAPAS variants' noise filter, in sd; 0 for none
    simulated : TAPAS's type "s": C in Hz, its inputs divided by the bins of a scan, and no constant

    Parameters are A, B (Hz) and C, each column by column. C is in Hz in the corrected variant and with `simulated`; else in sixteenths of Hz
    as TAPAS gives it, while its covariance is of C in Hz (a fault of TAPAS that is kept). `coupling` gives Hz in every variant.

    How much memory a fit takes: `docs/regression-dcm.md`.
    """

    regions: Sequence[str]
    inputs: Sequence[str] = ()
    intrinsic: Any = None  # these three are boolean arrays from birth on
    driving: Any = None
    modulatory: Any = field(default_factory=dict)
    variant: str = "corrected"
    sparse: bool = False
    sparsity: Any = None  # a tuple from birth on
    informed: bool = False
    restrict_inputs: bool = True
    filter_strength: float = 1.0
    simulated: bool = False

    def __post_init__(self):
        regions, inputs = unique_names("RegressionDCM regions", self.regions), unique_names("RegressionDCM inputs", self.inputs)
        if not regions:
            raise InputError("A RegressionDCM needs at least one region: name it.")
        if set(regions) & set(inputs):
            raise InputError(
                f"{sorted(set(regions) & set(inputs))} name both a region and an input of the RegressionDCM: rename one of them."
            )
        one_of("RegressionDCM variant", self.variant, VARIANTS)
        n, m = len(regions), len(inputs)
        everything = np.ones((n, n), dtype=bool) if self.intrinsic is None else self.intrinsic
        intrinsic = connection_mask("RegressionDCM intrinsic", everything, regions, regions)
        np.fill_diagonal(intrinsic, True)
        driven = np.ones((n, m), dtype=bool) if self.driving is None else self.driving
        values = {
            "regions": regions, "inputs": inputs, "intrinsic": read_only(intrinsic),
            "driving": read_only(connection_mask("RegressionDCM driving", driven, inputs, regions)),
            "modulatory": read_only(connection_masks("RegressionDCM modulatory", "input", self.modulatory, inputs, regions)),
            "sparsity": SPARSITIES if self.sparsity is None else tuple(float(p) for p in np.atleast_1d(self.sparsity)),
        }  # fmt: skip
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check_options()

    def _check_options(self) -> None:
        if not self.sparsity or not all(0 < p < 1 for p in self.sparsity):
            raise InputError(f"RegressionDCM sparsity must lie between 0 and 1, got {self.sparsity!r}: give a probability, or several.")
        if self.modulatory.any() and (self.sparse or self.variant == "corrected"):
            raise InputError(
                "RegressionDCM modulatory is there only without sparsity and as TAPAS has it (variant='tapas15'): for honest bilinear terms fit "
                "an lc.DCM of fewer regions."
            )
        if self.filter_strength < 0:
            raise InputError(f"RegressionDCM filter_strength must be 0 (no filter) or positive, got {self.filter_strength!r}.")

    # --- in words -------------------------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """One line: kind, regions, inputs, number of parameters."""
        n = len(self.regions)
        names = ", ".join(self.regions) if n <= 8 else f"{n} regions ({', '.join(self.regions[:3])}, ...)"
        given = f"inputs {', '.join(self.inputs)}" if self.inputs else "no inputs (rest)"
        kind = "Sparse regression DCM" if self.sparse else "Regression DCM"
        how = "fitted as a whole" if self._whole else "one regression a region"
        return f"{kind} ({self.variant}) of {names} with {given}; {len(self.edge_names)} parameters, {how}."

    def to_spec(self) -> dict[str, Any]:
        """The model as plain JSON values; `RegressionDCM.from_spec` reads it."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "RegressionDCM":
        """The model of `to_spec`."""
        known = [f.name for f in fields(cls)]
        for name in spec:
            known_name("RegressionDCM field", name, known, "the model specification")
        n, m = len(spec["regions"]), len(spec["inputs"])
        shapes = {"intrinsic": (n, n), "driving": (n, m), "modulatory": (m, n, n)}
        masks = {name: np.array(spec[name], dtype=bool).reshape(shape) for name, shape in shapes.items()}
        return cls(**{**spec, **masks})

    def with_likely(self, inclusion: Array, probability: float = 0.5) -> "RegressionDCM":
        """The same model without indicators, of the connections that are at least that likely; `inclusion` is that of a sparse fit.

        What is asked of a whole network, effects and predictions, is asked of its fit: that of the sparse model gives each connection the strength
        that it has if it is there.

        Raises `InputError` if there is not one probability for each connection.
        """
        z = np.zeros(0) if inclusion is None else np.asarray(inclusion, dtype=float)
        if z.shape != (len(self.edge_names),):
            raise InputError(
                f"RegressionDCM.with_likely needs the inclusion of a sparse fit, {len(self.edge_names)} numbers, got {z.shape}."
            )
        masks = {}
        for kind, name in enumerate("ABC"):
            mask = np.zeros_like(self.parameter_masks[name])
            there = self.parameter_masks[name].transpose(*range(mask.ndim - 2), -1, -2)
            mask.transpose(*range(mask.ndim - 2), -1, -2)[there] = z[self._entries[2] == kind] >= probability
            masks[name] = mask
        return replace(self, intrinsic=masks["A"], driving=masks["C"], sparse=False)

    # --- parameters -----------------------------------------------------------------------------------------------------------------

    @property
    def tapas(self) -> bool:
        """Whether this is one of TAPAS's variants."""
        return self.variant != "corrected"

    @property
    def _whole(self) -> bool:
        """Whether the network is fitted as a whole, not region by region."""
        return not self.tapas and (self.sparse or not self.inputs)

    @property
    def driving_scale(self) -> float:
        """Parameters of C per Hz."""
        return DRIVING_SCALE if self.tapas and not self.simulated else 1.0

    @cached_property
    def parameter_masks(self) -> dict[str, NDArray[np.bool_]]:
        """Which entries of A, B and C are parameters."""
        whole = self.sparse and self.tapas
        return {
            "A": np.ones_like(self.intrinsic) if whole else self.intrinsic,
            "B": self.modulatory,
            "C": np.ones_like(self.driving) if whole and not self.restrict_inputs else self.driving,
        }

    @cached_property
    def _entries(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Of each parameter the target, the column of the design, and the matrix (0, 1, 2 for A, B, C)."""
        n, m = len(self.regions), len(self.inputs)
        masks = self.parameter_masks
        blocks = m * n if self.modulatory.any() else 0
        source, target = np.nonzero(masks["A"].T)
        by, there, here = np.nonzero(masks["B"].transpose(0, 2, 1))
        driver, driven = np.nonzero(masks["C"].T)
        columns = np.concatenate([source, n + by * n + there, n + blocks + driver])
        kind = np.repeat([0, 1, 2], [len(source), len(by), len(driver)])
        return np.concatenate([target, here, driven]), columns, kind

    @cached_property
    def edge_names(self) -> tuple[str, ...]:
        """Names of the connections, which are the parameters."""
        regions, inputs = tuple(self.regions), tuple(self.inputs)
        names = [f"A[{regions[j]}->{regions[i]}]" for j, i in np.argwhere(self.parameter_masks["A"].T)]
        names += [
            edge_name("B", regions[int(j)], regions[int(i)], inputs[int(k)])
            for k, j, i in np.argwhere(self.parameter_masks["B"].transpose(0, 2, 1))
        ]
        return tuple(names + [f"C[{inputs[k]}->{regions[i]}]" for k, i in np.argwhere(self.parameter_masks["C"].T)])

    def parameters_of(self, region: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where a region's connections stand among the parameters, and in the design."""
        positions = self._order[self._bounds[region] : self._bounds[region + 1]]
        return positions, self._entries[1][positions]

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.argsort(self._entries[0], kind="stable")

    @cached_property
    def _bounds(self) -> NDArray[np.int64]:
        return np.searchsorted(self._entries[0][self._order], np.arange(len(self.regions) + 1))

    @cached_property
    def prior(self) -> Gaussian:
        """Of the parameters; the corrected variant learns the spread of A and of C from the data, and this is where it begins."""
        n = len(self.regions)
        target, column, kind = self._entries
        mean = np.where((kind == 0) & (target == column), tapas.SELF_CONNECTION, 0.0)
        own, between = (1 / (8 * n), 8 / n) if self.tapas else (SELF_SD**2, 0.25)
        variance = np.where(kind == 0, np.where(target == column, own, between), 1.0)
        positions = [self.parameters_of(region)[0] for region in range(n)]
        cov: Any = Blocks(positions, lambda region: np.diag(variance[positions[region]]))
        return Gaussian(self.edge_names, mean, cov)

    # --- coupling -------------------------------------------------------------------------------------------------------------------

    @cached_property
    def _factors(self) -> Array:
        """From parameters to Hz."""
        return np.where(self._entries[2] == 2, 1 / self.driving_scale, 1.0)

    def coupling_gaussian(self, posterior: Gaussian) -> Gaussian:
        """The same distribution in Hz (of C, TAPAS's covariance is in Hz already)."""
        return Gaussian(posterior.names, posterior.mean * self._factors, posterior.cov)

    def edge_values(self, theta: NDArray, state: NDArray | None = None, inputs: NDArray | None = None) -> NDArray:
        """The connections in Hz in the order of `edge_names`, about rest; the flow is linear in the state."""
        values = theta * self._factors
        if inputs is not None and np.any(inputs):
            A, B, _ = self._matrices(theta)
            there = A + np.tensordot(np.asarray(inputs, dtype=float), B, 1)
            target, column, kind = self._entries
            values = np.where(kind == 0, there[target, np.minimum(column, len(A) - 1)], values)
        return values

    def _matrices(self, theta: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        n, m = len(self.regions), len(self.inputs)
        values = np.asarray(theta) * self._factors
        _, _, kind = self._entries
        A, B, C = np.zeros((n, n), values.dtype), np.zeros((m, n, n), values.dtype), np.zeros((n, m), values.dtype)
        A.T[self.parameter_masks["A"].T] = values[kind == 0]
        B.transpose(0, 2, 1)[self.parameter_masks["B"].transpose(0, 2, 1)] = values[kind == 1]
        C.T[self.parameter_masks["C"].T] = values[kind == 2]
        return A, B, C

    def coupling(self, theta: NDArray, state: NDArray | None = None, inputs: NDArray | None = None) -> Coupling:
        """A, B and C in Hz; A is that under constant inputs if they are given."""
        A, B, C = self._matrices(theta)
        if inputs is not None:
            A = A + np.tensordot(np.asarray(inputs, dtype=float), B, 1)
        return Coupling(A, B, C, tuple(self.regions), tuple(self.inputs))

    def system(self, theta: NDArray, echo_time: float = 0.04) -> LinearSystem:
        """The model at parameters of shape (draw, parameter), for simulation and interventions."""
        each = [self._matrices(draw) for draw in np.atleast_2d(np.asarray(theta, dtype=float))]
        A, B, C = (np.stack(parts, axis=-1) for parts in zip(*each, strict=True))
        return LinearSystem(tuple(self.regions), tuple(self.inputs), A, B, C, echo_time, self.tapas)

    def prepared_inputs(self, inputs: Inputs) -> Inputs:
        """The model's own inputs in its order."""
        return inputs.select(self.inputs)

    # --- regression -----------------------------------------------------------------------------------------------------------------

    def regression(self, recording: Recording) -> RegressionProblem | SmoothedProblem | NetworkProblem:
        """What a recording poses: regressions, on the signal itself or on what the inputs explain of it; at rest or sparse the network as a whole.

        Raises `InputError` if a TAPAS variant's input grid does not divide a scan.
        """
        recording = recording.select(self.regions)
        if self.tapas:
            return tapas.tapas_problem(self, recording)
        return self._network_problem(recording) if self._whole else self._smoothed_problem(recording)

    def _network_problem(self, recording: Recording) -> NetworkProblem:
        series, echo_time = recording.series, recording.echo_time
        driven = self._driven(recording) if self.inputs else np.zeros((len(series.values), 0))
        return NetworkProblem(
            series.values, recording.confounds, series.dt, recording.delays, driven, lambda omega: transfer(omega, echo_time), self.intrinsic,
            self.driving, tapas.SELF_CONNECTION, SELF_SD, self.sparse,
        )  # fmt: skip

    def _smoothed_problem(self, recording: Recording) -> SmoothedProblem:
        return SmoothedProblem(
            recording.series.values, self._driven(recording), recording.confounds, recording.series.dt, self.intrinsic, self.driving,
            tapas.SELF_CONNECTION, SELF_SD,
        )  # fmt: skip

    def _driven(self, recording: Recording) -> Array:
        """The inputs seen through the haemodynamics when the regions are read (at the mean of their delays), shape (scan, input)."""
        inputs = self.prepared_inputs(recording.inputs)
        n_bin, n_scan = len(inputs.values), len(recording.series.values)
        h = response(n_bin + 1, inputs.dt, recording.echo_time)
        whole = np.fft.irfft(np.fft.rfft(inputs.values, 2 * n_bin + 2, axis=0) * np.fft.rfft(h, 2 * n_bin + 2)[:, None], axis=0)
        return whole[sample_bins(n_bin, n_scan, [float(np.mean(recording.delays))], inputs.dt)[:, 0]]

    def explained(self, theta: Array, recording: Recording) -> Array:
        """Each region's signal as its inputs and the other regions' measured signals make it, shape (scan, region).

        y_i = (sum over j /= i of A_ij y_j + C_i (h * u)) / (d - A_ii), d the rate of change in the frequency domain; without B.
        """
        recording = recording.select(self.regions)
        A, _, C = self._matrices(theta)
        y, dt, n = recording.series.values, recording.series.dt, len(recording.series.values)
        if not self.inputs:
            driven = np.zeros((n, 0))
        elif self.tapas:
            ratio = tapas.bins_per_scan(self, recording)
            driven = tapas.regressors(self, recording, spectral.tapas_response(ratio * n, dt / ratio), ratio)[:, : len(self.inputs)]
        else:
            driven = self._driven(recording)
        rate = spectral.forward_difference(n, dt) if self.tapas else 2j * np.pi * np.fft.rfftfreq(n, dt)
        own = np.diag(A)
        pull = np.fft.rfft((y - y.mean(axis=0)) @ (A - np.diag(own)).T + driven @ C.T, axis=0)
        return np.fft.irfft(pull / (rate[:, None] - np.minimum(own, -0.05)), n, axis=0)
