"""Arrows go from source to target along the curve that the labels and dots take for them, and nothing is drawn on top of a node."""

import made
import networkx as nx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgba
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

import ltc_causal as lc
from ltc_causal.plotting.graphs import RADIUS, hertz, plot_graph
from ltc_causal.plotting.layout import along_edge, graph_layout, modulators
from ltc_causal.plotting.style import NEGATIVE, POSITIVE


def chain():
    """The graph of the attention study: a chain of three regions, both ways, one connection with two modulators."""
    graph = nx.DiGraph()
    graph.add_nodes_from(["SPC", "V1", "V5"], kind="region")
    graph.add_nodes_from(["photic", "motion", "attention"], kind="input")
    graph.add_edge("V1", "V5", weight=0.34, modulated_by={"motion": 0.64, "attention": 0.2})
    graph.add_edge("V5", "V1", weight=0.61)
    graph.add_edge("V5", "SPC", weight=0.31)
    graph.add_edge("SPC", "V5", weight=-0.27)
    graph.add_edge("photic", "V1", weight=0.1)
    return graph


@st.composite
def graphs(draw):
    """2 to 6 regions, edges at random, up to 3 inputs that drive or modulate."""
    n = draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    regions = [f"R{i}" for i in range(n)]
    graph = nx.DiGraph()
    graph.add_nodes_from(regions, kind="region")
    for source in regions:
        for target in regions:
            if source != target and rng.random() < 0.5:
                graph.add_edge(source, target, weight=float(rng.normal()))
    edges = list(graph.edges)
    for name in ("a", "b", "c")[: draw(st.integers(0, 3))]:
        graph.add_node(name, kind="input")
        if edges and rng.random() < 0.5:
            graph.edges[edges[rng.integers(len(edges))]].setdefault("modulated_by", {})[name] = 0.5
        else:
            graph.add_edge(name, regions[rng.integers(n)], weight=1.0)
    return graph


def edge_arrows(ax, graph):
    """{(source, target): its arrow}: arrows are drawn first, in the graph's order, modulation lines after them."""
    patches = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    return dict(zip(graph.edges, patches[: graph.number_of_edges()], strict=True))


def curve(arrow, share):
    """A point on an arrow's own path before it is clipped at the nodes: matplotlib's quadratic Bezier curve."""
    start, control, end = arrow.get_connectionstyle()(*arrow._posA_posB, shrinkA=0, shrinkB=0).vertices
    return (1 - share) ** 2 * start + 2 * share * (1 - share) * control + share**2 * end


def test_arrows_go_from_source_to_target_with_sign_and_width():
    graph = chain()
    ax = plot_graph(graph)
    places = graph_layout(graph)
    drawn = edge_arrows(ax, graph)
    for (source, target), arrow in drawn.items():
        np.testing.assert_allclose(arrow._posA_posB, [places[source], places[target]])
        assert arrow.get_edgecolor() == to_rgba(POSITIVE if graph.edges[source, target]["weight"] > 0 else NEGATIVE)
    by_size = sorted(graph.edges, key=lambda edge: abs(graph.edges[edge]["weight"]))
    assert by_size == sorted(graph.edges, key=lambda edge: drawn[edge].get_linewidth())


@given(graph=graphs(), share=st.floats(0.05, 0.95))
def test_the_curve_is_known_as_drawn(graph, share):
    """`along_edge`, by which numbers and dots are placed, is on matplotlib's own path."""
    ax = plot_graph(graph)
    places = graph_layout(graph)
    for (source, target), arrow in edge_arrows(ax, graph).items():
        np.testing.assert_allclose(along_edge(graph, places, source, target, share), curve(arrow, share), atol=1e-9)


@given(graph=graphs())
def test_two_ways_of_a_pair_part_and_nodes_keep_apart(graph):
    places = graph_layout(graph)
    names = list(places)
    for number, name in enumerate(names):
        for other in names[:number]:
            assert np.hypot(*(places[name] - places[other])) > 2.5 * RADIUS, (name, other)
    for source, target in graph.edges:
        if graph.has_edge(target, source):
            one, other = along_edge(graph, places, source, target), along_edge(graph, places, target, source)
            assert np.hypot(*(one - other)) > 0.25 * np.hypot(*(places[source] - places[target]))


@given(graph=graphs())
def test_every_strength_is_written_once(graph):
    ax = plot_graph(graph)
    wanted = [hertz(edge["weight"]) for _, _, edge in graph.edges(data=True)] + [hertz(weight) for _, _, weight in modulators(graph)]
    written = [text.get_text() for text in ax.texts if text.get_text().endswith("Hz")]
    assert sorted(written) == sorted(wanted)


def test_modulators_end_on_the_connection():
    graph = chain()
    ax = plot_graph(graph)
    middle = curve(edge_arrows(ax, graph)["V1", "V5"], 0.5)
    dots = [line.get_xydata()[0] for line in ax.lines]
    assert len(dots) == 2
    np.testing.assert_allclose(dots, [middle, middle])


def test_regions_are_circles_and_inputs_boxes():
    ax = plot_graph(chain())
    circles = [patch for patch in ax.patches if isinstance(patch, Circle)]
    boxes = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert len(circles) == 3 and len(boxes) == 3


def test_a_chain_stands_in_line_with_its_driven_end_first():
    places = graph_layout(chain())
    assert places["V1"][0] < places["V5"][0] < places["SPC"][0] and places["V1"][1] == places["V5"][1] == places["SPC"][1]
    assert places["photic"][0] < places["V1"][0]


def test_no_text_overlaps_another():
    figure = plot_graph(chain()).figure
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_given_positions_are_kept():
    graph = chain()
    ax = plot_graph(graph, positions={"SPC": (2.0, 2.0)})
    np.testing.assert_allclose(edge_arrows(ax, graph)["V5", "SPC"]._posA_posB[1], (2.0, 2.0))


def test_a_fits_graph_can_be_drawn():
    graph = lc.causal_graph(made.fit())
    texts = [text.get_text() for text in plot_graph(graph).texts]
    for source, target, edge in graph.edges(data=True):
        assert {source, target, hertz(edge["weight"])} <= set(texts)
