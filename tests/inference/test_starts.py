"""Where an ascent begins: several starts and the best of them, starts given by name, and starts that must not win."""

from dataclasses import dataclass, replace

import made
import numpy as np
import pytest
import toys

import ltc_causal as lc


@dataclass(frozen=True, eq=False)
class TwoHills(toys.Linear):
    """y = x theta (theta^2 - 1), whose slope changes sign: from the prior's mean the ascent climbs the wrong hill, left of the true 1.5."""

    def _value(self, theta):
        return theta[0] * (theta[0] ** 2 - 1), 3 * theta[0] ** 2 - 1

    def predict(self, theta, features, differences="exact"):
        return features.plan[..., 0] * self._value(theta)[0], True

    def linearise(self, theta, features):
        x = features.plan[..., 0]
        value, slope = self._value(theta)
        return x * value, (x * slope)[..., None], True


def hills(target=1.5):
    model = TwoHills(lc.Gaussian(("theta",), [-0.4], [[1.0]]))
    flat = toys.recording(toys.Linear(model.prior), np.array([target * (target**2 - 1)]), 0, n_time=100)
    return model, flat


def test_more_starts_find_the_higher_hill():
    model, recording = hills()
    one, many = lc.fit(model, recording), lc.fit(model, recording, lc.VariationalLaplace(starts=12, seed=0))
    assert one.posterior.mean[0] < 0.2 and len(one.starts) == 1 and one.seed is None
    assert many.posterior.mean[0] == pytest.approx(1.5, abs=0.1)
    assert many.free_energy > one.free_energy + 10 and many.seed == 0


def test_the_table_of_starts_tells_where_each_led():
    model, recording = hills()
    fit = lc.fit(model, recording, lc.VariationalLaplace(path="fixed_point", starts=12, seed=0))
    table = fit.starts_frame()
    assert len(table) == 12 and table["free_energy"].max() == fit.free_energy
    assert table["start"][0] == "the model's own" and table["start"][1] == "drawn, 1"
    own = table.iloc[0]
    alone = lc.fit(model, recording, lc.VariationalLaplace(path="fixed_point"))
    assert own["free_energy"] == alone.free_energy and own["distance"] == fit.distance(alone) > 5
    assert "the best of 12 starts" in replace(made.fit(), starts=fit.starts).summary()


def test_the_seed_decides_the_draws():
    model, recording = hills()
    energies = [
        [one.free_energy for one in lc.fit(model, recording, lc.VariationalLaplace(starts=4, seed=seed)).starts] for seed in (1, 1, 2)
    ]
    assert energies[0] == energies[1] and energies[0] != energies[2]


class UnstableRight(TwoHills):
    """Beyond 0.5 the prediction would be perfect, but the model says that it is censored."""

    def linearise(self, theta, features):
        prediction, jacobian, _ = super().linearise(theta, features)
        return prediction, jacobian, bool(theta[0] < 0.5)


@pytest.mark.parametrize("path", ["spm", "fixed_point"])
def test_a_start_whose_prediction_is_censored_does_not_win(path):
    model, recording = hills()
    model = UnstableRight(model.prior)
    starts = lc.VariationalLaplace(path=path, starts=12, seed=0)
    fit = lc.fit(model, recording, starts)
    assert fit.posterior.mean[0] < 0.5 and np.isfinite(fit.free_energy)
    lost = [one for one in fit.starts if one.free_energy == -np.inf]
    assert lost and all(one.status is lc.Status.DIVERGED and one.distance == np.inf for one in lost)
    assert lc.fit(model, recording, start={"theta": 1.5}).status is lc.Status.DIVERGED


class CensoredByDifferences(toys.Linear):
    def predict(self, theta, features, differences="exact"):
        return super().predict(theta, features)[0], False


def test_a_censored_prediction_by_spms_differences_is_no_convergence():
    prior = lc.Gaussian(("p", "q"), [0.0, 0.0], np.eye(2))
    recording = toys.recording(toys.Linear(prior), np.array([1.0, -1.0]), 0)
    method = lc.VariationalLaplace(differences="spm")
    assert lc.fit(toys.Linear(prior), recording, method).status is lc.Status.CONVERGED
    assert lc.fit(CensoredByDifferences(prior), recording, method).status is lc.Status.DIVERGED


def test_a_start_by_name_is_where_the_ascent_begins():
    model, recording = hills()
    assert lc.fit(model, recording, start={"theta": 1.1}).posterior.mean[0] == pytest.approx(1.5, abs=0.1)
    dcm, simulated = made.model(), made.simulated()
    first = lc.fit(dcm, simulated, lc.VariationalLaplace(max_iterations=1), start={"C[photic->V1]": 0.7})
    features = dcm.features(simulated)
    theta = dcm.prior.mean.copy()
    theta[dcm.prior.index("C[photic->V1]")] = 0.7
    np.testing.assert_allclose(first.prediction * features.scale, dcm.predict(theta, features)[0], atol=1e-12)


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        ({"A[V1->V4]": 0.1}, r"Unknown parameter 'A\[V1->V4\]' in the start: did you mean 'A\[V1->V"),
        ({"A[V1->V5]": np.nan}, r"start of 'A\[V1->V5\]' must be a finite number, got nan"),
        ({"A[V1->V5]": "strong"}, "must be a finite number, got 'strong'"),
        ([0.1, 0.2], "A start is a fit, a Gaussian or"),
        (lc.Gaussian(("other",), [0.0], [[1.0]]), "none of the model's parameters"),
    ],
)
def test_a_start_that_cannot_be_used_is_refused(start, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        lc.fit(made.model(), made.recording(), start=start)


def test_a_start_outside_a_low_rank_prior_is_taken_as_near_as_it_can_be():
    prior = lc.Gaussian(("p", "q"), [0.0, 0.0], np.ones((2, 2)))
    model = replace(toys.Linear(prior))
    recording = toys.recording(model, np.array([0.5, 0.5]), 0)
    one, other = lc.fit(model, recording), lc.fit(model, recording, start={"p": 1.0, "q": -1.0})
    np.testing.assert_allclose(one.posterior.mean, other.posterior.mean, atol=1e-6)


@pytest.mark.parametrize("settings", [{"starts": 0}, {"starts": 1.5}, {"max_iterations": 0}])
def test_counts_are_whole_numbers(settings):
    with pytest.raises(lc.InputError, match="whole number of at least 1"):
        lc.VariationalLaplace(**settings)


def test_a_start_names_connections_by_their_pairs_too():
    model, recording = made.model(), made.recording()
    by_name = lc.fit(model, recording, start={"A[V1->V5]": 0.2})
    by_pair = lc.fit(model, recording, start={("V1", "V5"): 0.2})
    np.testing.assert_array_equal(by_name.posterior.mean, by_pair.posterior.mean)


def test_arguments_the_wrong_way_round_are_told_apart():
    with pytest.raises(lc.InputError, match=r"model first and the recording second: write lc\.fit\(model, recording\)"):
        lc.fit(made.recording(), made.model())  # pyright: ignore
