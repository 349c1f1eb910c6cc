"""The corrected regression DCM over simulated networks: honest intervals, and errors no larger than TAPAS's."""

import numpy as np
import pytest
from regression_networks import fitted, fluctuating_network, network, resting_network

import ltc_causal as lc
from ltc_causal.models.regression_dcm import RegressionDCM

SETTINGS = {6: (400, 1.0, 2, 5.0, 0.35), 20: (600, 0.5, 4, 3.0, 0.15), 50: (800, 0.5, 5, 3.0, 0.1)}
FIRST = 5000  # of the seeds of networks at rest and sparse ones; their settings were found on others


def at_rest(n, seed):
    n_scan, dt, _, snr, density = SETTINGS[n]
    return resting_network(n, n_scan, dt, snr, density, seed)


@pytest.mark.slow
@pytest.mark.parametrize("n", SETTINGS)
def test_intervals_hold_what_they_say(n, record_property):
    check([known(network(n, *SETTINGS[n], seed=seed)) for seed in range(50)], f"{n} regions, task", record_property)


@pytest.mark.slow
@pytest.mark.parametrize("n", SETTINGS)
def test_intervals_hold_what_they_say_at_rest(n, record_property):
    check([known(at_rest(n, FIRST + k)) for k in range(50)], f"{n} regions at rest", record_property)


@pytest.mark.slow
@pytest.mark.parametrize("n", SETTINGS)
def test_intervals_hold_what_they_say_without_the_structure(n, record_property):
    check([sparse(at_rest(n, FIRST + k)) for k in range(50 if n < 50 else 10)], f"{n} regions at rest, sparse", record_property)


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 20])
def test_intervals_of_a_task_with_fluctuations_without_the_structure(n, record_property):
    made = [sparse(fluctuating_network(n, *SETTINGS[n], seed=FIRST + k)) for k in range(50 if n == 6 else 10)]
    check(made, f"{n} regions, task with fluctuations, sparse", record_property)


def known(truth):
    """Share of the true connections in their 90 % intervals, and mean squared errors of these: ours and TAPAS's."""
    A, sd = fitted(truth, "corrected")
    return scores(truth, A, sd, fitted(truth, "tapas15")[0])


def sparse(truth):
    """The same where every connection is possible."""
    names = truth.recording.regions, truth.recording.inputs.names
    fit = lc.fit(RegressionDCM(*names, None, truth.C != 0, sparse=True), truth.recording)
    n = len(truth.A)
    sd = fit.posterior.sd[: n * n].reshape(n, n).T
    tapas = lc.fit(RegressionDCM(*names, None, truth.C != 0, variant="tapas15", sparse=True), truth.recording)
    return scores(truth, fit.coupling.A, sd, tapas.coupling.A)


def scores(truth, A, sd, of_tapas):
    there = truth.intrinsic
    inside = (np.abs(A - truth.A) < 1.645 * sd)[there].mean()
    return inside, ((A - truth.A)[there] ** 2).mean(), ((of_tapas - truth.A)[there] ** 2).mean()


def check(made, what, record_property):
    share, error, of_tapas = np.mean(made, axis=0)
    error, of_tapas = np.sqrt([error, of_tapas])
    print(f"{what}, {len(made)} networks: 90 % intervals hold {100 * share:.1f} %, error {error:.3f} Hz, of TAPAS {of_tapas:.3f} Hz")
    record_property("coverage", share)
    assert 0.85 <= share <= 0.95
    assert error <= of_tapas
