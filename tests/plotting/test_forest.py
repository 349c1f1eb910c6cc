"""The forest plot draws the group's numbers."""

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
    points = [container[0].get_xdata()[0] for container in ax.containers]
    assert np.allclose(points, 0.3 + 0.02 * np.arange(6))
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


def test_bad_input_is_said_in_a_sentence(group):
    with pytest.raises(lc.InputError, match="Unknown connection 'A\\[V1->V6\\]' in the group's coupling: did you mean"):
        plot_forest(group, "A[V1->V6]")
    with pytest.raises(lc.InputError, match="one of the design's factors \\['kind'\\], got 'age'"):
        plot_forest(group, "A[V1->V5]", by="age")
