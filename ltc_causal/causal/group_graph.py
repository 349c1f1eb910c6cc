"""The causal graph of a group: what its members have in common, how far they differ, and how two groups do.

Lives here: the group's attributes on the edges of a usual graph. Does not live here: that graph (`graph`), how a group is fitted (`ltc_causal.group`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import networkx as nx

from ltc_causal.causal.graph import causal_graph
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.group import GroupCoupling, GroupDifference
from ltc_causal.core.reduction import Reduction
from ltc_causal.errors import InputError


def group_graph(
    source: GroupCoupling | GroupDifference,
    *,
    inputs: Mapping[str, float] | None = None,
    state: Mapping[str, float] | None = None,
    probability: float | None = None,
    minimum: float | None = None,
) -> nx.DiGraph:
    """The graph of the expected coupling, as `causal_graph` gives it for one subject; or of a difference, whose weights are differences in Hz.

    source : `peb(...).coupling(...)` or `peb(...).difference(...)`
    inputs, state, probability, minimum : as of `causal_graph`

    Besides that graph's attributes, edges of a coupling have `between_sd`, the standard deviation between subjects in Hz, and `same_sign`, the
    share of subjects whose coupling is expected to have the sign of the mean; regions have `self_between_sd`. `sd` and `probability` are those
    of the mean over subjects (or of the difference). Graph attributes: `subjects`, how many, and `at`, the covariates; or `first` and `second`.
    """
    if not isinstance(source, GroupCoupling | GroupDifference):
        raise InputError(
            f"group_graph needs a group's coupling or difference, got {type(source).__name__}: write group_graph(peb(...).coupling())."
        )
    # A group has no certificate: it is no approximation of another model.
    certificate: Any = None
    as_one = Reduction(source.coupling, source.posterior, certificate)
    graph = causal_graph(as_one, inputs=inputs, state=state, probability=probability, minimum=minimum)
    if isinstance(source, GroupDifference):
        graph.graph |= {"first": dict(source.first), "second": dict(source.second)}
        return graph
    subjects = Gaussian(source.posterior.names, source.posterior.mean, source.between)
    spread = causal_graph(replace(as_one, posterior=subjects), inputs=inputs, state=state)
    for tail, head, edge in graph.edges(data=True):
        edge["between_sd"], edge["same_sign"] = spread.edges[tail, head]["sd"], spread.edges[tail, head]["probability"]
    for region in source.coupling.regions:
        if "self_sd" in spread.nodes[region]:
            graph.nodes[region]["self_between_sd"] = spread.nodes[region]["self_sd"]
    graph.graph |= {"subjects": source.n_subject, "at": dict(source.at)}
    return graph
