"""What is drawn of signals is what was measured and predicted."""

import made
import numpy as np
import pytest

import ltc_causal as lc
from ltc_causal.plotting.signals import plot_fit, plot_inputs, plot_recording, plot_region_fit


@pytest.mark.parametrize("region", made.REGIONS)
def test_region_shows_signal_without_confounds_and_prediction(region):
    fit = made.fit()
    column = made.REGIONS.index(region)
    observed, predicted = plot_region_fit(fit, region).lines
    np.testing.assert_array_equal(observed.get_ydata(), (fit.recording.series.values - fit.confounds)[:, column])
    np.testing.assert_array_equal(predicted.get_ydata(), fit.prediction[:, column])
    np.testing.assert_array_equal(predicted.get_xdata(), fit.recording.series.times)


def test_region_title_is_its_share_of_variance():
    fit = made.fit()
    signal = (fit.recording.series.values - fit.confounds)[:, 1]
    share = 1 - np.var(signal - fit.prediction[:, 1]) / np.var(signal)
    ax = plot_region_fit(fit, "V5")
    assert ax.get_title(loc="left") == f"V5: {100 * share:.0f} % of the variance explained"
    assert ax.get_ylabel() == "BOLD (% signal change)"


def test_unknown_region_is_refused():
    with pytest.raises(lc.InputError, match="Unknown region 'V6'"):
        plot_region_fit(made.fit(), "V6")


def test_fit_has_a_panel_for_each_region_and_the_models_inputs():
    figure = plot_fit(made.fit())
    assert [ax.get_title(loc="left").split(":")[0] for ax in figure.axes] == ["V1", "V5", ""]
    assert [label.get_text() for label in figure.axes[-1].get_yticklabels()] == list(made.INPUTS)
    assert figure.axes[-1].get_xlabel() == "time (s)"


def test_inputs_are_drawn_to_scale():
    """The area of a strip is the input's integral over time, up to the strip's scale, at the places where the input is on."""
    values = np.array([[0.0, 0, 2, 2, 1, 0, -1, -1, 0, 0], [1.0] * 10]).T
    inputs = lc.Inputs(values, 0.5, ("a", "b"))
    for row, steps in enumerate(plot_inputs(inputs).patches):
        heights, edges, base = steps.get_data()
        np.testing.assert_allclose(
            np.sum((heights - base) * np.diff(edges)), 0.75 * 0.5 * values[:, row].sum() / np.abs(values[:, row]).max()
        )
        at = np.searchsorted(edges, inputs.times + 0.25) - 1
        np.testing.assert_allclose((heights - base)[at], 0.75 * values[:, row] / np.abs(values[:, row]).max())


def test_recording_shows_the_raw_signal():
    recording = made.recording()
    panels = plot_recording(recording).axes
    for column, ax in enumerate(panels[:2]):
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), recording.series.values[:, column])
