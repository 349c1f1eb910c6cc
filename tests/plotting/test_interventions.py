"""The difference is paired draw by draw, and what is drawn is the prediction."""

import made
import numpy as np
import pytest

import ltc_causal as lc
from ltc_causal.causal.difference import difference
from ltc_causal.plotting.interventions import plot_course, plot_difference, plot_intervention
from ltc_causal.plotting.overview import plot_overview


def draws(seed=0, n=40):
    return np.random.default_rng(seed).standard_normal((n, 60, 2))


def test_difference_of_paired_draws_is_free_of_what_they_share():
    """Draws that differ from each other widely, and by exactly c under the intervention: the difference is c with no spread."""
    usual = 100 * draws()
    change = difference(made.prediction(usual), made.prediction(usual + [0.5, -2.0]))
    np.testing.assert_allclose(change.mean, np.tile([0.5, -2.0], (60, 1)), atol=1e-12)
    np.testing.assert_allclose(change.upper - change.lower, 0, atol=1e-12)


def test_unstable_draws_are_left_out_on_both_sides():
    usual, under = draws(0), draws(1)
    usual[3], under[7] = np.nan, np.nan
    stable = [draw for draw in range(40) if draw not in (3, 7)]
    change = difference(made.prediction(usual), made.prediction(under))
    np.testing.assert_allclose(change.mean, (under - usual)[stable].mean(axis=0))
    np.testing.assert_allclose(change.lower, np.quantile((under - usual)[stable], 0.05, axis=0))


def test_predictions_that_do_not_pair_are_refused():
    with pytest.raises(lc.InputError, match="do not pair"):
        difference(made.prediction(draws(n=10)), made.prediction(draws(n=11)))


def test_no_stable_draw_is_refused():
    usual, under = draws(), draws(1)
    usual[:20], under[20:] = np.nan, np.nan
    with pytest.raises(lc.InputError, match="No posterior draw stayed stable under 'V1 → V5 cut'"):
        difference(made.prediction(usual), made.prediction(under, [lc.Cut("V1", "V5")]))


def band(collection):
    """Lower and upper course of a filled band."""
    vertices = collection.get_paths()[0].vertices
    times = np.unique(vertices[:, 0])
    return [np.array([side(vertices[vertices[:, 0] == time, 1]) for time in times]) for side in (np.min, np.max)]


def test_course_shows_both_predictions_with_bands():
    usual, under = made.prediction(draws(0)), made.prediction(draws(1), [lc.SetInput("attention", 0.0)])
    ax = plot_course(usual, under, "V5")
    for line, filled, prediction in zip(ax.lines, ax.collections, (usual, under), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), prediction.mean[:, 1])
        np.testing.assert_allclose(band(filled), [prediction.lower[:, 1], prediction.upper[:, 1]])
    assert [line.get_label() for line in ax.lines] == ["usual course", "attention set to 0"]


def test_difference_is_drawn_with_its_band():
    usual, under = made.prediction(draws(0)), made.prediction(draws(1))
    ax = plot_difference(usual, under, "V1")
    change = difference(usual, under)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), change.mean[:, 0])
    np.testing.assert_allclose(band(ax.collections[0]), [change.lower[:, 0], change.upper[:, 0]])


def test_differences_share_one_scale():
    """A tiny change beside a large one looks tiny."""
    usual = draws()
    figure = plot_intervention(made.prediction(usual), made.prediction(usual + [5.0, 0.01] + 0.1 * draws(1)))
    right = [ax for ax in figure.axes if ax.get_subplotspec().colspan.start == 1]
    assert len({ax.get_ylim() for ax in right}) == 1 and right[0].get_ylim()[1] > 5


def test_span_cuts_the_time_axis():
    figure = plot_intervention(made.prediction(draws(0)), made.prediction(draws(1)), span=(10.0, 30.0))
    assert {ax.get_xlim() for ax in figure.axes} == {(10.0, 30.0)}


def test_overview_shows_the_region_that_changes_most():
    usual = draws()
    fit = made.fit()
    figure = plot_overview(fit, lc.causal_graph(fit), made.prediction(usual), made.prediction(usual + [0.1, 3.0]))
    assert [ax.get_title(loc="left") for ax in figure.axes][-1] == "V5"
    np.testing.assert_array_equal(figure.axes[-1].lines[1].get_ydata(), (usual + [0.1, 3.0]).mean(axis=0)[:, 1])
