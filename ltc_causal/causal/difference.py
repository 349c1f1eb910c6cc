"""What differs: two predictions of one fit, draw by draw, or two causal graphs.

Lives here: the verb `differences`. Does not live here: how graphs are compared (`graph_difference`), and predictions (`core.prediction`).
"""

from typing import overload

import networkx as nx

from ltc_causal.causal.graph_difference import GraphDifference, graph_difference
from ltc_causal.core.prediction import Difference, Prediction, difference
from ltc_causal.errors import InputError


@overload
def differences(first: nx.DiGraph, second: nx.DiGraph, *, score: str = "weight") -> GraphDifference: ...
@overload
def differences(first: Prediction, second: Prediction) -> Difference: ...
def differences(first, second, *, score: str = "weight"):
    """What differs between two causal graphs (structure, ranking, signs), or between a usual and an intervened prediction of one fit.

    score : of graphs, what ranks the first one's edges against the second's: "weight" or "probability" (see `GraphDifference`)

    Raises `InputError` unless both are graphs over the same regions, or both predictions drawn alike.
    """
    if isinstance(first, nx.DiGraph) and isinstance(second, nx.DiGraph):
        return graph_difference(first, second, score)
    if isinstance(first, Prediction) and isinstance(second, Prediction):
        return difference(first, second)
    raise InputError(f"differences compares two graphs or two predictions, got {type(first).__name__} and {type(second).__name__}.")
