"""The corrected regression DCM over simulated networks: honest intervals, and errors no larger than TAPAS's."""

import numpy as np
import pytest
from regression_networks import fitted, network

SETTINGS = {6: (400, 1.0, 2, 5.0, 0.35), 20: (600, 0.5, 4, 3.0, 0.15), 50: (800, 0.5, 5, 3.0, 0.1)}


@pytest.mark.slow
@pytest.mark.parametrize("n", SETTINGS)
def test_intervals_hold_what_they_say(n, record_property):
    inside, errors, errors_of_tapas = [], [], []
    for seed in range(50):
        truth = network(n, *SETTINGS[n], seed=seed)
        A, sd = fitted(truth, "corrected")
        there = truth.intrinsic
        inside.append((np.abs(A - truth.A) < 1.645 * sd)[there].mean())
        errors.append(((A - truth.A)[there] ** 2).mean())
        errors_of_tapas.append(((fitted(truth, "tapas15")[0] - truth.A)[there] ** 2).mean())
    share, error, of_tapas = np.mean(inside), np.sqrt(np.mean(errors)), np.sqrt(np.mean(errors_of_tapas))
    print(f"{n} regions: 90 % intervals hold {100 * share:.1f} %, error {error:.3f} Hz, of TAPAS {of_tapas:.3f} Hz")
    record_property("coverage", share)
    assert 0.85 <= share <= 0.95
    assert error <= of_tapas
