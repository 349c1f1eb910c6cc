"""The anchored projection where the Taylor expansion has a D: it gets D as well, and interventions are reduced better for it.

Random models of case_studies/bridge, interventions of amplitude 1; each model's median error of an effect, and the median of these.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

import ltc_causal as lc

sys.path.append(str(Path(__file__).resolve().parents[2] / "case_studies" / "bridge"))
import exact  # noqa: E402

SOURCES = {
    "thresholds": lambda seed: exact.liquid_source(seed, bends=0.3),
    "raw synapses": exact.gated_source,
    "raw synapses, gated by regions": lambda seed: exact.gated_source(seed, 0.5),
}


@pytest.mark.slow
@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_with_D_effects_are_reduced_better(make):
    """Measured, with and without D: .019 and .054 (thresholds), .023 and .041 (raw synapses), .026 and .040 (gated by regions)."""
    sources = [source for source in map(make, range(40)) if source is not None][:20]
    assert len(sources) == 20
    with_D, without = (
        np.median([exact.effects_reduced(source, method) for source in sources], axis=0)
        for method in (lc.Projection(draws=20), exact.WithoutGating(draws=20))
    )
    assert with_D[1] <= 0.06 and (with_D < 0.8 * without).all(), (with_D, without)


def test_D_is_that_of_the_expansion_where_the_anchor_is_large():
    source = exact.gated_source(0)
    estimate = lc.Projection(anchor=1e6, draws=20).estimate(source)
    exactly = source.system.coupling(dict(zip(source.regions, source.rest, strict=True)))
    assert np.abs(exactly.D).max() > 0.05 and np.allclose(estimate.coupling.D, exactly.D, atol=1e-5)


def test_a_model_that_only_saturates_gets_no_D():
    assert not lc.Projection(draws=20).estimate(exact.liquid_source(0)).coupling.D.any()
