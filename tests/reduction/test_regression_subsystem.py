"""From a regression DCM of many regions to a small DCM of some of them."""

import warnings

import numpy as np
import pytest
from regression_networks import network, resting_network

import ltc_causal as lc
from ltc_causal.models.regression_dcm import RegressionDCM
from ltc_causal.reduction.subsystem import subsystem

TRUTH = network(12, 400, 1.0, 3, 10.0, 0.15, seed=2)
MODEL = RegressionDCM(TRUTH.recording.regions, TRUTH.recording.inputs.names, TRUTH.intrinsic, TRUTH.C != 0)
FIT = lc.fit(MODEL, TRUTH.recording)
CHOSEN = ["R3", "R0", "R5", "R7"]
PLACES = [3, 0, 5, 7]


def small(**options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return subsystem(FIT, CHOSEN, **options)


def test_structure_and_start_are_the_large_fits():
    sub = small(neuronal="bilinear", probability=0.9)
    A = FIT.coupling.A[np.ix_(PLACES, PLACES)]
    likely = np.abs(A) > 1.2815515655446004 * sd_of(FIT)[np.ix_(PLACES, PLACES)]
    np.fill_diagonal(likely, True)
    assert np.array_equal(sub.model.intrinsic, likely)
    assert sub.recording.regions == tuple(CHOSEN)
    theta = sub.model.prior.mean.copy()
    for name, value in sub.start.items():
        theta[sub.model.prior.index(name)] = value
    started = sub.model.coupling(theta)
    assert started.A == pytest.approx(np.where(likely, A, 0.0), abs=1e-12)
    inputs = [MODEL.inputs.index(name) for name in sub.model.inputs]
    scale = sub.model.features(sub.recording).scale
    C = FIT.coupling.C[np.ix_(PLACES, inputs)]
    assert started.C == pytest.approx(scale * np.where(sub.model.driving, C, 0.0), abs=1e-12)


def sd_of(fit):
    sd = np.zeros((12, 12))
    sd.T[TRUTH.intrinsic.T] = fit.coupling_posterior.sd[: TRUTH.intrinsic.sum()]
    return sd


def test_what_is_left_out_is_what_comes_in_from_outside():
    sub = small(probability=0.9)
    A, sd = FIT.coupling.A, sd_of(FIT)
    incoming = np.where((np.abs(A) > 1.2815515655446004 * sd) & ~np.eye(12, dtype=bool), np.abs(A), 0.0)
    incoming = incoming * TRUTH.recording.series.values.std(axis=0)
    outside = [j for j in range(12) if j not in PLACES]
    expected = {(f"R{j}", f"R{i}"): incoming[i, j] / incoming[i].sum() for i in PLACES for j in outside if incoming[i, j]}
    found = {(row.source, row.target): row.share for row in sub.left_out.itertuples()}
    assert found == pytest.approx(expected)
    assert list(sub.left_out["share"]) == sorted(expected.values(), reverse=True)
    assert sub.share_left_out == pytest.approx(sum(expected.values()) / 4)


def test_it_warns_of_the_strongest_and_not_where_nothing_is_left_out():
    strongest = small(probability=0.9).left_out.iloc[0]
    with pytest.warns(UserWarning, match=f"{strongest.source} -> {strongest.target}"):
        subsystem(FIT, CHOSEN, probability=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        everything = subsystem(FIT, [f"R{i}" for i in range(12)])
    assert everything.left_out.empty and "No likely connection" in everything.remark


@pytest.mark.parametrize("neuronal", ["bilinear", "liquid"])
def test_it_can_be_fitted(neuronal):
    sub = small(neuronal=neuronal, probability=0.9)
    fit = lc.fit(sub.model, sub.recording, lc.VariationalLaplace(max_iterations=32), start=sub.start)
    assert fit.status.ok
    assert fit.variance_explained.mean() > 0.5
    assert fit.model.neuronal == neuronal


def test_as_prior_the_small_model_believes_the_large_fit():
    sub = small(neuronal="bilinear", as_prior=True)
    prior = sub.model.prior
    i = prior.index("A[R0->R0]")
    posterior = FIT.coupling_posterior
    at = posterior.index("A[R0->R0]")
    assert -0.5 * np.exp(prior.mean[i]) == pytest.approx(posterior.mean[at])
    assert prior.sd[i] == pytest.approx(posterior.sd[at] / -posterior.mean[at])
    usual = small(neuronal="bilinear").model.prior
    assert usual.mean[i] == pytest.approx(1 / 128)


def test_what_cannot_be_is_said():
    rest = resting_network(6, 200, 1.0, 5.0, 0.35, seed=1)
    at_rest = lc.fit(RegressionDCM(rest.recording.regions, (), rest.intrinsic), rest.recording, lc.Regression(replicates=0))
    with pytest.raises(lc.InputError, match="at rest"):
        subsystem(at_rest, ["R0"])
    with pytest.raises(lc.InputError, match="R99"):
        subsystem(FIT, ["R0", "R99"])
    with pytest.raises(lc.InputError, match="probability"):
        subsystem(FIT, ["R0"], probability=1.5)
    with pytest.raises(lc.InputError, match="neuronal"):
        subsystem(FIT, ["R0"], neuronal="liquidish")
    of_few = lc.fit(small(neuronal="bilinear").model, small().recording, start=small(neuronal="bilinear").start)
    with pytest.raises(lc.InputError, match="RegressionDCM"):
        subsystem(of_few, ["R0"])
