"""What a causal graph says of dependence: d-separation, sigma-separation where there are cycles, and d-separation in time slices.

Three criteria, for three kinds of data.

- "sigma" (Forre and Mooij 2017; Bongers, Forre, Peters and Mooij 2021): equilibria of any system with cycles, over subjects or trials that
  differ in what drives the regions. Weaker than d-separation: in a feedback loop all depend on all.
- "d": the same for linear systems with Gaussian disturbances (Spirtes 1995), and for graphs without cycles.
- "unrolled": courses in time; d-separation in the graph over (name, time) nodes.

The fluctuations of one region about its equilibrium, sampled in time, are none of the first two: their covariance solves a Lyapunov equation.

Inputs are set by the experimenter: those not asked about are held fixed. What modulates or gates a connection is a cause of its target.
Nodes of `kind` "latent", common causes that nobody measured, may be added to a graph.

Lives here: the criteria. Does not live here: adjustment (`adjustment`), independences listed and tested (`independence`).
"""

from collections.abc import Collection, Hashable, Iterable, Sequence
from numbers import Integral
from typing import Any, TypeAlias

import networkx as nx

from ltc_causal.causal.query import check_node, inputs_of, structure
from ltc_causal.causal.unrolled import unrolled_graph
from ltc_causal.errors import InputError, one_of

CRITERIA = ("sigma", "d", "unrolled")

Node: TypeAlias = str | tuple[str, int]
Nodes: TypeAlias = Node | Collection[Node]


def separated(graph: nx.DiGraph, x: Nodes, y: Nodes, given: Nodes = (), *, criterion: str = "sigma") -> bool:
    """Whether x and y are separated, and so independent, given some others.

    x, y, given : a name or several; for the criterion "unrolled" also (name, time) pairs, times being whole numbers of slices, and a name
        stands for the whole course
    criterion : "sigma", "d" or "unrolled" (see above)

    Raises `InputError` for an unknown name or criterion, an empty x or y, or sets that overlap.
    """
    one_of("separated(criterion)", criterion, CRITERIA)
    bare = structure(graph)
    asked = [_as_set(what, nodes) for what, nodes in (("x", x), ("y", y), ("given", given))]
    _check(bare, asked, criterion)
    if criterion == "unrolled":
        bare, asked = in_slices(bare, asked)
    elif criterion == "sigma":
        bare = without_cycles(bare)
    held = fixed_inputs(bare) - asked[0] - asked[1]
    return apart(bare, asked[0], asked[1], asked[2] | held)


def acyclified(graph: nx.DiGraph) -> nx.DiGraph:
    """A graph without cycles whose d-separations are the sigma-separations of this one (Bongers et al. 2021, definition A.13).

    In each group in feedback, edges within it are replaced by a common cause of `kind` "latent", and every cause from without becomes a cause
    of all its members.
    """
    return without_cycles(structure(graph))


def without_cycles(bare: nx.DiGraph) -> nx.DiGraph:
    """The same of a structure."""
    result = nx.DiGraph()
    result.add_nodes_from(bare.nodes(data=True))
    for part in nx.strongly_connected_components(bare):
        causes = {source for source, _ in bare.in_edges(part)} - part
        result.add_edges_from((cause, member) for cause in causes for member in part)
        if len(part) > 1:
            latent = f"feedback among {', '.join(str(node) for node in bare if node in part)}"
            result.add_node(latent, kind="latent")
            result.add_edges_from((latent, member) for member in part)
    return result


def name_of(node: Hashable) -> Any:
    """The name of a node, with or without a time."""
    return node[0] if isinstance(node, tuple) else node


def in_words(node: Hashable) -> str:
    """A node as it is written in a sentence."""
    return f"{node[0]} at {node[1]}" if isinstance(node, tuple) else str(node)


def fixed_inputs(graph: nx.DiGraph) -> set[Hashable]:
    """The inputs of a graph, in all their slices."""
    return set(inputs_of(graph))


def moral_graph(graph: nx.DiGraph, nodes: Iterable[Hashable]) -> nx.Graph:
    """The nodes and their ancestors, without directions, parents of a common child joined; holds for cyclic graphs, too (Koster 1996)."""
    kept = with_ancestors(graph, nodes)
    moral = nx.Graph(graph.subgraph(kept).edges)
    moral.add_nodes_from(kept)
    for node in kept:
        parents = [parent for parent in graph.predecessors(node) if parent != node]
        moral.add_edges_from((parent, other) for k, parent in enumerate(parents) for other in parents[:k])
    return moral


def with_ancestors(graph: nx.DiGraph, nodes: Iterable[Hashable]) -> frozenset:
    """The nodes and all that acts on them."""
    kept = set(nodes)
    waiting = list(kept)
    while waiting:
        above = set(graph.predecessors(waiting.pop())) - kept
        kept |= above
        waiting += above
    return frozenset(kept)


def apart(graph: nx.DiGraph, x: set, y: set, given: set) -> bool:
    """d-separation in a directed graph, by separation in the moral graph of the ancestors (Lauritzen et al. 1990)."""
    return cut_off(moral_graph(graph, x | y | given), x, y, given)


def cut_off(moral: nx.Graph, x: set, y: set, given: set) -> bool:
    """Whether no path of an undirected graph leads from x to y past `given`."""
    return not y & _flooded(moral, x, given)[0]


def smallest_cut(moral: nx.Graph, x: set, y: set, candidates: Iterable[Hashable], fixed: set) -> set | None:
    """Of the candidates those that, with what is fixed, cut x off from y and of which none can be left out; None if all do not suffice.

    Those that are met from x first, and of these the ones that are met from y (van der Zander, Liskiewicz and Textor 2014): near x.
    """
    everything = set(candidates)
    reached, near = _flooded(moral, x, everything | fixed)
    if y & reached:
        return None
    near &= everything
    return near & _flooded(moral, y, near | fixed)[1]


def _flooded(moral: nx.Graph, start: set, wall: set) -> tuple[set, set]:
    """What is reached from the start without passing the wall, and the part of the wall that is met."""
    reached, met, waiting = set(start), set(), list(start)
    while waiting:
        for other in moral.adj[waiting.pop()]:
            if other in wall:
                met.add(other)
            elif other not in reached:
                reached.add(other)
                waiting.append(other)
    return reached, met


def in_slices(bare: nx.DiGraph, asked: Sequence[set]) -> tuple[nx.DiGraph, list[set]]:
    """The structure in time slices, and what was asked, a name spread over all of them.

    So many slices before the first time asked that whatever the past can connect has met: every region leads to itself, so that its
    ancestors so many steps back are those within so many steps, and after the longest of all shortest ways no more are added.
    """
    farthest = max(max(steps.values()) for _, steps in nx.all_pairs_shortest_path_length(bare))
    times = [node[1] for nodes in asked for node in nodes if isinstance(node, tuple)] or [0]
    start = min(times) - farthest - 1
    slices = max(times) - start + 2
    spread = [{at for node in nodes for at in ([node] if isinstance(node, tuple) else _course(node, start, slices))} for nodes in asked]
    return unrolled_graph(bare, slices, start), spread


def _course(name: str, start: int, slices: int) -> list[tuple[str, int]]:
    return [(name, time) for time in range(start, start + slices)]


def _as_set(what: str, nodes: Nodes) -> set:
    pair = isinstance(nodes, tuple) and len(nodes) == 2 and isinstance(nodes[1], Integral)
    found: set = {nodes} if pair or isinstance(nodes, str) or not isinstance(nodes, Collection) else set(nodes)
    if not found and what != "given":
        raise InputError(f"separated({what}) is empty: name at least one region or input.")
    return found


def _check(bare: nx.DiGraph, asked: Sequence[set], criterion: str) -> None:
    for node in set().union(*asked):
        timed = isinstance(node, tuple)
        if timed and criterion != "unrolled":
            raise InputError(f"{node!r} is a (name, time) pair, which only criterion='unrolled' knows: give the name alone.")
        check_node("region or input", name_of(node), bare, "the graph")
    x, y, given = asked
    both = (x & y) | (x & given) | (y & given)
    if both:
        raise InputError(f"separated needs three sets without a common member, but {sorted(both, key=str)[0]!r} is in two of them.")
