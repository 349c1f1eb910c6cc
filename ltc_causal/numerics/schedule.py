"""When each region is read: the sampling convention that fitting and simulation share.

Lives here: the map from scans to bins of the input grid. Does not live here: what happens between two readings (integration).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


def sample_bins(n_bin: int, n_scan: int, delays: ArrayLike, udt: float) -> NDArray[np.int64]:
    """How many input bins have elapsed when each region is read in each scan.

    n_bin, n_scan : bins of the input grid and scans, covering the same time
    delays : shape (region,), seconds from a scan's onset to the reading of the region, at most one scan
    udt : seconds a bin

    Returns shape (scan, region), from 0 (the state at the start) to n_bin (the state after the last bin), non-decreasing in time.

    Region i's scan k is read at the bin ceil(k n_bin / n_scan) + max(round(delay_i / udt), 1), counted from 1, and bin b holds the state
    after b - 1 bins of input (the convention of SPM's bilinear integrator); halves round up.
    """
    scan_onset = -(-np.arange(n_scan) * n_bin // n_scan)  # an exact ceiling: floating point would put some scans a bin late
    delay_bins = np.floor(np.asarray(delays, dtype=float) / udt + 0.5).astype(np.int64)
    return scan_onset[:, None] + np.maximum(delay_bins, 1)[None, :] - 1


@dataclass(frozen=True, eq=False)
class Steps:
    """A run cut at every moment at which the input changes or a region is read.

    dt : seconds an input bin
    values : shape (value, input), the distinct input values
    pair_value, pair_bins : shape (pair,), the distinct (input value, length in bins) of the steps
    step_pair : shape (step,), each step's pair, -1 for a reading before the first step
    read_scan : shape (step, region), the scan that is read after the step, -1 for none
    n_scan : number of scans
    """

    dt: float
    values: NDArray[np.float64]
    pair_value: NDArray[np.int64]
    pair_bins: NDArray[np.int64]
    step_pair: NDArray[np.int64]
    read_scan: NDArray[np.int64]
    n_scan: int

    @property
    def arrays(self) -> tuple:
        """What the compiled integrators take, in their order."""
        return self.dt, self.pair_value, self.pair_bins, self.step_pair, self.read_scan, self.n_scan


def cut_into_steps(inputs: NDArray[np.float64], udt: float, bins: NDArray[np.int64], also: NDArray[np.int64] | None = None) -> Steps:
    """The steps of a run from its inputs (bin, input) and from `sample_bins`; `also` are further moments to cut at, in bins elapsed."""
    n_scan, n_region = bins.shape
    last = bins.max()
    changes = np.flatnonzero((inputs[1:] != inputs[:-1]).any(axis=1)) + 1
    blocks = np.concatenate([[0], changes])
    values, value_of_block = np.unique(inputs[blocks], axis=0, return_inverse=True)
    value_of_bin = np.repeat(value_of_block.ravel(), np.diff(np.append(blocks, len(inputs))))
    cuts = changes if also is None else np.concatenate([changes, also])
    ends = np.unique(np.concatenate([cuts[cuts < last], bins.ravel()]))
    starts = np.concatenate([[0], ends[:-1]])
    real = ends > starts
    pairs, pair_of_step = np.unique(np.stack([value_of_bin[starts[real]], (ends - starts)[real]], axis=1), axis=0, return_inverse=True)
    step_pair = np.full(len(ends), -1)
    step_pair[real] = pair_of_step.ravel()
    read_scan = np.full((len(ends), n_region), -1)
    for region in range(n_region):
        read_scan[np.searchsorted(ends, bins[:, region]), region] = np.arange(n_scan)
    return Steps(float(udt), values, pairs[:, 0].copy(), pairs[:, 1].copy(), step_pair, read_scan, n_scan)
