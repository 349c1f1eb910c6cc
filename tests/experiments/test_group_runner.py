"""A group's study: every number is that of its fits, failures are told, and a run that was killed comes to the same end."""

import json
import re
import signal
import subprocess
import sys
import time

import made_group
import numpy as np
import pandas as pd
import pytest
from pages import Page

import ltc_causal as lc
from ltc_causal.experiments import fit_many as fitting
from ltc_causal.experiments.group_config import read_group_config, read_people, write_group_config
from ltc_causal.experiments.group_report import render
from ltc_causal.experiments.group_runner import rebuild_group, run_group
from ltc_causal.experiments.narrative import interval, number

FITTED = tuple(name for name in made_group.NAMES if name != made_group.SPOILT)
TABLES = ("subjects.csv", "effects.csv", "coupling.csv", "differences.csv", "predictions.csv", "comparison.csv", "design.csv")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One study, run once: (results, folder of the config, folder of the results)."""
    folder = tmp_path_factory.mktemp("group")
    results = run_group(made_group.write_group(folder), folder / "out", workers=1)
    return results, folder, folder / "out"


@pytest.fixture(scope="module")
def by_hand(ran):
    """The group, made from the files of the fits alone."""
    fits = {name: lc.load(ran[2] / "fits" / "with" / f"{name}.fit") for name in FITTED}
    return fits, lc.peb(fits, read_people(ran[1] / "people.csv"))


def test_every_file_is_there_and_none_else(ran):
    assert {path.name for path in ran[2].iterdir()} == {*TABLES, "config.toml", "run.log", "report.html", "graph.graphml", "fits"}
    assert {path.name for path in (ran[2] / "fits" / "without").iterdir()} == {f"{name}.fit" for name in FITTED}


def test_the_second_level_is_that_of_the_fits_on_disk(ran, by_hand):
    table = pd.read_csv(ran[2] / "effects.csv")
    wanted = by_hand[1].to_frame()
    for column in ("mean", "lower", "upper", "probability_positive", "between_sd"):
        np.testing.assert_allclose(table[column], wanted[column], rtol=1e-9, atol=1e-12)
    row = table[(table["covariate"] == "kind[patient]") & (table["parameter"] == "A[V1->V5]")].iloc[0]
    assert row["exists"] > 0.95 and row["mean"] == pytest.approx(0.4, abs=0.15)
    assert table["exists"].isna().sum() == 2  # the means of the two self-connections are not in question


def test_coupling_differences_and_predictions_are_the_groups(ran, by_hand):
    _, group = by_hand
    coupling = pd.read_csv(ran[2] / "coupling.csv")
    np.testing.assert_allclose(coupling["mean"], group.coupling({"kind": "patient"}).posterior.mean, rtol=1e-9)
    difference = pd.read_csv(ran[2] / "differences.csv")
    assert set(difference["contrast"]) == {"kind: patient minus control"}
    np.testing.assert_allclose(difference["mean"], group.difference({"kind": "control"}, {"kind": "patient"}).posterior.mean, rtol=1e-9)
    told = pd.read_csv(ran[2] / "predictions.csv").set_index("covariate")
    np.testing.assert_allclose(told.loc["age", "mean"], lc.leave_one_out(group, "age").mean, rtol=1e-6)


def test_models_are_compared_over_the_subjects_that_all_have(ran, by_hand):
    without = {name: lc.load(ran[2] / "fits" / "without" / f"{name}.fit") for name in FITTED}
    wanted = lc.compare_subjects({"with": by_hand[0], "without": without})
    found = pd.read_csv(ran[2] / "comparison.csv")
    np.testing.assert_allclose(found["log_bayes_factor"], wanted.log_bayes_factors, rtol=1e-9)
    np.testing.assert_allclose(found["protected_exceedance"], wanted.random.protected, rtol=1e-6)


def test_a_subject_that_cannot_be_fitted_is_told_with_the_reason(ran):
    results, _, out = ran
    row = pd.read_csv(out / "subjects.csv").set_index(["model", "subject"]).loc[("with", made_group.SPOILT)]
    assert "never changes" in row["why"] and results.failures == {made_group.SPOILT: row["why"]}
    subjects = pd.read_csv(out / "subjects.csv").query("model == 'with'")
    assert subjects["subject"].tolist() == list(made_group.NAMES)
    page = (out / "report.html").read_text()
    assert page.index('role="alert"') < page.index('id="findings"') and f"Left out: {made_group.SPOILT}." in page
    assert "never changes" in page and "7 of 8 subjects were fitted; sub-3 could not be, and is left out." in page


def test_the_table_of_subjects_is_that_of_the_fits(ran, by_hand):
    table = pd.read_csv(ran[2] / "subjects.csv").query("model == 'with'").set_index("subject")
    for name, fit in by_hand[0].items():
        row = table.loc[name]
        assert row["status"] == fit.status.name and row["free_energy"] == pytest.approx(fit.free_energy, rel=1e-12)
        assert (row["explained_V1"], row["explained_V5"]) == pytest.approx(tuple(fit.variance_explained)) and row["scans"] == 60


# --- the page ------------------------------------------------------------------------------------------------------------------------


def test_the_page_nests_and_stands_alone(ran):
    text = (ran[2] / "report.html").read_text()
    page = Page(text)
    assert page.open == [] and len(page.names) == len(set(page.names))
    assert all(target.startswith("#") and target[1:] in page.names for _, target in page.links)
    assert "<script" not in text and "@import" not in text and not re.search(r"url\((?!#)", text)
    assert "patients &amp; controls" in text
    sections = (
        "findings",
        "subjects",
        "models",
        "comparison",
        "effects",
        "coupling",
        "differences",
        "members",
        "search",
        "prediction",
        "methods",
    )
    places = [text.index(f'id="{name}"') for name in sections]
    assert places == sorted(places)


def test_figures_have_words_for_those_who_cannot_see_them(ran):
    text = (ran[2] / "report.html").read_text()
    labels = re.findall(r'<svg role="img" aria-label="([^"]+)"', text)
    assert len(labels) == text.count("<svg") == len(set(labels)) == 5 + len(ran[0].findings.forest)
    assert any(label.startswith("A[V1-&gt;V5] in Hz in every subject") for label in labels)


def test_the_pages_tables_are_the_groups(ran, by_hand):
    rows = [row for table in Page((ran[2] / "report.html").read_text()).tables for row in table]
    for _, entry in by_hand[1].to_frame().iterrows():
        wanted = [entry["parameter"], number(entry["mean"], 3), interval(entry["lower"], entry["upper"], 3)]
        assert any(row[:3] == wanted for row in rows), wanted
    for _, entry in by_hand[1].coupling({"kind": "patient"}).to_frame().iterrows():
        wanted = [number(entry["mean"], 3), interval(entry["lower"], entry["upper"], 3), number(entry["probability_positive"], 3)]
        assert any(row[1:4] == wanted and row[4:] == [number(entry["between_sd"], 3)] for row in rows), wanted


def test_what_was_found_is_said(ran):
    words = " ".join((ran[2] / "report.html").read_text().split())
    assert re.search(r"kind\[patient\] acts on V1 → V5 \(\+0\.\d+ \[", words)
    assert "kind[patient] of 7 subjects, each predicted from the others" in words
    assert "If all subjects have the same model, it is with (probability 1.000)" in words


def test_methods_cite_what_they_name(ran):
    from ltc_causal.experiments import group_narrative

    text, cited = group_narrative.methods(ran[0], "1.2"), group_narrative.citations(ran[0])
    named = re.findall(r"(\w+)(?: et al\.| and \w+)? \(?(\d{4})", text)
    assert len(named) >= 6
    for author, year in named:
        assert any(work.startswith(author) and year in work for work in cited), (author, year)


# --- again ---------------------------------------------------------------------------------------------------------------------------


def without_time(page):
    return re.sub(r"<dt>(Written|Took)</dt><dd>.*?</dd>", "", page)


def test_the_report_is_made_again_without_recordings_and_without_fitting(ran, tmp_path, monkeypatch):
    import shutil

    copy = tmp_path / "elsewhere"
    shutil.copytree(ran[2], copy)
    (copy / "report.html").unlink()
    monkeypatch.setattr(fitting, "fit", lambda *_, **__: pytest.fail("fitted"))
    rebuild_group(copy)
    assert without_time((copy / "report.html").read_text()) == without_time((ran[2] / "report.html").read_text())
    for name in TABLES:
        assert (copy / name).read_bytes() == (ran[2] / name).read_bytes(), name


def test_a_run_killed_at_any_moment_comes_to_the_same_end(ran, tmp_path):
    path, out = made_group.write_group(tmp_path / "killed"), tmp_path / "out"
    command = [sys.executable, "-m", "ltc_causal.cli", "group", str(path), "--out", str(out), "--quiet", "--workers", "1"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while process.poll() is None and len(list(out.glob("fits/*/*.fit"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and not (out / "report.html").exists()
    time.sleep(0.5)  # a worker may still finish the subject at hand
    before = {file: file.stat().st_mtime_ns for file in out.glob("fits/*/*.fit")}
    run_group(path, out, workers=2)
    assert 3 <= len(before) < 14 and all(file.stat().st_mtime_ns == moment for file, moment in before.items())
    for name in ("effects.csv", "coupling.csv", "differences.csv", "predictions.csv", "comparison.csv"):
        pd.testing.assert_frame_equal(pd.read_csv(out / name), pd.read_csv(ran[2] / name), rtol=1e-6, atol=1e-8)


def test_other_settings_fit_again_what_they_change_and_nothing_else(tmp_path):
    path, out = made_group.write_group(tmp_path), tmp_path / "out"
    run_group(path, out, workers=1)
    first = {file.relative_to(out): file.stat().st_mtime_ns for file in out.glob("fits/*/*.fit")}
    changed = made_group.CONFIG.replace("[models.without]\n", "[models.without]\nnoise = { mean = 5.0, variance = 0.1 }\n")
    path.write_text(changed.replace('predict = ["kind[patient]", "age"]', ""), encoding="utf-8")
    results = run_group(path, out, workers=1)
    assert results.findings.predictions == ()
    for file, moment in first.items():
        assert ((out / file).stat().st_mtime_ns == moment) == ("without" not in str(file)), file
    again = {file.relative_to(out): file.stat().st_mtime_ns for file in out.glob("fits/*/*.fit")}
    run_group(path, out, workers=1, fresh=True)
    assert all((out / file).stat().st_mtime_ns != moment for file, moment in again.items())


# --- what may be left out, and slips ---------------------------------------------------------------------------------------------------


def test_a_group_needs_neither_design_nor_search_and_takes_sessions(tmp_path):
    text = made_group.CONFIG[: made_group.CONFIG.index("[models.without]")]
    for line in ('design = "people.csv"\n', 'predict = ["kind[patient]", "age"]\n', 'at = { kind = "patient" }\n'):
        text = text.replace(line, "")
    named = '{ a = ["data/sub-1.npz", "data/sub-5.npz"], b = "data/sub-2.npz", c = "data/none.npz" }'
    text = text.replace('"data/*.npz"', f"{named}\nsearch = false")
    results = run_group(made_group.write_group(tmp_path, text), tmp_path / "out", workers=1)
    assert list(results.failures) == ["c"] and "no data file" in results.failures["c"]
    assert results.asked.set_index("subject").loc["a", "scans"] == 120 and len(results.findings.group.subjects) == 2
    page = (tmp_path / "out" / "report.html").read_text()
    assert 'id="search"' not in page and 'id="differences"' not in page and "Design: the mean alone." in page


def test_too_few_subjects_are_said_on_the_page(tmp_path):
    text = made_group.CONFIG.replace('"data/*.npz"', '"data/sub-[23].npz"').replace(
        'predict = ["kind[patient]", "age"]', 'covariates = ["kind"]'
    )
    path = made_group.write_group(tmp_path, text)
    results = run_group(path, tmp_path / "out", workers=1)
    assert results.findings is None and "at least 2 subjects" in results.no_findings
    page = (tmp_path / "out" / "report.html").read_text()
    assert "There is no group." in page and Page(page).open == []


def test_an_unconverged_subject_is_in_the_group_and_told(ran):
    from dataclasses import replace

    rows = ran[0].subjects.copy()
    rows.loc[(rows["model"] == "with") & (rows["subject"] == "sub-1"), "status"] = "MAXIMUM_ITERATIONS"
    page = render(replace(ran[0], subjects=rows), 1.0)
    assert "Not converged: sub-1." in page and '<span class="bad">not converged</span>' in page


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('model = "with"', 'model = "wiht"', "Unknown model 'wiht' in group.model: did you mean 'with'"),
        ('model = "with"', "", "group.model must say which of the models"),
        ("predict =", "predcit =", "in group, the key 'predcit' is not known; did you mean 'predict'?"),
        ('"age"]', '"aeg"]', "Unknown covariate 'aeg' in group.predict: did you mean 'age'"),
        ('kind = "patient"', 'kind = "patiant"', "has the levels \\['control', 'patient'\\], not 'patiant'"),
        ('"data/*.npz"', '"date/*.npz"', "No file matches group.recordings"),
        ('"people.csv"', '"peple.csv"', "There is no design file at"),
        ('"people.csv"', '"people.csv"\ncovariates = ["ages"]', "Unknown covariate 'ages' in people.csv"),
        ('"people.csv"', '"config.toml"', "cannot be read as a CSV table|must name every subject"),
        ("[models.without]\n", '[models.without]\nstart = "with"\n', "models.without.start is not for groups"),
        ("[models.without]", '[models."wi/thout"]', "becomes a folder"),
        ('["V5", "V1"]]', '["V5", "V2"]]', "Unknown target 'V2' in DCM intrinsic"),
        ("[models.with]", '[[contrasts]]\ntitle = "x"\nfirst = {}\nsecond = { weight = 3 }\n\n[models.with]', "Unknown covariate 'weight'"),
    ],
)
def test_slips_are_named_before_anything_is_fitted(tmp_path, monkeypatch, old, new, said):
    assert old in made_group.CONFIG
    path = made_group.write_group(tmp_path, made_group.CONFIG.replace(old, new, 1))
    with pytest.raises(lc.InputError, match=said):
        run_group(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_subject_that_the_design_lacks_is_named(tmp_path):
    path = made_group.write_group(tmp_path)
    table = (tmp_path / "people.csv").read_text().replace("sub-4,", "sub-04,")
    (tmp_path / "people.csv").write_text(table)
    with pytest.raises(lc.InputError, match="'sub-4' is missing or repeated"):
        run_group(path, tmp_path / "out")


def test_a_folder_without_a_study_is_said(tmp_path):
    made_group.write_group(tmp_path)
    with pytest.raises(lc.InputError, match="subjects.csv is not there"):
        rebuild_group(tmp_path)


def test_written_settings_read_back(tmp_path):
    contrast = '\n[[contrasts]]\ntitle = "Old and young"\nfirst = { age = 25 }\nsecond = { age = 60, kind = "control" }\n'
    config = read_group_config(made_group.write_group(tmp_path, made_group.CONFIG + contrast))
    write_group_config(config, tmp_path / "again.toml")
    again = read_group_config(tmp_path / "again.toml")
    assert (
        again == config and again.digest() == config.digest() and json.loads(again.contrasts[0].model_dump_json())["first"] == {"age": 25.0}
    )
