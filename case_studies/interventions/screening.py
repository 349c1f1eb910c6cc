"""Which connections a system may have, region by region: each is explained by the measured activity of the others.

A region's equation needs no model of the others while their activity is measured: it is a DCM of one region, driven by the inputs, by the
others' activity (smoothed by a spline whose stiffness is chosen by cross-validation), by its square and cube, so that a synapse that saturates
is not taken for an input that modulates, and by its product with each input. `lc.prune` then takes out what the region does not need. The
fluctuations that no input makes, which ruin a course predicted from the start, are what tells most here.

Lives here: that, and the union over regions. Does not live here: the networks that are then fitted as a whole (`networks`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_smoothing_spline
from scipy.signal import lfilter
from systems import BIN, Training

import ltc_causal as lc

Array = NDArray[np.float64]
INHIBITION = 0.8  # s, of the trace of a region's own past that stands for its unmeasured inhibitory population
OWN = "own past"


@dataclass(frozen=True, eq=False)
class Structure:
    """Masks of A (target, source), B (input, target, source), C (region, input), and {connection: estimate in the prior's units}."""

    A: NDArray[np.bool_]
    B: NDArray[np.bool_]
    C: NDArray[np.bool_]
    start: dict[str, float]

    def same(self, other: "Structure") -> bool:
        """Whether the masks agree."""
        return all(np.array_equal(getattr(self, M), getattr(other, M)) for M in "ABC")


def screen(training: Training, price: float) -> Structure:
    """The connections that each region's own search keeps.

    price : nats that a connection must be worth; well above the usual odds, since what is left over is not white
    """
    n, m = len(training.regions), len(training.inputs)
    found = Structure(np.eye(n, dtype=bool), np.zeros((m, n, n), bool), np.zeros((n, m), bool), {})
    smooth = [_smoothed(x) for x in (training.x, training.resting) if x is not None]
    for i in range(n):
        fit = _pruned(training, smooth, i, price)
        _enter(found, training, i, fit)
    return found


def _smoothed(x: Array) -> Array:
    times = np.arange(len(x)) * BIN
    return np.stack([make_smoothing_spline(times, column)(times) for column in x.T], axis=1)


def _columns(training: Training, u: Array, x: Array, i: int) -> dict[str, Array]:
    """What may drive region i: inputs, and of each other region activity, square, cube and products with the inputs; u and x as in one run."""
    middle = (x + np.vstack([x[1:], x[-1:]])) / 2  # activity is given as a bin begins
    columns = {name: u[:, k] for k, name in enumerate(training.inputs)}
    for j, source in enumerate(training.regions):
        if j == i:
            continue
        size = 2 * training.x[:, j].std()
        for power in (1, 2, 3):
            columns[f"{source} {power}"] = size * (middle[:, j] / size) ** power
        for k, name in enumerate(training.inputs):
            columns[f"{source} {name}"] = u[:, k] * middle[:, j]
    if training.family == "wc":
        decay = np.exp(-BIN / INHIBITION)
        columns[OWN] = np.asarray(lfilter([1 - decay], [1, -decay], middle[:, i]))
    return columns


def _pruned(training: Training, smooth: list[Array], i: int, price: float) -> lc.Fit:
    """Region i's equation without what it does not need."""
    region, runs = training.regions[i], []
    for x, seen, u in zip((training.x, training.resting), smooth, (training.u, 0 * training.u), strict=False):
        columns = _columns(training, u, seen, i)
        inputs = lc.Inputs(np.stack(list(columns.values()), axis=1), BIN, tuple(columns))
        runs.append(lc.Recording(lc.TimeSeries(x[:, [i]], BIN, (region,)), inputs, delays=np.zeros(1)))
    names, sd = list(columns), training.x[:, i].std()
    widths = {f"C[{name}->{region}]": (0.0, 16 * (sd if name in training.inputs else 0.5)) for name in names}
    model = lc.DCM(
        [region], names, (), {u: [(region, region)] for u in training.inputs}, [(name, region) for name in names],
        observation="activity", prior={**widths, f"A[{region}->{region}]": (0.5, 0.7)},
    )  # fmt: skip
    method = lc.VariationalLaplace(path="fixed_point", max_iterations=50)
    keep = [(OWN, region)] if OWN in names else []
    return lc.prune(lc.fit(model, runs, method), keep, "BC", tolerance=price, max_inversions=100).fit


def _enter(found: Structure, training: Training, i: int, fit: lc.Fit) -> None:
    """Write what region i's equation kept into the masks."""
    region, C = training.regions[i], fit.coupling.C[0]
    for k, name in enumerate(training.inputs):
        found.B[k, i, i] = fit.model.modulatory[fit.model.inputs.index(name), 0, 0]
    for name, value, kept in zip(fit.model.inputs, C, fit.model.driving[0], strict=True):
        if not kept or name == OWN:
            continue
        if name in training.inputs:
            found.C[i, training.inputs.index(name)] = True
            found.start[f"C[{name}->{region}]"] = 16 * float(value)
            continue
        source, what = name.rsplit(" ", 1)
        j = training.regions.index(source)
        found.A[i, j] = True
        if what == "1":
            found.start[f"A[{source}->{region}]"] = float(value)
        elif what in training.inputs:
            found.B[training.inputs.index(what), i, j] = True
            found.start[f"B[{what}: {source}->{region}]"] = float(value)
