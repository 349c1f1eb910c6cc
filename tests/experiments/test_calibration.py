"""Calibration of a model whose posterior is exact, and the counting of what goes wrong on the way."""

from types import SimpleNamespace

import numpy as np
import pytest
import strategies

import ltc_causal as lc
from ltc_causal.core.model import Features, NoisePrior
from ltc_causal.models.simulate import simulate_states

DT, N_SCAN = 2.0, 60
INPUTS = strategies.blocks()
TIGHT = NoisePrior(2.0, 1e-6)


class Linear:
    """y_r = theta_r g(t), g the input smoothed twice: with known noise, variational Laplace is exact for it."""

    regions, inputs, approximation = ("V1", "V5"), ("photic",), None
    prior = lc.Gaussian(("w1", "w2"), np.array([0.5, -1.0]), np.array([[1.0, 0.6], [0.6, 2.0]]))

    def __init__(self, noise=TIGHT, explode_above=np.inf):
        self.noise, self.explode_above = noise, explode_above
        self.starts = (self.prior.mean,)
        self.unit_course = None

    def prepared_inputs(self, inputs):
        return inputs.select(self.inputs)

    def system(self, theta, echo_time=0.04):
        theta = np.atleast_2d(theta)
        zeros = np.zeros((2, len(theta)))

        def flow(x, u):
            return np.where(theta.T > self.explode_above, np.nan, theta.T * u[0] - x)

        return SimpleNamespace(
            regions=self.regions, inputs=self.inputs, n_draw=len(theta), initial_state=lambda: (zeros, zeros[None]), flow=flow,
            observation_flow=lambda h, x: x[None] - h, observe=lambda x, h: h[0],
        )  # fmt: skip

    def features(self, recording):
        if self.unit_course is None:
            frame = self.prepared_inputs(recording.inputs)
            self.unit_course = simulate_states(self.system(np.ones(2)), frame, len(recording.series.values), recording.delays)[1][:, :, 0]
        return Features(recording.series.values, recording.confounds, 1.0, self.unit_course)

    def predict(self, theta, features, differences="exact"):
        return features.plan * theta, True

    def linearise(self, theta, features):
        return features.plan * theta, features.plan[:, :, None] * np.eye(2), True


def test_an_exact_method_is_calibrated():
    found = lc.calibrate(Linear(), INPUTS, dt=DT, n=200, seed=1)
    assert found.exact and len(found) == 200 and found.failed == found.unstable == found.set_aside == 0
    assert found.p_value > 0.05, str(found)


def test_noise_beyond_its_prior_is_overconfidence():
    """Noise of twice the sd that the model is sure of: z spreads to just below two (what the prior of the weights adds is known exactly)."""
    found = lc.calibrate(Linear(), INPUTS, dt=DT, n=200, seed=1, noise=NoisePrior(2.0 - 2 * np.log(2.0), 1e-6))
    assert not found.exact and found.verdict.startswith("Overconfident")
    share = found.sd**2 / np.diag(Linear.prior.cov)  # of the posterior's information that is the prior's, near enough one for each
    assert found.spread == pytest.approx(np.sqrt(np.mean(4 * (1 - share) + share)), rel=0.08)


def test_autocorrelated_noise_is_overconfidence():
    """A slow course in AR(1) noise: the variance of a weight is (1 + r) / (1 - r) times what white noise of that size would leave."""
    found = lc.calibrate(Linear(), INPUTS, dt=DT, n=200, seed=1, autocorrelation=0.4)
    assert not found.exact and found.verdict.startswith("Overconfident")
    assert 1.2 < found.spread < np.sqrt(1.4 / 0.6) * 1.1


def test_truths_may_be_narrower_than_the_prior():
    narrow = lc.Gaussian(("w2",), np.array([3.0]), np.array([[1e-4]]))
    found = lc.calibrate(Linear(), INPUTS, dt=DT, n=20, truth=narrow)
    assert not found.exact and found.drawn_from == "a given Gaussian"
    np.testing.assert_allclose(found.truth[:, 1], 3.0, atol=0.05)
    assert found.truth[:, 0].std() > 0.3
    sampled = lc.calibrate(Linear(), INPUTS, dt=DT, n=20, truth=lambda rng: rng.uniform([0, 5], [1, 6]))
    assert (sampled.truth[:, 0] < 1).all() and (sampled.truth[:, 1] > 5).all()


def test_unstable_draws_are_replaced_and_counted():
    found = lc.calibrate(Linear(explode_above=1.5), INPUTS, dt=DT, n=60)
    assert len(found) == 60 and found.truth.max() <= 1.5 and found.unstable > 5
    assert f"{found.unstable} unstable draws" in str(found)


def test_setting_aside_by_the_data_keeps_ranks_uniform():
    """Recordings of a small range belong to small weights, and yet their ranks are uniform: the choice depends on the data alone."""
    found = lc.calibrate(Linear(), INPUTS, dt=DT, n=200, seed=2, largest_range=3.0)
    usual = lc.calibrate(Linear(), INPUTS, dt=DT, n=200, seed=2)
    assert found.set_aside > 100 and np.abs(found.truth[:, 1]).mean() < 0.7 * np.abs(usual.truth[:, 1]).mean()
    assert found.p_value > 0.01, str(found)


def test_the_first_truths_do_not_depend_on_how_many():
    few, many = (lc.calibrate(Linear(), INPUTS, dt=DT, n=n, seed=5) for n in (12, 70))
    np.testing.assert_array_equal(few.truth, many.truth[:12])
    np.testing.assert_array_equal(few.mean, many.mean[:12])


def two_regions(**changes):
    settings = dict(
        regions=["V1", "V5"], inputs=["photic", "motion"], intrinsic=[("V1", "V5")], modulatory={"motion": [("V1", "V5")]},
        driving=[("photic", "V1")],
    )  # fmt: skip
    return lc.DCM(**settings | changes)


def test_processes_do_not_change_the_numbers():
    """To rounding: a process that compiled a function rounds otherwise, in the last digit, than one that found it in the cache."""
    one, two = (lc.calibrate(two_regions(), INPUTS, dt=DT, n=10, seed=4, n_jobs=n_jobs) for n_jobs in (1, 2))
    np.testing.assert_array_equal(one.truth, two.truth)
    for field in ("mean", "sd", "distance"):
        np.testing.assert_allclose(getattr(one, field), getattr(two, field), rtol=1e-9, atol=1e-12)


def test_recordings_that_the_model_would_scale_are_set_aside():
    """Strong drive, ranges beyond 4: none is left by default, and kept ones are counted as scaled."""
    strong = lc.Gaussian(("C[photic->V1]",), np.array([6.0]), np.array([[0.01]]))
    with pytest.raises(lc.InputError, match="set aside"):
        lc.calibrate(two_regions(), INPUTS, dt=DT, n=10, truth=strong)
    kept = lc.calibrate(two_regions(), INPUTS, dt=DT, n=10, truth=strong, keep_scaled=True)
    assert kept.scaled == 10 and kept.set_aside == 0
    unscaled = lc.calibrate(two_regions(signal_range=None), INPUTS, dt=DT, n=10, truth=strong)
    assert unscaled.scaled == 0 and unscaled.set_aside == 0


def test_fits_that_fail_are_left_out():
    with pytest.raises(lc.InputError, match="Only 0 of 10 fits converged"):
        lc.calibrate(two_regions(), INPUTS, dt=DT, n=10, method=lc.VariationalLaplace(max_iterations=1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n": 5}, "at least 10 runs"),
        ({"n_jobs": 0}, "one process"),
        ({"autocorrelation": 1.0}, "between -1 and 1"),
        ({"truth": lambda rng: [1.0]}, "must return 2 finite numbers"),
        ({"truth": lc.Gaussian(("w9",), np.zeros(1), np.eye(1))}, "Unknown parameter 'w9'"),
        ({"truth": lambda rng: [9.0, 9.0]}, "narrower truths"),
    ],
)
def test_bad_input_is_said(changes, words):
    with pytest.raises(lc.InputError, match=words):
        lc.calibrate(Linear(explode_above=8.0), INPUTS, dt=DT, **changes)


def test_a_recording_is_no_design():
    with pytest.raises(lc.InputError, match="got str"):
        lc.calibrate(Linear(explode_above=8.0), "a recording", dt=DT)
