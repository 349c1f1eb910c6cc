"""Every tool of the group takes fits of every kind that has a Gaussian posterior: bilinear, liquid and regression DCMs."""

from types import SimpleNamespace

import made
import numpy as np
import pandas as pd
import pytest

import ltc_causal as lc
from ltc_causal.group.averaging import average_models, average_parameters
from ltc_causal.group.comparison import compare_subjects
from ltc_causal.group.peb import peb
from ltc_causal.group.prediction import leave_one_out
from ltc_causal.group.search import search_effects
from ltc_causal.plotting.forest import plot_forest

N, EDGE = 6, "A[V1->V5]"
KINDS = ("bilinear", "liquid", "regression")


def recording(number):
    """Every second subject's V1 acts more strongly on V5."""
    rng = np.random.default_rng(number)
    truth = {EDGE: 0.25 + 0.35 * (number % 2) + 0.02 * rng.normal(), "A[V5->V1]": -0.2, "C[photic->V1]": 2.0}
    return lc.simulate(made.model().with_flow("bilinear"), truth, made.inputs(120), dt=2.0, snr=10.0, seed=number)


def model(kind):
    if kind == "regression":
        return lc.RegressionDCM(made.REGIONS, made.INPUTS, [("V1", "V5"), ("V5", "V1")], [("photic", "V1")], variant="corrected")
    return made.model(kind) if kind == "liquid" else made.model().with_flow("bilinear")


@pytest.fixture(scope="module", params=KINDS)
def study(request):
    its = model(request.param)
    fits = {f"s{number}": lc.fit(its, recording(number)) for number in range(N)}
    table = pd.DataFrame({"kind": ["control", "patient"] * (N // 2)}, index=list(fits))
    return SimpleNamespace(kind=request.param, model=its, fits=fits, table=table, group=peb(fits, table))


def test_the_effect_is_found_on_its_connection_and_told_of_subjects_left_out(study):
    effect = study.group.effect("kind[patient]")
    assert effect.probability(EDGE) > 0.95
    largest = effect.names[int(np.argmax(np.abs(effect.mean / effect.sd)))]
    assert largest == EDGE
    assert (
        search_effects(study.group, [f"kind[patient]: {name}" for name in study.group.parameters]).effects.names
        == study.group.effects.names
    )
    assert leave_one_out(study.group, "kind[patient]").accuracy[0] >= 5 / 6


def test_coupling_difference_graph_and_forest_are_in_hertz(study):
    difference = study.group.difference({"kind": "control"}, {"kind": "patient"})
    graph = lc.group_graph(difference, probability=0.95)
    assert graph.has_edge("V1", "V5") and graph.edges["V1", "V5"]["weight"] > 0.05
    coupling = study.group.coupling({"kind": "patient"})
    own = np.array([lc.causal_graph(fit).edges["V1", "V5"]["weight"] for name, fit in study.fits.items() if int(name[1]) % 2])
    assert lc.group_graph(coupling).edges["V1", "V5"]["weight"] == pytest.approx(own.mean(), abs=0.06)
    ax = plot_forest(study.group, EDGE, by="kind")
    shown = np.concatenate([np.array(container[0].get_xdata(), dtype=float) for container in ax.containers])
    assert np.allclose(np.sort(shown)[-N // 2 :], np.sort(own), atol=1e-6)


def test_subjects_are_averaged_compared_and_estimated_again(study):
    names = study.group.parameters
    together = average_parameters({name: SimpleNamespace(**plain(fit)) for name, fit in study.fits.items()})
    single = np.array([fit.posterior.sd for fit in study.fits.values()])
    free = next(iter(study.fits.values())).prior.free
    assert (together.sd[free] <= single.min(axis=0)[free] + 1e-12).all()
    energies = {"this": study.fits, "worse": {name: SimpleNamespace(free_energy=fit.free_energy - 5) for name, fit in study.fits.items()}}
    assert compare_subjects(energies).fixed[0] == pytest.approx(1 / (1 + np.exp(-5.0 * N)))
    one = study.fits["s0"]
    np.testing.assert_allclose(average_models([one, one]).mean, one.posterior.mean)
    again = study.group.reestimated("s0").posterior.marginal(names)
    assert (again.sd <= one.posterior.marginal(names).sd + 1e-9).all()


def plain(fit):
    """The same with dense covariances, whatever the kind keeps."""
    prior, posterior = (lc.Gaussian(one.names, one.mean, np.asarray(one.cov)) for one in (fit.prior, fit.posterior))
    return {"posterior": posterior, "prior": prior, "free_energy": fit.free_energy}


def test_the_page_of_a_group_can_be_of_liquid_models(tmp_path):
    import made_group

    from ltc_causal.experiments.group_runner import run_group

    start = made_group.CONFIG.index("[models.with]")
    text = made_group.CONFIG[:start] + '[models.with]\nneuronal = "liquid"\nsignal_range = 0\n'
    results = run_group(
        made_group.write_group(tmp_path, text.replace('"data/*.npz"', '"data/sub-[1245].npz"')), tmp_path / "out", workers=1
    )
    assert results.findings is not None and "Hasani" in (tmp_path / "out" / "report.html").read_text()
