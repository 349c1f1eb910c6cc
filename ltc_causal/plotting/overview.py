"""A study at one glance: fit, graph and one intervention in three panels.

Lives here: that figure. Does not live here: the panels' own plots.
"""

import networkx as nx
import numpy as np
from matplotlib.figure import Figure

from ltc_causal.causal.difference import difference
from ltc_causal.core.prediction import Prediction
from ltc_causal.core.result import Fit
from ltc_causal.plotting.graphs import plot_graph
from ltc_causal.plotting.interventions import plot_course
from ltc_causal.plotting.signals import plot_fit
from ltc_causal.plotting.style import new_figure, styled


@styled
def plot_overview(fit: Fit, graph: nx.DiGraph, usual: Prediction, intervened: Prediction, session: int = 0) -> Figure:
    """Left: observed against predicted signal. Right: the causal graph, and the region that the intervention changes most.

    session : of the signal shown, if the fit has several; the predictions should be of the same one

    Raises `InputError` if the predictions do not pair.
    """
    figure = new_figure(12.0, 4.9)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[1, 1.1], wspace=0.05)[0]
    top, bottom = right.subfigures(2, 1, squeeze=False, height_ratios=[1.4, 1])[:, 0]
    plot_fit(fit, left, session=session)
    plot_graph(graph, top.subplots())
    change = difference(usual, intervened)
    region = usual.regions[int(np.argmax(np.abs(change.mean).mean(axis=0)))]
    ax = bottom.subplots()
    plot_course(usual, intervened, region, ax, fit.session(session).recording.series.unit)
    ax.set_xlabel("time (s)")
    bottom.legend(*ax.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    for part, words in ((left, "a  observed and predicted"), (top, "b  causal graph"), (bottom, "c  an intervention")):
        part.suptitle(words, x=0.01, ha="left", size=10, weight="bold")
    return figure
