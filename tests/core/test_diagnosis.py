"""Every finding of a diagnosis, on fits made by hand: silent where nothing is wrong, and heard where something is."""

from dataclasses import replace

import numpy as np
import pytest
import strategies
from statsmodels.stats.diagnostic import acorr_ljungbox

import ltc_causal as lc
from ltc_causal.core.diagnosis import Level, diagnose, ljung_box
from ltc_causal.core.result import Approximation, Status

TRUTH = strategies.TRUTH | {"C[photic->V1]": 1.5}
NOISE_SD = 0.1
MODEL = strategies.three_regions(flow="bilinear")
CLEAN = lc.simulate(MODEL, TRUTH, strategies.blocks(240.0), dt=2.0)


def with_noise(noise, signal=CLEAN.series.values):
    """A fit whose prediction is the signal, and whose residuals are the given noise."""
    recording = replace(CLEAN, series=replace(CLEAN.series, values=signal + noise))
    fit = strategies.made_fit(MODEL, TRUTH, recording=recording)
    session = fit.sessions[0]
    log_precision = lc.Gaussian(MODEL.regions, -2 * np.log(noise.std(axis=0) * session.scale), np.eye(3) / 60)
    return replace(fit, sessions=(replace(session, prediction=signal, noise=log_precision),))


def white(seed=1, sd=NOISE_SD):
    noise = np.random.default_rng(seed).standard_normal((120, 3))
    return sd * (noise - noise.mean(axis=0))


GOOD = with_noise(white())


def posterior_of(change):
    """GOOD with mean and covariance of its posterior changed in place."""
    mean, cov = GOOD.posterior.mean.copy(), GOOD.posterior.cov.copy()
    change(mean, cov)
    return replace(GOOD, posterior=lc.Gaussian(GOOD.posterior.names, mean, cov))


def at(name):
    return GOOD.posterior.index(name)


def with_value(name, value):
    def change(mean, cov):
        mean[at(name)] = value

    return posterior_of(change)


def with_correlation(one, other, r):
    def change(mean, cov):
        i, j = at(one), at(other)
        cov[i, j] = cov[j, i] = r * np.sqrt(cov[i, i] * cov[j, j])

    return posterior_of(change)


def uninformed(names):
    def change(mean, cov):
        for name in names:
            cov[at(name), at(name)] = 0.95 * GOOD.prior.cov[at(name), at(name)]

    return posterior_of(change)


def autocorrelated(r):
    """Noise whose lag-one autocorrelation is about r in V5 only."""
    noise = white()
    for t in range(1, len(noise)):
        noise[t, 1] = r * noise[t - 1, 1] + np.sqrt(1 - r**2) * noise[t, 1]
    return with_noise(noise)


def too_precise(times):
    noise = GOOD.sessions[0].noise
    shifted = lc.Gaussian(noise.names, noise.mean + np.array([0, 0, np.log(times)]), noise.cov)
    return replace(GOOD, sessions=(replace(GOOD.sessions[0], noise=shifted),))


def buried(region, sd):
    noise = white()
    noise[:, region] *= sd / NOISE_SD
    return with_noise(noise)


def test_a_good_fit_is_fine_throughout():
    found = diagnose(GOOD)
    assert found.level is Level.FINE, str(found)
    assert len(found) == 16 and len({finding.name for finding in found}) == 16


CASES = {
    "convergence": [
        (replace(GOOD, status=Status.STALLED), "bad", "start elsewhere"),
        (replace(GOOD, status=Status.UNKNOWN), "look", "does not say"),
        (replace(GOOD, status=Status.NOT_INFORMED), "look", "do not inform"),
    ],
    "gradient norm": [
        (replace(GOOD, gradient_norm=0.3), "look", "stopped short"),
        (replace(GOOD, gradient_norm=3.0), "bad", "did not reach"),
        (replace(GOOD, gradient_norm=np.nan), "bad", "did not reach"),
        (replace(GOOD, gradient_norm=np.nan, status=Status.UNKNOWN), "look", "fit again"),
    ],
    "variance explained [V5]": [(buried(1, 1.6), "look", "input or a connection"), (buried(1, 4.0), "bad", "hardly explains")],
    "largest connection": [
        (with_value("A[V1->V5]", -1.4), "look", "A[V1->V5]"),
        (with_value("B[motion: V1->V5]", 2.5), "bad", "B[motion: V1->V5]"),
        (strategies.made_fit(MODEL, {"A[V1->V5]": 0.1}, recording=CLEAN), "look", "hardly act"),
    ],
    "stability at rest": [(with_value("A[V5->V1]", 0.7), "bad", "grow without end")],
    "effective parameters": [
        (uninformed(GOOD.prior.names), "bad", "next to nothing"),
        (strategies.made_fit(MODEL, TRUTH, recording=lc.simulate(MODEL, TRUTH, strategies.blocks(40.0), dt=2.0)), "look", "simplify"),
    ],
    "not informed": [(uninformed(["A[V5->SPC]", "transit[V1]"]), "look", "A[V5->SPC], transit[V1]")],
    "posterior correlation": [
        (with_correlation("A[V1->V5]", "B[motion: V1->V5]", -0.85), "look", "A[V1->V5] with B[motion: V1->V5] (-0.85)"),
        (with_correlation("A[V1->V5]", "C[photic->V1]", 0.995), "bad", "read neither alone"),
    ],
    "edge of prior": [
        (with_value("transit[V5]", 2.5 / 16), "look", "transit[V5]"),
        (with_value("decay", -4.0 / 16), "bad", "decay"),
    ],
    "residual autocorrelation [V5]": [(autocorrelated(0.35), "look", "not white"), (autocorrelated(0.7), "bad", "far from white")],
    "noise precision": [(too_precise(1.7), "look", "SPC"), (too_precise(3.0), "bad", "NoisePrior")],
    "signal scaling": [
        (with_noise(white(), signal=2 * CLEAN.series.values), "look", "driving couplings"),
        (with_noise(white(), signal=4 * CLEAN.series.values), "bad", "percent"),
    ],
}


@pytest.mark.parametrize(
    ("name", "fit", "level", "words"),
    [(name, *case) for name, cases in CASES.items() for case in cases],
    ids=[f"{name}-{number}" for name, cases in CASES.items() for number in range(len(cases))],
)
def test_a_fault_is_found(name, fit, level, words):
    finding = diagnose(fit)[name]
    assert finding.level.value == level and words in finding.advice, finding


def test_numbers_are_what_they_say():
    found = diagnose(GOOD)
    np.testing.assert_allclose(found["variance explained [SPC]"].value, 100 * GOOD.variance_explained[2])
    assert found["largest connection"].value == pytest.approx(0.4)
    assert found["noise precision"].value == pytest.approx(1.0)

    assert found["stability at rest"].value == pytest.approx(np.linalg.eigvals(GOOD.coupling.A).real.max())
    shrinkage = 1 - np.diag(GOOD.posterior.cov) / np.diag(GOOD.prior.cov)
    assert found["effective parameters"].value == pytest.approx(shrinkage.sum())
    assert diagnose(with_value("decay", -0.125))["edge of prior"].value == pytest.approx(2.0)


def test_haemodynamics_alone_may_stay_uninformed():
    """Their priors are narrow on purpose: named, but no fault."""
    finding = diagnose(uninformed(["epsilon", "transit[V1]"]))["not informed"]
    assert finding.level is Level.FINE and finding.value == 2 and "epsilon" in finding.advice


def test_fixed_parameters_are_left_out():
    cov = GOOD.prior.cov.copy()
    at_epsilon = at("epsilon")
    cov[at_epsilon, at_epsilon] = 0.0
    prior = lc.Gaussian(GOOD.prior.names, GOOD.prior.mean, cov)

    def fix(mean, cov):
        cov[at_epsilon] = cov[:, at_epsilon] = 0.0

    fit = replace(posterior_of(fix), model=strategies.three_regions(flow="bilinear", prior=prior))
    found = diagnose(fit)
    assert found.level is Level.FINE and "of 12 free" in found["effective parameters"].advice


def test_the_approximation_has_its_line():
    for shift, level in ((0.4, Level.FINE), (1.8, Level.LOOK)):
        fit = replace(GOOD, approximation=Approximation(0.05, shift, "A[V1->V5]"))
        finding = diagnose(fit)["bilinear approximation"]
        assert finding.value == shift and finding.level is level and "A[V1->V5]" in finding.advice


def test_the_worst_session_counts():
    bad = autocorrelated(0.7).sessions[0]
    fit = replace(GOOD, sessions=(GOOD.sessions[0], replace(bad, scale=0.4), GOOD.sessions[0]))
    found = diagnose(fit)
    assert found["residual autocorrelation [V5]"].level is Level.BAD and found["residual autocorrelation [V1]"].level is Level.FINE
    assert found["signal scaling"].value == 0.4
    assert "from 1080 samples" in found["effective parameters"].advice


@pytest.mark.parametrize(("r", "n"), [(0.0, 120), (0.5, 120), (0.2, 40)])
def test_ljung_box_agrees_with_statsmodels(r, n):
    series = np.random.default_rng(7).standard_normal(n)
    for t in range(1, n):
        series[t] += r * series[t - 1]
    first, p = ljung_box(series)
    lags = min(10, n // 5)
    assert p == pytest.approx(acorr_ljungbox(series, [lags])["lb_pvalue"].iloc[0], rel=1e-9)
    assert first == pytest.approx(np.corrcoef(series[1:], series[:-1])[0, 1], abs=0.05)


def test_it_reads_as_a_table():
    found = GOOD.diagnose()
    frame = found.to_frame()
    assert list(frame.columns) == ["finding", "value", "unit", "level", "advice"] and len(frame) == len(found)
    text = str(found)
    assert text.startswith("16 findings: 16 fine, 0 to look at, 0 bad.")
    assert all(finding.name in text and finding.advice in text for finding in found)
    assert max(map(len, text.splitlines())) <= 200
    with pytest.raises(lc.InputError, match="did you mean 'convergence'"):
        found["convergance"]


def test_a_real_fit_can_be_diagnosed():
    recording = lc.simulate(MODEL, TRUTH, strategies.blocks(240.0), dt=2.0, snr=3, seed=2)
    found = lc.fit(MODEL, recording).diagnose()
    assert found["convergence"].level is Level.FINE and found["residual autocorrelation [V1]"].level is Level.FINE
    assert found["noise precision"].level is Level.BAD  # SPM's noise prior at this signal to noise: see docs/calibration.md
    wide = lc.fit(replace(MODEL, noise=lc.NoisePrior(4.0, 4.0)), recording).diagnose()
    assert wide["noise precision"].level is Level.FINE
