"""The forest plot draws the group's numbers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Polygon
from strategies import TRUTH, made_fit

import ltc_causal as lc
from ltc_causal.group.peb import peb
from ltc_causal.plotting.forest import plot_forest


@pytest.fixture(scope="module")
def group():
    recording = made_fit().recording
    fits = {f"s{k}": made_fit(truth={**TRUTH, "A[V1->V5]": 0.3 + 0.02 * k}, recording=recording) for k in range(6)}
    return peb(fits, pd.DataFrame({"kind": list("ababab")}, index=list(fits)))


def test_one_row_a_subject_and_a_diamond_for_the_group(group):
    ax = plot_forest(group, "A[V1->V5]", probability=0.95)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["s0", "s1", "s2", "s3", "s4", "s5", "group"]
    ((line, _, (bars,)),) = ax.containers
    points = np.array(line.get_xdata(), dtype=float)
    assert np.allclose(points, 0.3 + 0.02 * np.arange(6))
    assert np.allclose([segment[:, 0] for segment in bars.get_segments()], points[:, None] + 1.95996 * 0.02 * np.array([-1, 1]), atol=1e-6)
    diamond = next(patch for patch in ax.patches if isinstance(patch, Polygon)).get_xy()
    coupling = group.coupling()
    e = coupling.posterior.names.index("A[V1->V5]")
    lower, upper = coupling.posterior.interval(0.95)
    assert (diamond[:, 0].min(), diamond[:, 0].max()) == pytest.approx((lower[e], upper[e]))
    assert "95 %" in ax.get_xlabel()


def test_levels_stand_apart(group):
    ax = plot_forest(group, "A[V1->V5]", by="kind")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["s0", "s2", "s4", "kind a", "s1", "s3", "s5", "kind b"]
    assert sum(isinstance(patch, Polygon) for patch in ax.patches) == 2


def test_many_subjects_fit_on_a_page_without_their_names(group):
    (first,) = list(group.subjects.values())[:1]
    many = replace(group, subjects={f"s{k}": first for k in range(200)})
    ax = plot_forest(many, "A[V1->V5]")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["group"]
    assert len(ax.containers[0][0].get_xdata()) == 200 and ax.figure.get_size_inches()[1] < 11


def test_bad_input_is_said_in_a_sentence(group):
    with pytest.raises(lc.InputError, match="Unknown connection 'A\\[V1->V6\\]' in the group's coupling: did you mean"):
        plot_forest(group, "A[V1->V6]")
    with pytest.raises(lc.InputError, match="one of the design's factors \\['kind'\\], got 'age'"):
        plot_forest(group, "A[V1->V5]", by="age")
