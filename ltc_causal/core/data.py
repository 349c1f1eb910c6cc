"""What was measured: region time series, experimental inputs, and one run of one subject.

Lives here: the three containers and their checks. Does not live here: file formats (`io`), data sets (`datasets`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ltc_causal.core import html
from ltc_causal.errors import InputError, finite_array, known_name, positive, read_only, unique_names

FEWEST_SCANS = 10


@dataclass(frozen=True, eq=False)
class TimeSeries:
    """One value per time and region.

    values : shape (time, region); regularly sampled
    dt : seconds between samples (the repetition time of fMRI)
    regions : names, one a column
    unit : of the values, for axes and tables
    """

    values: NDArray[np.float64]
    dt: float
    regions: tuple[str, ...]
    unit: str = "a.u."

    def __post_init__(self):
        values = finite_array("TimeSeries.values", self.values, 2, "(time, region)")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "dt", positive("TimeSeries.dt", self.dt, "seconds"))
        object.__setattr__(self, "regions", unique_names("TimeSeries.regions", self.regions, values.shape[1]))

    def __repr__(self) -> str:
        return f"TimeSeries({len(self.values)} samples every {self.dt:g} s of {', '.join(self.regions)} in {self.unit})"

    @property
    def times(self) -> NDArray:
        """Onset of each sample in seconds, shape (time,)."""
        return np.arange(len(self.values)) * self.dt

    @property
    def duration(self) -> float:
        """Seconds from the first sample's onset to the last one's end."""
        return len(self.values) * self.dt


@dataclass(frozen=True, eq=False)
class Inputs:
    """Experimental inputs (stimulation, task, context) on a grid of their own, finer than the scans.

    values : shape (bin, input); constant within a bin
    dt : seconds a bin
    names : one a column
    """

    values: NDArray[np.float64]
    dt: float
    names: tuple[str, ...]

    def __post_init__(self):
        values = finite_array("Inputs.values", self.values, 2, "(bin, input)")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "dt", positive("Inputs.dt", self.dt, "seconds"))
        object.__setattr__(self, "names", unique_names("Inputs.names", self.names, values.shape[1]))

    def __repr__(self) -> str:
        return f"Inputs({len(self.values)} bins of {self.dt:g} s of {', '.join(self.names) or 'no input'})"

    @classmethod
    def from_events(cls, events: Mapping[str, Sequence[tuple[float, float]]], duration: float, dt: float) -> "Inputs":
        """Boxes of height 1 from {name: [(onset, length), ...]}, all in seconds, on a grid of `dt` over `duration`.

        Raises `InputError` for an event that lies outside [0, duration] or is shorter than half a bin.
        """
        n_bin = int(round(positive("duration", duration, "seconds") / positive("dt", dt, "seconds")))
        values = np.zeros((n_bin, len(events)))
        for column, (name, boxes) in enumerate(events.items()):
            if any(np.size(box) != 2 for box in boxes):
                raise InputError(f"The events of input {name!r} must be (onset, length) pairs in seconds, got {boxes!r}.")
            for onset, length in boxes:
                first, last = int(round(onset / dt)), int(round((onset + length) / dt))
                if onset < 0 or last > n_bin or first == last:
                    raise InputError(
                        f"The event of input {name!r} at {onset} s, {length} s long, does not fill a bin of {dt} s within the "
                        f"run of {duration} s: correct its onset and length, or choose a finer dt."
                    )
                values[first:last, column] = 1.0
        return cls(values, dt, tuple(events))

    @property
    def times(self) -> NDArray:
        """Onset of each bin in seconds, shape (bin,)."""
        return np.arange(len(self.values)) * self.dt

    @property
    def duration(self) -> float:
        """Seconds from the first bin's onset to the last one's end."""
        return len(self.values) * self.dt

    def column(self, name: str) -> NDArray[np.float64]:
        """The course of one input, shape (bin,)."""
        return self.values[:, known_name("input", name, self.names, "Inputs")]

    def with_column(self, name: str, values: ArrayLike) -> "Inputs":
        """A copy in which one input follows `values` (a number, or shape (bin,))."""
        changed = self.values.copy()
        column = known_name("input", name, self.names, "Inputs")
        try:
            changed[:, column] = values
        except ValueError:
            raise InputError(
                f"Input {name!r} needs one number or {len(changed)} values, one a bin, got shape {np.shape(values)}."
            ) from None
        return replace(self, values=changed)

    def select(self, names: Sequence[str]) -> "Inputs":
        """The named inputs, in that order."""
        if tuple(names) == self.names:
            return self
        columns = [known_name("input", name, self.names, "Inputs") for name in names]
        return Inputs(self.values[:, columns], self.dt, tuple(names))


@dataclass(frozen=True, eq=False)
class Recording:
    """One run of one subject: what was measured, and what was done meanwhile (several runs are a list of these).

    series : the regions' signal
    inputs : cover the same time as the series
    confounds : shape (time, confound), nuisance regressors with free weights; None stands for a constant
    echo_time : seconds, TE of the acquisition
    delays : shape (region,), seconds from a scan's onset to the moment at which the region is sampled; None stands for half a scan
    """

    series: TimeSeries
    inputs: Inputs
    confounds: Any = None  # an array from birth on
    echo_time: float = 0.04
    delays: Any = None  # an array from birth on

    def __post_init__(self):
        series, inputs = self.series, self.inputs
        n_scan, n_region = series.values.shape
        if n_scan < FEWEST_SCANS:
            raise InputError(f"The recording has {n_scan} scans, but at least {FEWEST_SCANS} are needed: join runs or record for longer.")
        constant = np.ptp(series.values, axis=0) == 0
        if constant.any():
            names = [name for name, flat in zip(series.regions, constant, strict=True) if flat]
            raise InputError(
                f"The series of region(s) {names} never changes, so there is nothing to explain: leave them out or check their extraction."
            )
        if abs(inputs.duration - series.duration) > 0.5 * inputs.dt or inputs.dt > series.dt:
            raise InputError(
                f"The inputs cover {inputs.duration:g} s ({len(inputs.values)} bins of {inputs.dt:g} s) but the scans cover {series.duration:g} s "
                f"({n_scan} of {series.dt:g} s): give both the same span, with a bin no longer than a scan."
            )
        confounds = np.ones((n_scan, 1)) if self.confounds is None else self.confounds
        confounds = finite_array("Recording.confounds", confounds, 2, "(time, confound)")
        if len(confounds) != n_scan:
            raise InputError(f"Recording.confounds must have one row a scan ({n_scan}), got {len(confounds)} rows.")
        if confounds.shape[1] >= n_scan:
            raise InputError(
                f"Recording.confounds has {confounds.shape[1]} columns for {n_scan} scans and would explain any signal: give fewer."
            )
        object.__setattr__(self, "confounds", confounds)
        object.__setattr__(self, "echo_time", positive("Recording.echo_time", self.echo_time, "seconds"))
        if self.echo_time > 0.1:
            raise InputError(
                f"Recording.echo_time is {self.echo_time:g} s, but echo times lie below 0.1 s: give seconds, not milliseconds."
            )
        object.__setattr__(self, "delays", self._checked_delays(n_region))

    def __repr__(self) -> str:
        return f"Recording({self.series!r}, {self.inputs!r}, {self.confounds.shape[1]} confounds)"

    def _repr_html_(self) -> str:
        series, inputs = self.series, self.inputs
        facts = {
            "regions": html.listed(series.regions), "unit": series.unit,
            "scans": f"{len(series.values)}, one every {series.dt:g} s, {series.duration:g} s in all",
            "sampled": f"{self.delays.min():.3g} to {self.delays.max():.3g} s after a scan begins", "echo time": f"{self.echo_time:g} s",
            "inputs": f"{html.listed(inputs.names)}; {len(inputs.values)} bins of {inputs.dt:.4g} s", "confounds": self.confounds.shape[1],
        }  # fmt: skip
        return html.card("Recording", facts.items())

    def _checked_delays(self, n_region: int) -> NDArray[np.float64]:
        if self.delays is None:
            return read_only(np.full(n_region, self.series.dt / 2))
        delays = finite_array(
            "Recording.delays", np.broadcast_to(self.delays, (n_region,)) if np.ndim(self.delays) == 0 else self.delays, 1, "(region,)"
        )
        if len(delays) != n_region or delays.min() < 0 or delays.max() > self.series.dt:
            raise InputError(
                f"Recording.delays must hold {n_region} values, one a region, between 0 and the scan time of {self.series.dt:g} s, got {delays.tolist()}."
            )
        return delays

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions."""
        return self.series.regions

    def select(self, regions: Sequence[str]) -> "Recording":
        """The same run with the named regions only, in that order; raises `InputError` for an unknown one."""
        if tuple(regions) == self.regions:
            return self
        columns = [known_name("region", region, self.regions, "the recording") for region in regions]
        series = replace(self.series, values=self.series.values[:, columns], regions=tuple(regions))
        return replace(self, series=series, delays=self.delays[columns])
