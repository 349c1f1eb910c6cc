"""Networks of skewed sources: recovery of directions and strengths, honest intervals, and what a Gaussian network cannot show."""

import numpy as np
import pytest

import ltc_causal as lc
from ltc_causal.inference.sources import independent_share

REGIONS = ("a", "b", "c", "d")
TRUTH = np.zeros((4, 4))  # a -> b -> c, c -> b, d alone; row = target
TRUTH[1, 0], TRUTH[2, 1], TRUTH[1, 2] = 0.5, 0.5, 0.3


def recording(seed, n_time=800, gaussian=False, B=TRUTH):
    rng = np.random.default_rng(seed)
    n = len(B)
    e = rng.standard_normal((n_time, n)) if gaussian else rng.gamma(1.0, size=(n_time, n))
    values = e @ np.linalg.inv(np.eye(n) - B).T
    return lc.Recording(lc.TimeSeries(values, 2.0, REGIONS[:n]), lc.Inputs(np.zeros((n_time, 0)), 2.0, ()))


def strengths(fit, one):
    """The true B between standardised signals, in the order of the fit's connections."""
    sd = one.series.values.std(axis=0)
    return (TRUTH * sd / sd[:, None])[~np.eye(4, dtype=bool)]


def test_directions_are_found_with_a_loop_among_them():
    fit = lc.fit(lc.SourceNetwork(REGIONS), recording(0))
    assert fit.status.ok
    table = lc.connection_probabilities(fit).set_index("connection")["probability"]
    real = {"A[a->b]", "A[b->c]", "A[c->b]"}
    assert table[list(real)].min() > 0.99
    assert table.drop(list(real)).max() < 0.7


def test_intervals_hold_the_truth_as_often_as_they_say():
    z = []
    for seed in range(25):
        one = recording(seed)
        fit = lc.fit(lc.SourceNetwork(REGIONS, prior_sd=0.3), one)
        z.append((fit.posterior.mean[:12] - strengths(fit, one)) / fit.posterior.sd[:12])
    held = (np.abs(z) < 1.645).mean()
    assert 0.85 < held < 0.97


def test_gaussian_sources_tell_no_direction():
    """Seen both ways, a pair has the same likelihood: the evidence for a -> b and for b -> a cannot differ."""
    B = np.array([[0.0, 0.0], [0.5, 0.0]])
    fits = [lc.fit(lc.SourceNetwork(REGIONS[:2], prior_sd=0.5), recording(seed, gaussian=True, B=B)) for seed in range(12)]
    right = [abs(fit.posterior.mean[1]) > abs(fit.posterior.mean[0]) for fit in fits]
    assert 2 <= sum(right) <= 10
    skewed = [lc.fit(lc.SourceNetwork(REGIONS[:2], prior_sd=0.5), recording(seed, B=B)) for seed in range(12)]
    assert all(abs(fit.posterior.mean[1]) > abs(fit.posterior.mean[0]) for fit in skewed)


def test_the_width_of_the_prior_is_where_the_evidence_is_highest():
    one = recording(3)
    found = lc.fit(lc.SourceNetwork(REGIONS), one)
    for factor in (0.7, 1.4):
        other = lc.fit(lc.SourceNetwork(REGIONS, prior_sd=found.model.prior_sd * factor), one)
        assert other.free_energy < found.free_energy


def test_what_the_regions_receive_and_add_makes_up_the_signal():
    one = recording(4)
    fit = lc.fit(lc.SourceNetwork(REGIONS), one)
    np.testing.assert_allclose(fit.prediction + fit.confounds + fit.residuals, one.series.values, atol=1e-12)
    effect = lc.total_effect(fit, "a", "c")
    assert effect.lower < np.linalg.inv(-fit.coupling.A)[2, 0] < effect.upper
    assert set(fit.to_frame()["unit"]) == {"per time constant"}


def test_a_slow_signal_is_worth_fewer_samples():
    rng = np.random.default_rng(0)
    white = rng.standard_normal((4000, 1))
    slow = np.zeros_like(white)
    for t in range(1, len(white)):
        slow[t] = 0.8 * slow[t - 1] + white[t]
    assert independent_share(white) == pytest.approx(1.0, abs=0.02)
    assert independent_share(slow) == pytest.approx((1 - 0.64) / (1 + 0.64), abs=0.03)  # the sum of 0.8^(2k)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"regions": ["a"]}, "2 to 50 regions, got 1"),
        ({"regions": ["a", "b"], "prior_sd": -1.0}, "prior_sd must be a positive number"),
    ],
)
def test_networks_that_cannot_be_are_refused(arguments, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        lc.SourceNetwork(**arguments)


@pytest.mark.parametrize(
    ("recordings", "settings", "sentence"),
    [(2, {}, "fitted to one recording, got 2"), (1, {"start": {"A[a->b]": 0.1}}, "leave out method and start")],
)
def test_what_a_network_of_sources_does_not_take_is_refused(recordings, settings, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        lc.fit(lc.SourceNetwork(REGIONS), [recording(seed) for seed in range(recordings)], **settings)  # pyright: ignore
