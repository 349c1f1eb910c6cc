"""What a notebook shows: the numbers of the result, in well-formed and small HTML, every word escaped."""

from dataclasses import replace
from functools import cache
from xml.etree import ElementTree

import made
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ltc_causal as lc
from ltc_causal.core import html

NASTY = '<script>alert("x & y")</script>'


@cache
def fit():
    return made.with_recording(made.fit(), made.simulated(n_scan=60))


RESULTS = {
    "recording": made.recording,
    "model": made.model,
    "fit": fit,
    "coupling": lambda: fit().coupling,
    "reduction": lambda: lc.reduce_to_dcm(fit()),
    "prediction": lambda: lc.predict(fit(), do=[lc.Cut("V1", "V5")], draws=5, seed=0),
    "usual prediction": lambda: lc.predict(fit(), draws=5, seed=0),
}


def read(text):
    """The words of every table's cells by row, and all words; fails for what is not well formed."""
    tree = ElementTree.fromstring(text)
    rows = [[("".join(cell.itertext())) for cell in row] for row in tree.iter("tr")]
    return rows, " ".join(tree.itertext()), {element.tag for element in tree.iter()}


@pytest.mark.parametrize("kind", RESULTS)
def test_it_is_well_formed_and_small(kind):
    text = RESULTS[kind]()._repr_html_()
    _, _, tags = read(text)
    assert len(text) < 10_000 and tags <= {"div", "strong", "table", "thead", "tbody", "tr", "th", "td", "p"}


def numbers_of(rows, columns):
    """The body of the table with those columns, as shown."""
    start = rows.index(columns)
    return rows[start + 1 :]


@pytest.mark.parametrize("kind", ["fit", "reduction"])
def test_a_table_shows_the_results_own_numbers(kind):
    result = RESULTS[kind]()
    frame = result.to_frame().drop(columns="unit") if kind == "fit" else result.to_frame()
    rows = numbers_of(read(result._repr_html_())[0], list(frame.columns))
    for shown, row in zip(rows, frame.itertuples(index=False), strict=True):
        assert shown == [f"{value:.3g}" if isinstance(value, float) else str(value) for value in row]


def test_a_fit_says_status_energy_and_variance_explained():
    _, words, _ = read(fit()._repr_html_())
    assert str(fit().status) in words and f"{fit().free_energy:.2f} nats" in words
    for region, share in zip(made.REGIONS, fit().variance_explained, strict=True):
        assert f"{region} {100 * share:.0f} %" in words


def test_a_model_shows_its_connections():
    rows = numbers_of(read(made.model()._repr_html_())[0], ["matrix", "source", "target", "by"])
    expected = [["A", "V1", "V5", ""], ["A", "V5", "V1", ""], ["B", "V1", "V5", "attention"], ["C", "photic", "V1", ""]]
    assert sorted(rows) == expected


def test_a_recording_says_what_was_sampled_and_when():
    recording = replace(made.recording(), delays=[0.25, 1.5], echo_time=0.03)
    facts = dict(read(recording._repr_html_())[0])
    assert facts["regions"] == "V1, V5" and facts["scans"] == "60, one every 2 s, 120 s in all" and facts["echo time"] == "0.03 s"
    assert facts["sampled"] == "0.25 to 1.5 s after a scan begins" and facts["inputs"] == "photic, attention; 960 bins of 0.125 s"


def test_predictions_show_what_the_summary_shows():
    prediction = RESULTS["prediction"]()
    rows = numbers_of(read(prediction._repr_html_())[0], list(prediction.effect.by_region().columns))
    assert [float(row[1]) for row in rows] == pytest.approx(prediction.effect.by_region()["mean_change"], rel=0.01)
    unstable = replace(made.prediction(np.ones((2, 3, 2))), unstable=2)
    assert "no course" in unstable._repr_html_() and "no course" in unstable.summary()


@given(names=st.lists(st.text(min_size=1), min_size=2, max_size=40, unique=True) | st.just([NASTY, "V5"]))
def test_names_are_escaped(names):
    n = len(names)
    values = np.random.default_rng(0).normal(size=(20, n))
    recording = lc.Recording(lc.TimeSeries(values, 2.0, names, NASTY), lc.Inputs(np.ones((20, 1)), 2.0, (NASTY,)))
    coupling = lc.Coupling(-np.eye(n), np.zeros((1, n, n)), np.ones((n, 1)), tuple(names), (NASTY,))
    for text in (recording._repr_html_(), coupling._repr_html_()):
        assert "<script" not in text and "alert(" in text
        if all(name.isprintable() for name in names):  # XML has no control characters
            _, words, tags = read(text)
            assert NASTY in words and "script" not in tags


def test_long_tables_and_lists_say_what_they_leave_out():
    frame = pd.DataFrame({"a": range(100)})
    rows, words, _ = read(html.card("many", [], frame))
    assert len(rows) == 1 + html.MOST_ROWS and "70 more rows." in words
    assert html.listed([str(i) for i in range(15)]).endswith("11 and 3 more") and html.listed(()) == "none"
