"""A study leaves whole files, goes on where it was stopped, and computes again what was made from something else."""

import json
import re
import signal
import sys

import made
import numpy as np
import pandas as pd
import pytest

import ltc_causal as lc
from ltc_causal.core.result import Status
from ltc_causal.experiments import runner
from ltc_causal.experiments.config import read_config
from ltc_causal.experiments.runner import run_study
from ltc_causal.io.archive import load

FILES = {
    "report.html", "overview.svg", "coupling_bilinear.csv", "coupling_liquid.csv", "bilinear.fit", "liquid.fit", "graph.graphml",
    "effects.csv", "total_effects.csv", "comparison.csv", "config.toml", "run.log",
}  # fmt: skip


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One study, run once: (results, folder)."""
    folder = tmp_path_factory.mktemp("study")
    results = run_study(made.write_study(folder), folder / "out")
    return results, folder / "out"


@pytest.fixture
def light(monkeypatch):
    """Leave out the drawing, which no test here looks at."""
    monkeypatch.setattr(runner, "write_report", lambda results, path, seconds: None)
    monkeypatch.setattr(runner, "plot_overview", lambda *_: made_figure())


def made_figure():
    from ltc_causal.plotting.style import new_figure

    return new_figure(1, 1)


def test_every_file_is_there_and_none_else(ran):
    assert {path.name for path in ran[1].iterdir()} == FILES


def test_true_couplings_are_recovered(ran):
    """The data were simulated: the true couplings in Hz lie within four posterior sd of the bilinear model's mean."""
    table = pd.read_csv(ran[1] / "coupling_bilinear.csv").set_index(["matrix", "source", "target"])
    truth = {("A", "V1", "V5"): 0.4, ("A", "V5", "V1"): -0.2, ("B", "V1", "V5"): 0.5, ("C", "photic", "V1"): 2.0 / 16}
    for entry, value in truth.items():
        assert abs(table.loc[entry, "mean"] - value) < 4 * table.loc[entry, "sd"], entry


def test_tables_say_what_the_results_say(ran):
    results, out = ran
    comparison = pd.read_csv(out / "comparison.csv")
    difference = results.fits["liquid"].free_energy - results.fits["bilinear"].free_energy
    assert comparison["log_bayes_factor"].tolist() == pytest.approx([0, difference])
    effects = pd.read_csv(out / "total_effects.csv").set_index(["source", "target"])
    wanted = lc.total_effect(results.inquiry.reduction, "V1", "V5", inputs={"photic": 1.0}, seed=0)
    assert effects.loc[("V1", "V5"), "value"] == wanted.value and effects.loc[("V1", "V5"), "lower"] == wanted.lower


def test_intervention_table_is_the_paired_change_of_the_fit_on_disk(ran):
    _, out = ran
    fit = load(out / "liquid.fit")
    usual, cut = lc.predict(fit, draws=10, seed=0), lc.predict(fit, do=[lc.Cut("V1", "V5")], draws=10, seed=0)
    change = cut.draws - usual.draws
    table = pd.read_csv(out / "effects.csv").set_index("region")
    for column, region in enumerate(made.REGIONS):
        means = change[:, :, column].mean(axis=1)
        row = table.loc[region]
        assert (row["mean_change"], row["lower"]) == pytest.approx((means.mean(), np.quantile(means, 0.05)))
        course = change[:, :, column].mean(axis=0)
        peak = np.argmax(np.abs(course))
        assert (row["largest_change"], row["at_seconds"]) == pytest.approx((course[peak], 2.0 * peak))


def test_resolved_config_makes_the_same_study(ran):
    results, out = ran
    assert read_config(out / "config.toml") == results.config


def test_log_has_times_and_steps(ran):
    lines = (ran[1] / "run.log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR) ", line) for line in lines)
    assert "Fitting bilinear" in lines[2] and lines[-1].endswith("Run finished")


def test_a_second_run_loads_the_fits(tmp_path, monkeypatch, light):
    path = made.write_study(tmp_path)
    first = run_study(path, tmp_path / "out")
    monkeypatch.setattr(runner, "fit", lambda *_, **__: pytest.fail("fitted again"))
    second = run_study(path, tmp_path / "out")
    for name, fit in first.fits.items():
        assert second.fits[name].free_energy == fit.free_energy
        np.testing.assert_array_equal(second.fits[name].posterior.cov, fit.posterior.cov)


def counted(monkeypatch):
    """The models that are really fitted."""
    fitted = []
    true_fit = runner.fit

    def counting(model, *args, **kwargs):
        fitted.append(model.neuronal)
        return true_fit(model, *args, **kwargs)

    monkeypatch.setattr(runner, "fit", counting)
    return fitted


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (("draws = 10", "draws = 11"), []),
        (('neuronal = "liquid"\nstart = "bilinear"', 'neuronal = "liquid"'), ["liquid"]),
        (("[causal]", "[fit]\nmax_iterations = 100\n\n[causal]"), ["bilinear", "liquid"]),
        (('[["V1", "V5"], ["V5", "V1"]]', '[["V1", "V5"]]'), ["bilinear", "liquid"]),
    ],
    ids=["predictions", "start", "method", "structure"],
)
def test_only_what_was_made_from_something_else_is_fitted_again(tmp_path, monkeypatch, light, change, again):
    run_study(made.write_study(tmp_path), tmp_path / "out")
    fitted = counted(monkeypatch)
    run_study(made.write_study(tmp_path, made.CONFIG.replace(*change)), tmp_path / "out")
    assert fitted == again


def test_other_data_damage_and_fresh_are_fitted_again(tmp_path, monkeypatch, light):
    path = made.write_study(tmp_path)
    run_study(path, tmp_path / "out")
    fitted = counted(monkeypatch)
    damaged = tmp_path / "out" / "liquid.fit"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    run_study(path, tmp_path / "out")
    assert fitted == ["liquid"]
    run_study(path, tmp_path / "out", fresh=True)
    assert fitted == ["liquid", "bilinear", "liquid"]
    made.write_study(tmp_path, echo_time=0.03)
    run_study(path, tmp_path / "out")
    assert fitted[3:] == ["bilinear", "liquid"]


def test_stopped_run_leaves_whole_files_and_goes_on(tmp_path, monkeypatch, light):
    path, out = made.write_study(tmp_path), tmp_path / "out"
    true_fit = runner.fit

    def stopped(model, *args, **kwargs):
        if model.neuronal == "liquid":
            raise KeyboardInterrupt
        return true_fit(model, *args, **kwargs)

    monkeypatch.setattr(runner, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_study(path, out)
    assert {file.name for file in out.iterdir()} == {"bilinear.fit", "config.toml", "run.log"}
    assert load(out / "bilinear.fit").status is Status.CONVERGED
    assert "WARNING Run stopped by the user" in (out / "run.log").read_text()
    monkeypatch.setattr(runner, "fit", true_fit)
    fitted = counted(monkeypatch)
    run_study(path, out)
    assert fitted == ["liquid"]


def test_an_interrupt_that_python_drops_stops_the_run_at_the_next_step(tmp_path, monkeypatch, light):
    """Python ignores what is raised in a destructor; the signal still stops the run, after the fit at hand is on disk."""
    true_fit = runner.fit

    class Dropped:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def fit(*args, **kwargs):
        Dropped()
        return true_fit(*args, **kwargs)

    monkeypatch.setattr(runner, "fit", fit)
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_study(made.write_study(tmp_path), tmp_path / "out")
    assert (tmp_path / "out" / "bilinear.fit").exists() and not (tmp_path / "out" / "liquid.fit").exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_that_compiled_code_turns_into_an_error_still_stops_the_run(tmp_path, monkeypatch, light):
    def fit(*_, **__):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise SystemError("returned a result with an exception set") from None

    monkeypatch.setattr(runner, "fit", fit)
    with pytest.raises(KeyboardInterrupt):
        run_study(made.write_study(tmp_path), tmp_path / "out")


def test_a_diverged_fit_is_reported_and_asked_nothing(tmp_path, monkeypatch):
    """The report is written, with the reason in it, and no table of what such a fit would say."""
    true_fit = runner.fit

    def diverging(model, *args, **kwargs):
        result = true_fit(model, *args, **kwargs)
        lost = {"status": Status.DIVERGED, "free_energy": -np.inf} if model.neuronal == "liquid" else {}
        return lc.Fit(**{**vars(result), **lost})

    monkeypatch.setattr(runner, "fit", diverging)
    results = run_study(made.write_study(tmp_path), tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert results.unconverged == ("liquid",) and results.inquiry is None and results.comparison is None
    assert names == FILES - {"coupling_liquid.csv", "graph.graphml", "effects.csv", "total_effects.csv", "comparison.csv", "overview.svg"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Not converged: liquid." in page and Status.DIVERGED.value in page and 'id="interventions"' not in page


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ('{ kind = "clamp", region = "V5", start = 1000 }', "starts after the run's end at 240 s"),
        ('{ kind = "clamp", region = "V5" }, { kind = "clamp", region = "V5", value = 1.0 }', "set the same thing at the same time"),
    ],
)
def test_questions_are_checked_before_anything_is_fitted(tmp_path, monkeypatch, question, said):
    monkeypatch.setattr(runner, "fit", lambda *_, **__: pytest.fail("fitted"))
    config = made.CONFIG.replace('{ kind = "cut", source = "V1", target = "V5" }', question)
    with pytest.raises(lc.InputError, match=said):
        run_study(made.write_study(tmp_path, config), tmp_path / "out")


def test_flows_that_do_not_compare_are_said(tmp_path, light):
    config = made.CONFIG.replace('flow = "true"', 'flow = "bilinear"').replace('start = "bilinear"', "")
    results = run_study(made.write_study(tmp_path, config), tmp_path / "out")
    assert results.comparison is None and "true flow with true flow" in results.not_compared


def test_fingerprint_in_a_fit_is_plain_text(ran):
    from ltc_causal.io.archive import read_header

    assert re.fullmatch("[0-9a-f]{12}", json.loads(json.dumps(read_header(ran[1] / "bilinear.fit")))["tags"]["made_from"])
