"""Regression DCM: a linear DCM whose inversion is one Bayesian regression a region, in the frequency domain; for tens to hundreds of regions.

With one linear haemodynamic response for all regions, dx/dt = A x + C u holds for the signal as well: dy/dt = A y + C (h * u). Frässle et al.
2017 (NeuroImage 155:406), 2018 (179:505, sparse), 2021 (225:117491, rest).

Variants, and how they differ: `docs/regression-dcm.md`. Bilinear terms, in the TAPAS variants only, follow TAPAS: the product of the
deconvolved signal with the convolved input, convolved again.

Lives here: the model and the regressions it poses. Does not live here: the spectral arithmetic (`numerics.spectral_regression`), inversion
(`inference.regression`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.blocks import Blocks
from ltc_causal.core.coupling import Coupling, connection_mask, connection_masks, edge_name
from ltc_causal.core.data import Inputs, Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.regression import RegressionProblem, SmoothedProblem
from ltc_causal.errors import InputError, known_name, one_of, read_only, unique_names
from ltc_causal.models.linear_system import LinearSystem, response
from ltc_causal.models.specification import plain
from ltc_causal.numerics import spectral_regression as spectral
from ltc_causal.numerics.schedule import sample_bins

Array = NDArray[np.float64]

VARIANTS = ("corrected", "tapas15", "tapas14")
BINS_AT_REST = 16  # bins a scan of TAPAS's grid, where no inputs state one
DRIVING_SCALE = 16.0  # TAPAS gives C in sixteenths of Hz, as SPM does
SELF_CONNECTION = -0.5  # Hz, prior mean
SELF_SD = 0.15  # Hz, of the corrected variant
CONFOUND_PRECISION = 1e-8
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
        noise in the regressors, with honest intervals (needs inputs)
    sparse : whether each connection has an indicator, the probability that it is there; TAPAS variants only
    sparsity : prior probability of a connection (`sparse` only), or several to choose from by the free energy; by default 0.05, 0.1, ... 0.95
    informed : whether a sparse TAPAS model's prior knows `intrinsic`; otherwise it considers all connections, as TAPAS does
    restrict_inputs : whether a sparse TAPAS model's inputs drive what `driving` says and nothing else
    filter_strength : of the TAPAS variants' noise filter, in sd; 0 for none
    simulated : TAPAS's type "s": C in Hz, its inputs divided by the bins of a scan, and no constant

    Parameters are A, B (Hz) and C, each column by column. C is in Hz in the corrected variant and with `simulated`; else in sixteenths of Hz
    as TAPAS gives it, while its covariance is of C in Hz (a fault of TAPAS that is kept). `coupling` gives Hz in every variant.

    A design of D columns (regions, inputs, confounds) and T scans takes 8 T (D + N) bytes, its Gram matrix and eigenvectors 24 D^2 for each
    thread; the posterior covariance, of N D^2 numbers, is never stored but made region by region when asked for.
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
        if self.variant == "corrected" and self.sparse:
            raise InputError(
                "RegressionDCM sparse is there only as TAPAS has it, since its indicators are not to be relied on where signals are alike: choose "
                "variant='tapas15', or prune a corrected fit by the probabilities of its connections."
            )
        if self.variant == "corrected" and not self.inputs:
            raise InputError(
                "At rest the regression is biased, and no variant of it has honest intervals: choose variant='tapas15' knowing that."
            )

    # --- in words -------------------------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """One line: kind, regions, inputs, number of parameters."""
        n = len(self.regions)
        names = ", ".join(self.regions) if n <= 8 else f"{n} regions ({', '.join(self.regions[:3])}, ...)"
        given = f"inputs {', '.join(self.inputs)}" if self.inputs else "no inputs (rest)"
        kind = "Sparse regression DCM" if self.sparse else "Regression DCM"
        return f"{kind} ({self.variant}) of {names} with {given}; {len(self.edge_names)} parameters, one regression a region."

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

    # --- parameters -----------------------------------------------------------------------------------------------------------------

    @property
    def tapas(self) -> bool:
        """Whether this is one of TAPAS's variants."""
        return self.variant != "corrected"

    @property
    def driving_scale(self) -> float:
        """Parameters of C per Hz."""
        return DRIVING_SCALE if self.tapas and not self.simulated else 1.0

    @cached_property
    def _masks(self) -> dict[str, NDArray[np.bool_]]:
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
        masks = self._masks
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
        names = [f"A[{regions[j]}->{regions[i]}]" for j, i in np.argwhere(self._masks["A"].T)]
        names += [
            edge_name("B", regions[int(j)], regions[int(i)], inputs[int(k)]) for k, j, i in np.argwhere(self._masks["B"].transpose(0, 2, 1))
        ]
        return tuple(names + [f"C[{inputs[k]}->{regions[i]}]" for k, i in np.argwhere(self._masks["C"].T)])

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
        mean = np.where((kind == 0) & (target == column), SELF_CONNECTION, 0.0)
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
        A.T[self._masks["A"].T] = values[kind == 0]
        B.transpose(0, 2, 1)[self._masks["B"].transpose(0, 2, 1)] = values[kind == 1]
        C.T[self._masks["C"].T] = values[kind == 2]
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

    def regression(self, recording: Recording) -> RegressionProblem | SmoothedProblem:
        """The regressions that a recording poses.

        Raises `InputError` if a TAPAS variant's input grid does not divide a scan.
        """
        recording = recording.select(self.regions)
        return self._tapas_problem(recording) if self.tapas else self._smoothed_problem(recording)

    def _smoothed_problem(self, recording: Recording) -> SmoothedProblem:
        return SmoothedProblem(
            recording.series.values, self._driven(recording), recording.confounds, recording.series.dt, self.intrinsic, self.driving,
            SELF_CONNECTION, SELF_SD,
        )  # fmt: skip

    def _driven(self, recording: Recording) -> Array:
        """The inputs seen through the haemodynamics when the regions are read (at the mean of their delays), shape (scan, input)."""
        inputs = self.prepared_inputs(recording.inputs)
        n_bin, n_scan = len(inputs.values), len(recording.series.values)
        h = response(n_bin + 1, inputs.dt, recording.echo_time)
        whole = np.fft.irfft(np.fft.rfft(inputs.values, 2 * n_bin + 2, axis=0) * np.fft.rfft(h, 2 * n_bin + 2)[:, None], axis=0)
        return whole[sample_bins(n_bin, n_scan, [float(np.mean(recording.delays))], inputs.dt)[:, 0]]

    def _tapas_problem(self, recording: Recording) -> RegressionProblem:
        y, dt = recording.series.values, recording.series.dt
        n_scan, n = y.shape
        ratio = self._bins_per_scan(recording)
        h = spectral.tapas_response(ratio * n_scan, dt / ratio)
        drivers = self._regressors(recording, h, ratio)
        U = np.fft.rfft(drivers, axis=0)
        Y = np.fft.rfft(y, axis=0)
        keep, last = spectral.kept_frequencies(Y, h[::ratio], U if self.inputs else None, self.filter_strength, n_scan)
        Y *= keep
        target = spectral.forward_difference(n_scan, dt)[:, None] * Y
        products = self._products(Y, h[::ratio], drivers, n_scan)
        m = len(self.inputs)
        rows = spectral.real_rows(np.concatenate([Y, *products[:m], U, *products[m:]], axis=1), target, last, n_scan)
        mean, precision = self._column_prior(drivers.shape[1], bool(products))
        inclusion = tuple(self._inclusion(p, drivers.shape[1]) for p in self.sparsity) if self.sparse else ()
        count = spectral.counted(rows)
        return RegressionProblem(
            rows.design,
            rows.target,
            rows.ends,
            count,
            mean,
            precision,
            inclusion,
            ratio=float(ratio) if self.variant == "tapas14" else None,
        )

    def _bins_per_scan(self, recording: Recording) -> int:
        if not self.inputs:
            return BINS_AT_REST
        ratio = recording.series.dt / recording.inputs.dt
        if abs(ratio - round(ratio)) > 1e-6 or len(recording.inputs.values) != round(ratio) * len(recording.series.values):
            raise InputError(
                f"RegressionDCM(variant={self.variant!r}) reads every so many bins of the inputs, but a scan of {recording.series.dt:g} s is "
                f"{ratio:g} bins of {recording.inputs.dt:g} s: give inputs on a grid that divides the scan."
            )
        return int(round(ratio))

    def _regressors(self, recording: Recording, h: Array, ratio: int) -> Array:
        """Convolved inputs and confounds at the scans, shape (scan, column); at rest without the constant, which TAPAS does not have there."""
        X0 = recording.confounds
        if not self.inputs:
            return X0[:, np.ptp(X0, axis=0) > 0]
        driven = spectral.circular_convolution(self.prepared_inputs(recording.inputs).values, h)[::ratio]
        if self.simulated:
            return np.concatenate([driven / ratio, X0[:, :-1]], axis=1)
        return np.concatenate([driven, X0], axis=1)

    def _products(self, Y: NDArray, h: Array, drivers: Array, n: int) -> list[NDArray]:
        """TAPAS's bilinear regressors, a block (frequency, region) for each input and confound."""
        if not self.modulatory.any():
            return []
        H = np.fft.rfft(h)[:, None]
        x = np.fft.irfft(Y / H, n, axis=0)
        return [H * np.fft.rfft(x * driver[:, None], axis=0) for driver in drivers.T]

    def _column_prior(self, n_driver: int, bilinear: bool) -> tuple[Array, Array]:
        """Prior mean and precision, shape (region, column)."""
        n, m = len(self.regions), len(self.inputs)
        own = np.eye(n, dtype=bool)
        A = np.where(own, 8.0 * n, n / 8)
        A = A if self.sparse else np.where(self.intrinsic, A, np.inf)
        # TAPAS lets the blocks of the confounds have the first input's connections.
        B = [np.where(self.modulatory[k if k < m else 0], 1.0, np.inf) for k in range(n_driver)] if bilinear else []
        C = np.ones((n, n_driver))
        if not self.sparse:
            C[:, :m][~self.driving] = np.inf
        if m and n_driver > m and not self.simulated:
            C[:, -1] = 1.0 if self.sparse else CONFOUND_PRECISION
        precision = np.concatenate([A, *B[:m], C, *B[m:]], axis=1)
        mean = np.zeros(precision.shape)
        mean[:, :n][own] = SELF_CONNECTION
        return mean, precision

    def _inclusion(self, p: float, n_driver: int) -> Array:
        """Prior probability of each column of a sparse TAPAS model, shape (region, column)."""
        n, m = len(self.regions), len(self.inputs)
        A = p * self.intrinsic if self.informed else np.full((n, n), p)
        np.fill_diagonal(A, 1.0)
        C = np.full((n, n_driver), p)
        if self.restrict_inputs:
            C[:, :m] = self.driving
        if m and n_driver > m and not self.simulated:
            C[:, -1] = 1.0
        return np.concatenate([A, C], axis=1)

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
            ratio = self._bins_per_scan(recording)
            driven = self._regressors(recording, spectral.tapas_response(ratio * n, dt / ratio), ratio)[:, : len(self.inputs)]
        else:
            driven = self._driven(recording)
        rate = spectral.forward_difference(n, dt) if self.tapas else 2j * np.pi * np.fft.rfftfreq(n, dt)
        own = np.diag(A)
        pull = np.fft.rfft((y - y.mean(axis=0)) @ (A - np.diag(own)).T + driven @ C.T, axis=0)
        return np.fft.irfft(pull / (rate[:, None] - np.minimum(own, -0.05)), n, axis=0)
