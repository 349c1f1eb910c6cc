"""Points and bars stand where the table says, and rows of the same connection share a line."""

import made
import numpy as np
import pytest

import ltc_causal as lc
from ltc_causal.plotting.coupling import connection_label, plot_coupling
from ltc_causal.plotting.matrices import plot_coupling_matrices, plot_matrix


def drawn_intervals(ax):
    """(x, y, lower, upper) of every point by result, as drawn."""
    drawn = {}
    for container in ax.containers:
        points, _, (bars,) = container
        ends = np.array(bars.get_segments())[:, :, 0]
        drawn[container.get_label()] = np.column_stack([points.get_xdata(), points.get_ydata(), ends])
    return drawn


@pytest.mark.parametrize("probability", [0.5, 0.9])
def test_points_and_bars_are_the_table(probability):
    fits = {"bilinear": made.fit(seed=1), "liquid": made.fit("liquid", seed=2)}
    drawn = drawn_intervals(plot_coupling(fits, probability))
    for name, fit in fits.items():
        frame = fit.to_frame(probability)
        np.testing.assert_allclose(drawn[name][:, [0, 2, 3]], frame[["mean", "lower", "upper"]].to_numpy(), atol=1e-12)


def test_rows_are_labelled_with_their_connection():
    fit = made.fit()
    ax = plot_coupling({"a": fit})
    row_of = dict(zip((label.get_text() for label in ax.get_yticklabels()), ax.get_yticks(), strict=True))
    for (_, row), y in zip(fit.to_frame().iterrows(), drawn_intervals(ax)["a"][:, 1], strict=True):
        assert row_of[connection_label(row["source"], row["target"], row["by"])] == y


def test_results_stand_beside_each_other_on_the_same_row():
    drawn = drawn_intervals(plot_coupling({"a": made.fit(seed=1), "b": made.fit(seed=2)}))
    gap = drawn["b"][:, 1] - drawn["a"][:, 1]
    np.testing.assert_allclose(gap, 0.4)


def test_no_label_overlaps_another():
    figure = plot_coupling({"a": made.fit(seed=1), "b": made.fit("liquid", seed=2)}).figure
    figure.draw_without_rendering()
    ax = figure.axes[0]
    low, high = ax.get_xlim()
    ticks = [label for label in ax.get_xticklabels() if low <= label.get_position()[0] <= high]
    boxes = [text.get_window_extent() for text in (*ax.get_yticklabels(), *ax.texts, ax.xaxis.label, *ticks, ax.get_legend())]
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1


def test_nothing_to_draw_is_refused():
    with pytest.raises(lc.InputError, match="at least one fit"):
        plot_coupling({})


def test_matrix_has_targets_as_rows():
    """An asymmetric matrix: the cell of a target's row and a source's column says that coupling."""
    coupling = lc.Coupling([[-0.5, 0.25], [0.75, -1.0]], np.zeros((1, 2, 2)), [[0.1], [0.0]], ("V1", "V5"), ("photic",))
    ax = plot_matrix(coupling.A, coupling.regions, coupling.regions)
    sources, targets = ([label.get_text() for label in labels] for labels in (ax.get_xticklabels(), ax.get_yticklabels()))
    for text in ax.texts:
        column, row = text.get_position()
        assert float(text.get_text().replace("\N{MINUS SIGN}", "-")) == coupling.edge(sources[column], targets[row])
    assert len(ax.texts) == 4 and ax.get_xlabel() == "source" and ax.get_ylabel() == "target"


def test_matrix_of_the_wrong_shape_is_refused():
    with pytest.raises(lc.InputError, match=r"shape \(2, 1\) \(target, source\), got \(1, 2\)"):
        plot_matrix(np.ones((1, 2)), ["a"], ["b", "c"])


def test_coupling_matrices_leave_out_inputs_that_modulate_nothing():
    figure = plot_coupling_matrices(made.fit().coupling)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["A", "B, attention", "C"]
