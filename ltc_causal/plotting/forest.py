"""A connection in every subject of a group, and in the group: one row a subject, a diamond for what they have in common.

Lives here: the forest plot. Does not live here: coupling of single fits (`plotting.coupling`), graphs (`plotting.graphs`).
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from scipy.special import ndtri

from ltc_causal.core.coupling import coupling_posterior
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.errors import InputError, known_name
from ltc_causal.group.peb import GroupFit
from ltc_causal.plotting.style import GREY, MARKERS, PALE, SERIES, axes, styled

DIAMOND = 0.35  # half its height, in rows
ROW, TALLEST = 0.17, 10.0  # inches, of a row and of all of them
NAMED = 60  # more subjects than this have no names: there is no room to read them


@styled
def plot_forest(group: GroupFit, connection: str, by: str | None = None, probability: float = 0.9, ax: Axes | None = None) -> Axes:
    """One connection in Hz: each subject's own posterior, the group's mean as a diamond, and the spread between subjects as a band.

    connection : its name, such as "A[V1->V5]"; of more than 60 subjects the names are left out
    by : a factor of the group's design; its levels stand apart, each with a diamond of its own
    probability : of every interval and of the band

    Raises `InputError` for an unknown connection or factor, or subjects without a model.
    """
    if by is not None and by not in group.design.levels:
        raise InputError(f"plot_forest(by) must be one of the design's factors {list(group.design.levels)}, got {by!r}.")
    levels: Sequence = (None,) if by is None else group.design.levels[by]
    ax = axes(ax, height=min(ROW * (len(group.subjects) + 2.5 * len(levels)), TALLEST) + 0.7)
    half, y, few = float(ndtri((1 + probability) / 2)), 0, len(group.subjects) <= NAMED
    ticks: dict[float, str] = {}
    for number, level in enumerate(levels):
        colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
        at = {} if by is None else {by: level}
        names = [name for k, name in enumerate(group.subjects) if by is None or _has_level(group, k, at)]
        expected = group.coupling(at)
        e = known_name("connection", connection, expected.posterior.names, "the group's coupling")
        mean, sd, spread = expected.posterior.mean[e], expected.posterior.sd[e], expected.between_sd[e]
        ax.fill_betweenx([y - 0.6, y + len(names) + 0.6], mean - half * spread, mean + half * spread, color=PALE, linewidth=0, zorder=0)
        own = [_posterior(group, name).marginal([connection]) for name in names]
        means, sds, rows = [one.mean[0] for one in own], np.array([one.sd[0] for one in own]), range(y, y + len(names))
        ax.errorbar(means, rows, xerr=half * sds, fmt=marker, color=colour, markersize=3.5 if few else 1.5, elinewidth=1.1 if few else 0.4)
        ticks |= dict(zip(rows, names, strict=True)) if few else {}
        y += len(names)
        corners = [(mean - half * sd, y), (mean, y - DIAMOND), (mean + half * sd, y), (mean, y + DIAMOND)]
        ax.add_patch(Polygon(corners, closed=True, facecolor=colour, edgecolor=colour, zorder=3))
        ticks[y] = "group" if by is None else f"{by} {level}"
        y += 2
    ax.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    ax.set_yticks(list(ticks), list(ticks.values()))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylim(y - 1, -0.8)
    ax.set_xlabel(f"{connection} (Hz), {100 * probability:g} % intervals; band: {100 * probability:g} % of subjects")
    return ax


def _has_level(group: GroupFit, subject: int, at: dict) -> bool:
    """Whether a subject's row agrees with the level's in the factor's own columns."""
    factor = next(iter(at))
    own = [k for k, name in enumerate(group.design.names) if name.startswith(f"{factor}[")]
    return bool(np.allclose(group.design.matrix[subject][own], group.design.row(at)[own]))


def _posterior(group: GroupFit, name: str) -> Gaussian:
    """A subject's own coupling in Hz."""
    fit = group.subjects[name]
    return coupling_posterior(fit.model, fit.posterior)
