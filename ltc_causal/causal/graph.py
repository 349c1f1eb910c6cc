"""The causal graph: regions and inputs as nodes, couplings as edges, in a plain networkx.DiGraph.

Lives here: the graph, its attributes, and its edges as a table. Does not live here: what is asked of it (`query`, `paths`, `separation`,
`effects`), its time slices (`unrolled`), its file format (`io.graphs`), its picture (`plotting`).
"""

from collections.abc import Callable, Mapping

import networkx as nx
import numpy as np
import pandas as pd
from scipy.special import ndtr

from ltc_causal.causal.source import Array, Entry, Source, constant_of, entries, read_source
from ltc_causal.core.coupling import Coupling, named_vector
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.reduction import Reduction
from ltc_causal.core.result import Fit
from ltc_causal.core.trained import TrainedNetwork
from ltc_causal.errors import InputError

ENSEMBLE_DRAWS = 200  # from a trained network's ensemble, for the spread of its edges

Parts = Mapping[Entry, float]
Spread = Callable[[float, Parts], dict[str, float]]


def causal_graph(
    source: Source,
    *,
    inputs: Mapping[str, float] | None = None,
    state: Mapping[str, float] | None = None,
    probability: float | None = None,
    minimum: float | None = None,
) -> nx.DiGraph:
    """The directed graph of a fit, a trained network, a reduction or a coupling; one edge an ordered pair source -> target, cycles included.

    inputs : {name: value}, the inputs under which the coupling is shown (those not named are 0); of a reduction taken elsewhere than at
        rest, deviations from its operating point
    state : {region: activity} at which gating is shown, likewise; regions not named are at rest. This carries the expansion about rest
        there; for a fit's own expansion at a state, take the graph of `reduce_to_dcm(fit, Taylor(state=...))`
    probability : keep only edges whose sign is at least that probable
    minimum : keep only edges of at least that strength, in Hz

    Node attributes: `kind` "region" or "input"; of a region `self_coupling` in Hz under inputs and state (there are no self-loops), with
    `self_sd` where there is a posterior, `self_modulated_by` {input: Hz per unit}, `self_gated_by` {region: Hz per unit}, and `constant`,
    activity per second, where a reduction's flow is not at rest without inputs. All inputs are nodes, those too that only modulate.

    Edge attributes: `kind` "intrinsic" (region to region) or "driving" (input to region); `weight` in Hz, A + sum_k u_k B[k] +
    sum_l x_l D[l], or C; `sign` 1, -1 or 0; `unit`; `modulated_by` {input: Hz per unit of it}; `gated_by` {region: Hz per unit of its
    activity}; and where there is a posterior `sd` and `probability`, that of lying on the side of zero on which the weight lies, from the
    entries' joint distribution (of a trained network, from its ensemble). Of a fit with indicators `weight` and `sd` are the connection's if it is
    there, and `probability` is that of its being there with that sign.

    Graph attributes: `inputs` and `state`, as given; `caution`, a sentence, where the fit did not converge or the reduction's certificate
    refuses it.
    """
    coupling, posterior = read_source(source)
    certain = posterior is None and not isinstance(source, TrainedNetwork)
    if certain and probability is not None:
        raise InputError("A bare coupling has no uncertainty, so its graph cannot be cut by probability: use minimum, or give the fit.")
    if probability is not None and not 0 <= probability <= 1:
        raise InputError(f"causal_graph(probability) must lie between 0 and 1, got {probability!r}.")
    u, x = coupling.input_vector(inputs), named_vector("region", state, coupling.regions)
    known = entries(coupling, posterior)
    spread = _spread(source, posterior, known)
    graph = nx.DiGraph()
    graph.graph |= {"inputs": _floats(inputs), "state": _floats(state), **_caution(source)}
    parts = _parts(known, u, x)
    _add_nodes(graph, coupling, parts, spread, constant_of(source, len(coupling.regions)))
    for (matrix, (i, j)), summands in parts.items():
        edge = _edge(coupling, matrix, summands, spread)
        kept = (probability is None or edge["probability"] >= probability) and (minimum is None or abs(edge["weight"]) >= minimum)
        if kept and (matrix == "C" or i != j):
            graph.add_edge((coupling.inputs if matrix == "C" else coupling.regions)[j], coupling.regions[i], **edge)
    return graph


def edge_frame(graph: nx.DiGraph) -> pd.DataFrame:
    """The edges as a table, one row an edge: source, target and the edge's attributes.

    What modulates or gates an edge stands in columns of its own, `modulated_by_<input>` and `gated_by_<region>`, in Hz per unit; missing
    where it does not act.
    """
    rows = []
    for source, target, edge in graph.edges(data=True):
        row: dict[str, object] = {"source": source, "target": target}
        row |= {name: value for name, value in edge.items() if not isinstance(value, dict)}
        for kind in ("modulated_by", "gated_by"):
            row |= {f"{kind}_{name}": value for name, value in edge.get(kind, {}).items()}
        rows.append(row)
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["source", "target", "weight"])


def _floats(values: Mapping[str, float] | None) -> dict[str, float]:
    return {name: float(value) for name, value in (values or {}).items()}


def _caution(source: Source) -> dict[str, str]:
    if isinstance(source, Reduction):
        refused = source.certificate is not None and source.certificate.refused
        return {"caution": source.certificate.verdict} if refused else {}
    if isinstance(source, Fit | TrainedNetwork) and not source.status.ok:
        return {"caution": str(source.status)}
    return {}


def _parts(known: dict[Entry, str], u: Array, x: Array) -> dict[Entry, dict[Entry, float]]:
    """For each edge, named by its entry of A or C, the entries that add up to its weight, with their factors."""
    parts: dict[Entry, dict[Entry, float]] = {}
    for matrix, index in known:
        if matrix == "C":
            parts["C", index] = {("C", index): 1.0}
        else:
            factor = {"A": 1.0, "B": u[index[0]] if matrix == "B" else 0.0, "D": x[index[0]] if matrix == "D" else 0.0}[matrix]
            parts.setdefault(("A", index[-2:]), {})[matrix, index] = float(factor)
    return parts


def _add_nodes(graph: nx.DiGraph, coupling: Coupling, parts: Mapping[Entry, Parts], spread: Spread, constant: Array) -> None:
    for i, region in enumerate(coupling.regions):
        own = _edge(coupling, "A", parts.get(("A", (i, i)), {}), spread)
        node = {"self_coupling": own["weight"], "self_modulated_by": own["modulated_by"], "self_gated_by": own["gated_by"]}
        if "sd" in own:
            node["self_sd"] = own["sd"]
        if constant.any():
            node["constant"] = float(constant[i])
        graph.add_node(region, kind="region", **node)
    for name in coupling.inputs:
        graph.add_node(name, kind="input")


def _edge(coupling: Coupling, matrix: str, parts: Parts, spread: Spread) -> dict:
    values = {part: float(getattr(coupling, part[0])[part[1]]) for part in parts}
    weight = float(sum(factor * values[part] for part, factor in parts.items()))
    edge = {"kind": "driving" if matrix == "C" else "intrinsic", "weight": weight, "sign": int(np.sign(weight)), "unit": "Hz"}
    edge["modulated_by"] = {coupling.inputs[entry[0]]: values[part, entry] for part, entry in parts if part == "B"}
    edge["gated_by"] = {coupling.regions[entry[0]]: values[part, entry] for part, entry in parts if part == "D"}
    return edge | spread(weight, parts)


def _spread(source: Source, posterior: Gaussian | None, known: dict[Entry, str]) -> Spread:
    """What is known of the uncertainty of an edge's weight: `sd` and `probability`, or nothing."""
    if posterior is not None:
        certain = source.inclusion if isinstance(source, Fit) else None
        return _gaussian_spread(posterior, known, np.ones(len(posterior.names)) if certain is None else certain)
    if isinstance(source, TrainedNetwork):
        return _ensemble_spread(source, known)
    return lambda weight, parts: {}


def _gaussian_spread(posterior: Gaussian, known: dict[Entry, str], inclusion: Array) -> Spread:
    """Standard deviation of a weighted sum of posterior entries, and the probability that it is there and has its mean's sign."""
    position = {name: i for i, name in enumerate(posterior.names)}
    variances = posterior.cov.diagonal()

    def spread(weight: float, parts: Parts) -> dict[str, float]:
        named = {position[known[part]]: factor for part, factor in parts.items() if known[part] in position}
        if len(named) == 1:  # as in all of a large network, where matrices would take their time
            variance = float(sum(factor**2 * variances[at] for at, factor in named.items()))
        else:
            factors, where = np.array(list(named.values())), list(named)
            variance = float(factors @ posterior.cov[np.ix_(where, where)] @ factors) if named else 0.0
        there = float(np.max(inclusion[list(named)])) if named else 1.0
        if variance <= 0:
            return {"sd": 0.0, "probability": there * float(weight != 0)}
        above = float(ndtr(weight / variance**0.5))
        return {"sd": variance**0.5, "probability": there * max(above, 1 - above)}

    return spread


def _ensemble_spread(trained: TrainedNetwork, known: dict[Entry, str]) -> Spread:
    """The same over the draws of a trained network's ensemble, about its best member."""
    draws = np.array([_entry_values(trained, theta, known) for theta in trained.posterior.sample(ENSEMBLE_DRAWS)])
    position = {entry: i for i, entry in enumerate(known)}

    def spread(weight: float, parts: Parts) -> dict[str, float]:
        drawn = sum((factor * draws[:, position[part]] for part, factor in parts.items()), np.zeros(len(draws)))
        return {"sd": float(drawn.std()), "probability": float(np.mean(np.sign(drawn) == np.sign(weight))) if weight else 0.0}

    return spread


def _entry_values(trained: TrainedNetwork, theta: Array, known: dict[Entry, str]) -> list[float]:
    coupling = trained.model.system(theta[None], trained.recording.echo_time).coupling()
    return [getattr(coupling, matrix)[index] for matrix, index in known]
