"""Recovery of resting networks: twenty of four regions, 512 scans of 2 s, all connections free, by both variants on the same data.

The "spm" variant ends where SPM does (`tests/inference/test_spectral.py`), so that its figures are SPM's own.
"""

import numpy as np
import pytest
import spectral_networks as nets

import ltc_causal as lc

NETWORKS, SCANS = 20, 512


def study(variant, connections):
    """True A, found A and its sds, each (network, region, region)."""
    rng = np.random.default_rng(0)
    truths, found, sds = [], [], []
    model, maker = nets.model(variant=variant), nets.model()
    for _ in range(NETWORKS):
        theta = nets.drawn(maker, rng, connections)
        fit = lc.fit(model, maker.simulate(theta, SCANS, 2.0, seed=rng))
        assert fit.status is lc.Status.CONVERGED
        truths.append(model.coupling(theta).A)
        found.append(fit.coupling.A)
        sds.append(fit.coupling_posterior.sd.reshape(4, 4).T)
    return np.array(truths), np.array(found), np.array(sds)


def correlation(truths, found, which=slice(None)):
    return np.corrcoef(truths[:, which].ravel(), found[:, which].ravel())[0, 1]


def hits(truths, found, sds):
    """Share of entries of A in their 90 % intervals."""
    return np.mean(np.abs(truths - found) < 1.645 * sds)


BETWEEN = ~np.eye(4, dtype=bool)


@pytest.mark.slow
def test_strong_connections_are_recovered_better_than_by_spm():
    corrected, spm = study("corrected", "strong"), study("spm", "strong")
    assert correlation(*corrected[:2]) >= 0.94 and correlation(*spm[:2]) >= 0.85
    assert correlation(*corrected[:2], BETWEEN) >= 0.82 > 0.70 >= correlation(*spm[:2], BETWEEN)
    assert hits(*corrected) >= 0.79 > 0.60 >= hits(*spm)


@pytest.mark.slow
def test_intervals_of_connections_as_the_prior_has_them_are_nearly_honest():
    corrected, spm = study("corrected", "prior"), study("spm", "prior")
    assert correlation(*corrected[:2]) >= 0.94
    assert hits(*corrected) >= 0.84 > 0.50 >= hits(*spm)
