"""The group's model: against linear models, whose joint posterior and evidence are known, against SPM, and its numbers in Hz."""

from dataclasses import replace

import group_subjects
import numpy as np
import pandas as pd
import pytest
from group_subjects import LinearGroup, centred, two_groups
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from strategies import TRUTH, made_fit, three_regions

import ltc_causal as lc
from ltc_causal.group.peb import EmpiricalBayes, first_level, peb, second_level
from ltc_causal.group.second_level import FirstLevel, integrated

KNOWN = EmpiricalBayes(log_precision_variance=1e-12)


def random_group(seed, n=9, p=3, **settings):
    rng = np.random.default_rng(seed)
    X = centred(rng.normal(size=n))
    prior_sd = rng.uniform(0.3, 3, p)
    return X, LinearGroup(X, rng.normal(size=(2, p)), prior_sd / 4, prior_sd, seed, prior_mean=0.2, **settings)


@given(seed=st.integers(0, 10**6))
def test_a_known_variance_between_subjects_gives_the_exact_posterior_and_evidence(seed):
    """All subjects' data at once, as one regression with correlated noise, say the same as their single posteriors."""
    X, linear = random_group(seed)
    group = peb(linear.fits(), pd.DataFrame({"x": X[:, 1]}), method=KNOWN)
    mean, cov, evidence = linear.joint(group.prior.mean, group.prior.cov, np.diag(linear.prior_sd**2 / 16))
    assert np.allclose(group.effects.mean, mean, atol=1e-7) and np.allclose(group.effects.cov, cov, atol=1e-7)
    assert group.free_energy == pytest.approx(evidence, abs=1e-5)
    assert np.allclose(group.between, np.diag(linear.prior_sd**2 / 16), rtol=1e-4)


@given(seed=st.integers(0, 10**6))
def test_each_subject_is_reestimated_as_if_fitted_under_the_groups_expectation(seed):
    X, linear = random_group(seed, n=5)
    group = peb(linear.fits(), pd.DataFrame({"x": X[:, 1]}))
    for name, fit in group.subjects.items():
        again = linear.fits(group.empirical_prior(name))[int(name) - 1]
        found = group.reestimated(name)
        assert np.allclose(found.posterior.mean, again.posterior.mean, atol=1e-7)
        assert np.allclose(found.posterior.cov, again.posterior.cov, atol=1e-8)
        assert found.log_evidence_change == pytest.approx(again.free_energy - fit.free_energy, abs=1e-6)


@pytest.mark.parametrize("components", ["parameter", "one"])
def test_the_gradient_that_is_climbed_is_that_of_the_evidence(components):
    X, linear = random_group(3)
    method = EmpiricalBayes(components=components)
    group = peb(linear.fits(), pd.DataFrame({"x": X[:, 1]}), method=method)
    data = first_level(group.subjects, group.parameters, method)
    model = second_level(linear.prior, group.design, method)
    g = group.log_precision.mean + 0.3
    numerical = approx_fprime(g, lambda one: integrated(data, model, one)[0], 1e-6)
    assert np.allclose(integrated(data, model, g)[1], numerical, atol=1e-4)
    at_top = integrated(data, model, group.log_precision.mean)[1] - group.log_precision.mean
    assert np.abs(at_top).max() < 1e-3 and group.converged


def test_laplace_for_the_one_log_precision_is_near_its_integral():
    """The free energy against the integral over g on a grid."""
    X, linear = random_group(5, n=25)
    method = EmpiricalBayes(components="one")
    group = peb(linear.fits(), pd.DataFrame({"x": X[:, 1]}), method=method)
    data, model = first_level(group.subjects, group.parameters, method), second_level(linear.prior, group.design, method)
    grid = np.linspace(-4, 4, 801)
    logs = np.array([integrated(data, model, np.array([g]))[0] for g in grid]) - grid**2 / 2 - 0.5 * np.log(2 * np.pi)
    integral = np.log(np.exp(logs - logs.max()).sum() * (grid[1] - grid[0])) + logs.max()
    assert group.free_energy - sum(fit.free_energy for fit in group.subjects.values()) == pytest.approx(integral, abs=0.05)


def test_intervals_of_a_group_effect_hold_their_share_of_the_truths():
    """300 groups of 16 with an effect drawn from nowhere in particular: 90 % intervals, within three binomial standard errors."""
    inside = []
    for seed in range(150):
        member, linear = two_groups(seed, n=16, effect=float(np.random.default_rng(seed).normal()))
        effect = peb(linear.fits(), pd.DataFrame({"member": member})).effect("member")
        lower, upper = effect.interval(0.9)
        inside += list((lower <= linear.b[1]) & (linear.b[1] <= upper))
    assert abs(np.mean(inside) - 0.9) < 3 * np.sqrt(0.09 / len(inside))


@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
def test_the_unit_and_origin_of_a_covariate_do_not_matter(seed, scale, shift):
    X, linear = random_group(seed, n=6, p=2)
    group = peb(linear.fits(), pd.DataFrame({"x": X[:, 1]}))
    other = peb(linear.fits(), pd.DataFrame({"x": scale * X[:, 1] + shift}))
    assert other.free_energy == pytest.approx(group.free_energy, abs=1e-4)
    assert np.allclose(other.effect("x").mean * scale, group.effect("x").mean, atol=1e-3)
    assert np.allclose(other.effect().mean, group.effect().mean, atol=1e-3)


def test_the_order_of_subjects_does_not_matter_and_rows_go_by_name():
    X, linear = random_group(1)
    names = [f"sub-{i}" for i in range(9)]
    fits = dict(zip(names, linear.fits(), strict=True))
    table = pd.DataFrame({"x": X[:, 1]}, index=names)
    group = peb(fits, table)
    shuffled = peb(dict(reversed(fits.items())), table.sample(frac=1, random_state=0))
    assert np.allclose(group.effects.mean, shuffled.effects.mean, atol=1e-5)
    more = pd.concat([table, pd.DataFrame({"x": [99.0]}, index=["who-was-not-fitted"])])
    assert np.allclose(peb(fits, more).effects.mean, group.effects.mean)


def test_spm_agrees():
    d, fits, shared = group_subjects.spm()
    group = peb(fits, pd.DataFrame({"group": d["peb_design"][:, 1]}), shared, EmpiricalBayes.spm())
    assert np.allclose(group.prior.mean, d["peb_prior_mean"]) and np.allclose(group.prior.cov, d["peb_prior_cov"])
    sd = np.sqrt(np.diag(d["peb_effects_cov"]))
    assert np.abs((group.effects.mean - d["peb_effects"]) / sd).max() <= 1e-3
    assert np.abs(group.effects.sd / sd - 1).max() <= 1e-3
    assert abs(group.free_energy - d["peb_free_energy"]) <= 1e-2
    assert np.abs(group.log_precision.mean - d["peb_log_precision"]).max() <= 1e-3
    assert np.allclose(group.between_sd, np.sqrt(np.diag(d["peb_between"])), rtol=1e-3)
    for k, name in enumerate(group.subjects):  # SPM adds e^-16 to every variance here
        assert np.abs(group.reestimated(name).posterior.mean - d["peb_reestimated_mean"][:, k]).max() <= 1e-3


def test_spm_stops_early_and_its_prior_between_subjects_is_narrow():
    """With SPM's priors the exact path ends within a twentieth of an sd of SPM's; freed of them the data raise the free energy."""
    d, fits, shared = group_subjects.spm()
    design = pd.DataFrame({"group": d["peb_design"][:, 1]})
    sd = np.sqrt(np.diag(d["peb_effects_cov"]))
    exact = peb(fits, design, shared, replace(EmpiricalBayes.spm(), path="exact"))
    assert np.abs((exact.effects.mean - d["peb_effects"]) / sd).max() <= 0.05
    assert peb(fits, design, shared, EmpiricalBayes(overconfidence=1 / 16)).free_energy > exact.free_energy + 5


def test_overconfidence_adds_a_share_of_the_priors_precision():
    X, linear = random_group(2, n=4)
    fits = linear.fits()
    posteriors, priors = [fit.posterior for fit in fits], [fit.prior for fit in fits]
    usual, more = FirstLevel.of(posteriors, priors), FirstLevel.of(posteriors, priors, 0.5)
    assert np.allclose(more.precision - usual.precision, 0.5 * np.linalg.inv(linear.prior.cov))


# --- in Hz ---------------------------------------------------------------------------------------------------------------------------


def dcm_group(n=8, seed=0):
    """Fits made by hand: every second subject has a stronger A[V1->V5]."""
    rng = np.random.default_rng(seed)
    recording = made_fit().recording
    fits = {}
    for k in range(n):
        truth = {name: value + 0.05 * rng.normal() for name, value in TRUTH.items()}
        truth["A[V1->V5]"] += 0.3 * (k % 2)
        fits[f"s{k}"] = made_fit(truth=truth, recording=recording)
    return fits, pd.DataFrame({"kind": ["control", "patient"] * (n // 2), "age": rng.normal(40, 9, n)}, index=list(fits))


def test_the_groups_coupling_is_that_of_its_expected_parameters():
    fits, table = dcm_group()
    group = peb(fits, table)
    model = three_regions()
    assert group.parameters == tuple(model.edge_names)
    for at in ({}, {"kind": "patient"}, {"kind": "control", "age": 55.0}):
        coupling = group.coupling(at)
        theta = np.mean([fit.posterior.mean for fit in fits.values()], axis=0)
        theta[: len(model.edge_names)] = group.expected(at).mean
        assert np.allclose(coupling.posterior.mean, model.edge_values(theta))
        # Only self-connections are on another scale than Hz, and C in sixteenths.
        e = coupling.posterior.names.index("A[V1->V5]")
        assert coupling.posterior.sd[e] == pytest.approx(group.expected(at).sd[e])
        assert coupling.between_sd[e] == pytest.approx(group.between_sd[e])
        own = coupling.posterior.names.index("A[V1->V1]")
        at_own = group.parameters.index("A[V1->V1]")
        assert coupling.posterior.sd[own] == pytest.approx(abs(coupling.posterior.mean[own]) * group.expected(at).sd[at_own])


def test_the_difference_in_hz_is_that_of_draws():
    fits, table = dcm_group()
    group = peb(fits, table)
    first, second = {"kind": "control"}, {"kind": "patient"}
    difference = group.difference(first, second)
    draws = group.effects.sample(1000, 0)
    theta = np.tile(np.mean([fit.posterior.mean for fit in fits.values()], axis=0), (1000, 1))
    values = []
    for at in (first, second):
        theta[:, : len(group.parameters)] = draws @ np.kron(group.design.row(at), np.eye(len(group.parameters))).T
        values.append(np.array([three_regions().edge_values(one) for one in theta]))
    drawn = values[1] - values[0]
    assert np.allclose(difference.posterior.mean, drawn.mean(axis=0), atol=5 * drawn.std(axis=0).max() / np.sqrt(1000))
    assert np.allclose(difference.posterior.sd, drawn.std(axis=0), rtol=0.12)
    assert difference.posterior.probability("A[V1->V5]") > 0.99
    assert difference.coupling.A[1, 0] == pytest.approx(difference.posterior.mean[difference.posterior.names.index("A[V1->V5]")])
    assert "patient" in str(difference) and "A" in str(group.coupling())


def test_what_is_not_shared_stands_at_the_average():
    fits, table = dcm_group()
    group = peb(fits, table, "A")
    coupling = group.coupling()
    means = np.array([fit.posterior.mean[fit.posterior.names.index("B[motion: V1->V5]")] for fit in fits.values()])
    e = coupling.posterior.names.index("B[motion: V1->V5]")
    assert coupling.posterior.mean[e] == pytest.approx(means.mean())
    assert coupling.posterior.sd[e] == pytest.approx(means.std(ddof=1) / np.sqrt(len(means)))
    assert coupling.between_sd[e] == pytest.approx(means.std(ddof=1))


def test_in_words():
    fits, table = dcm_group()
    group = peb(fits, table)
    text = str(group)
    assert "Group of 8 subjects" in text and "centred, so that the mean is that of all subjects" in text
    assert f"age (mean {table['age'].mean():.4g})" in text and "kind is coded 0 for 'control' and 1 for the level named" in text
    assert "did not converge" not in text
    doubtful = {**fits, "s0": replace(fits["s0"], status=lc.Status.MAXIMUM_ITERATIONS)}
    assert "The fits of 1 subject(s) did not converge or do not say so: s0." in str(peb(doubtful, table))
    frame = group.to_frame()
    row = frame[(frame.covariate == "kind[patient]") & (frame.parameter == "A[V1->V5]")].iloc[0]
    assert row["probability_positive"] > 0.99 and np.isnan(row["between_sd"])


def test_signals_that_were_scaled_down_are_said():
    fits, table = dcm_group()

    def scaled(*factors):
        return {
            name: replace(fit, sessions=tuple(replace(one, scale=factors[k % len(factors)]) for one in fit.sessions))
            for k, (name, fit) in enumerate(fits.items())
        }

    (sentence,) = peb(scaled(0.5, 0.8), table).doubts
    assert (
        "of 8 subject(s) were scaled down, by factors of 0.5 to 0.8" in sentence
        and "signal_range=None" in sentence
        and sentence in str(peb(scaled(0.5, 0.8), table))
    )
    assert peb(scaled(1.0), table).doubts == [] and "of 4 subject(s)" in peb(scaled(1.0, 0.6), table).doubts[0]
    again = peb(peb(scaled(0.5, 0.8), table).subjects, table)  # of what a group keeps, as of the fits
    assert again.doubts == [sentence]


FITS = LinearGroup(centred(np.arange(5)), np.zeros((2, 2)), np.ones(2), np.ones(2)).fits()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((FITS[:1],), "peb needs at least 2 subjects, got 1"),
        ((FITS[0],), "one fit a subject, as a list"),
        (([*FITS, "no fit"],), "that of '6' is a str: give fits"),
        ((FITS, None, ["p0", "p7"]), "Unknown parameter 'p7' in the parameters that vary in peb"),
        ((FITS, None, []), "at least one"),
        ((FITS, None, "XY"), "must name some of the matrices"),
        ((FITS, [1, 2, 3, 4, 5]), "must be a pandas DataFrame"),
        ((FITS, pd.DataFrame({"x": [1, 2, 3]})), "3 rows and there are 5 subjects"),
        ((FITS, pd.DataFrame({"x": [1.0, 2, 3, np.nan, 5]})), "'x' is missing for 1 subject"),
        ((FITS, pd.DataFrame({"x": [3.0] * 5})), "'x' is the same in all subjects"),
        ((FITS, pd.DataFrame({"sex": ["f"] * 5})), "'sex' is the same in all subjects"),
        ((FITS, pd.DataFrame({"mean": np.arange(5)})), "none called 'mean'"),
        ((FITS, pd.DataFrame({"x": np.arange(5), "y": 2 * np.arange(5) + 1})), "depend on one another"),
        ((dict(zip("abcde", FITS, strict=True)), pd.DataFrame({"x": np.arange(5)})), "'a' is missing or repeated"),
    ],
)
def test_bad_input_is_said_in_a_sentence(arguments, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        peb(*arguments)


def test_bad_questions_are_said_in_a_sentence():
    group = peb(FITS, pd.DataFrame({"sex": list("fmfmf"), "age": np.arange(5)}))
    for question, sentence in [
        (lambda: group.expected({"sex": "x"}), "has the levels \\['f', 'm'\\], not 'x'"),
        (lambda: group.expected({"agee": 3}), "Unknown covariate 'agee' in the design: did you mean 'age'"),
        (lambda: group.expected({"age": "old"}), "'age' must be a finite number"),
        (lambda: group.effect("sex"), "Unknown covariate 'sex'"),
        (lambda: group.coupling(), "no model"),
        (lambda: group.reestimated("9"), "Unknown subject '9'"),
        (lambda: EmpiricalBayes(share=0), "share\\) must be a positive number"),
        (lambda: EmpiricalBayes(path="fast"), "must be one of \\['exact', 'spm'\\]"),
        (lambda: EmpiricalBayes(overconfidence=-1), "0 or more"),
    ]:
        with pytest.raises(lc.InputError, match=sentence):
            question()
