"""Drawing changes nothing outside the figure, and a figure is written whole, the same each time, and in one piece with its page."""

import xml.etree.ElementTree as ElementTree

import made
import matplotlib as mpl
import numpy as np
import pytest

import ltc_causal as lc
from ltc_causal.plotting import style
from ltc_causal.plotting.history import DEPTH, plot_history
from ltc_causal.plotting.signals import plot_fit
from ltc_causal.plotting.svg import inline_svg


def luminance(colour):
    """Relative luminance of sRGB (WCAG 2.1)."""
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_matplotlibs_settings_are_left_as_they_were():
    before = dict(mpl.rcParams)
    plot_fit(made.fit())
    assert dict(mpl.rcParams) == before


def test_no_figure_is_left_open():
    import matplotlib.pyplot as plt

    plot_fit(made.fit())
    assert plt.get_fignums() == []


def test_given_axes_are_drawn_into():
    figure = style.new_figure()
    ax = figure.subplots()
    assert plot_history({"a": made.fit()}, ax) is ax


def test_writing_text_is_dark_enough_to_read():
    """Contrast of text and of the two signs' colours with white: at least 4.5 and 3 (WCAG 2.1 for text and for graphics)."""
    contrast = {colour: 1.05 / (luminance(colour) + 0.05) for colour in (style.INK, style.POSITIVE, style.NEGATIVE)}
    assert contrast[style.INK] > 4.5 and min(contrast.values()) > 3


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, ending):
    for name in ("a", "b"):
        style.save(plot_fit(made.fit()), tmp_path / f"{name}.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_inline_figures_do_not_share_names():
    texts = [inline_svg(plot_fit(made.fit()), 'Signal <of> V1 & "V5"', name) for name in ("one", "two")]
    names = []
    for text in texts:
        root = ElementTree.fromstring(text)
        assert root.find("{http://www.w3.org/2000/svg}title").text == root.get("aria-label") == 'Signal <of> V1 & "V5"'
        own = {part.get("id") for part in root.iter() if part.get("id")}
        used = {
            part.get("{http://www.w3.org/1999/xlink}href")[1:] for part in root.iter() if part.get("{http://www.w3.org/1999/xlink}href")
        }
        used |= {part.get("clip-path")[5:-1] for part in root.iter() if part.get("clip-path")}
        assert used and used <= own
        names.append(own)
    assert not names[0] & names[1]


def test_history_shows_every_iteration_and_marks_those_taken_back():
    fit = made.fit()
    ax = plot_history({"bilinear": fit})
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), fit.history.free_energy)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1, 2, 3, 4, 5, 6])
    hollow = [tuple(face) == (1, 1, 1, 1) for face in ax.collections[0].get_facecolors()]
    np.testing.assert_array_equal(hollow, ~fit.history.accepted)


def test_history_is_not_flattened_by_its_first_steps():
    fit = made.fit()
    steep = lc.Fit(
        **{
            **vars(fit),
            "history": type(fit.history)(**{**vars(fit.history), "free_energy": fit.history.free_energy - [1e5, 1e4, 0, 0, 0, 0]}),
        }
    )
    ax = plot_history({"a": steep})
    # The line comes in from iteration 2, which lies below what is shown.
    assert ax.get_ylim()[0] == pytest.approx(fit.free_energy - DEPTH) and ax.get_xlim()[0] == pytest.approx(1.5)


def test_no_fit_no_history():
    with pytest.raises(lc.InputError, match="at least one fit"):
        plot_history({})
