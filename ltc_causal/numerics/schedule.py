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
    last = int(bins.max())
    # Marks on the grid instead of sorting: this runs in every fit, and a small fit takes milliseconds.
    changed = np.zeros(len(inputs), dtype=bool)
    for column in inputs.T:
        changed[1:] |= column[1:] != column[:-1]
    changes = np.flatnonzero(changed)
    blocks = np.append(0, changes)
    values, value_of_block = _distinct_rows(inputs[blocks])
    value_of_bin = np.repeat(value_of_block, np.diff(np.append(blocks, len(inputs))))
    cuts = changes if also is None else np.concatenate([changes, also])
    is_end = np.zeros(last + 1, dtype=bool)
    is_end[cuts[cuts < last]] = True
    is_end[bins] = True
    ends = np.flatnonzero(is_end)
    starts = np.append(0, ends[:-1])
    real = ends > starts
    pairs, pair_of_step = np.unique(value_of_bin[starts[real]] * (last + 1) + (ends - starts)[real], return_inverse=True)
    step_pair = np.full(len(ends), -1)
    step_pair[real] = pair_of_step
    read_scan = np.full((len(ends), n_region), -1)
    read_scan[np.cumsum(is_end)[bins] - 1, np.arange(n_region)] = np.arange(n_scan)[:, None]
    return Steps(float(udt), values, pairs // (last + 1), pairs % (last + 1), step_pair, read_scan, n_scan)


def _distinct_rows(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The distinct rows in order of appearance, and which of them each row is."""
    seen: dict[bytes, int] = {}
    which = np.array([seen.setdefault(row.tobytes(), len(seen)) for row in rows + 0.0])  # adding zero makes -0 and 0 one value
    return rows[np.unique(which, return_index=True)[1]], which
