"""The page is well formed, needs nothing beside it, and its numbers are the results'."""

import re
from dataclasses import replace

import made
import pytest
from pages import Page

import ltc_causal as lc
from ltc_causal.experiments import narrative
from ltc_causal.experiments.config import read_config
from ltc_causal.experiments.narrative import interval, listed, number, verdict
from ltc_causal.experiments.report import render
from ltc_causal.experiments.study import (
    Inquiry,
    Results,
    answer,
    ask_graph,
    ask_total_effects,
    compare_fits,
    intervention_frame,
    predict_course,
    reduce,
)


def results_of(tmp_path, status=None, config=made.CONFIG):
    """A study's results around fits that no method made."""
    settings = read_config(made.write_study(tmp_path, config))
    fits = {name: made.fit(name, seed=number, free_energy=-100.0 - number) for number, name in enumerate(("bilinear", "liquid"))}
    if status is not None:
        fits["liquid"] = made.fit("liquid", status, seed=1, free_energy=-101.0)
    fits = {name: made.with_recording(fit, made.recording()) for name, fit in fits.items()}
    asked = fits["liquid"]
    reduction = reduce(settings, asked)
    usual = predict_course(settings, asked)
    answers = tuple(answer(settings, asked, usual, question) for question in settings.interventions)
    inquiry = Inquiry(reduction, ask_graph(settings, reduction), ask_total_effects(settings, reduction), usual, answers)
    return Results(settings, made.recording(), fits, *compare_fits(fits), inquiry)


@pytest.fixture(scope="module")
def made_page(tmp_path_factory):
    results = results_of(tmp_path_factory.mktemp("report"))
    text = render(results, 1.0)
    return results, text, Page(text)


def test_elements_nest_and_names_are_distinct(made_page):
    _, _, page = made_page
    assert page.open == [] and len(page.names) == len(set(page.names))


def test_page_stands_alone(made_page):
    """Links lead within the page, nothing is loaded, and no script runs."""
    _, text, page = made_page
    assert all(target.startswith("#") and target[1:] in page.names for _, target in page.links)
    assert "<script" not in text and "@import" not in text and not re.search(r"url\((?!#)", text)


def test_titles_are_escaped(made_page):
    _, text, _ = made_page
    assert "Is V1 connected to V5 &amp; back?" in text


def test_every_section_is_there_in_order(made_page):
    _, text, _ = made_page
    places = [
        text.index(f'id="{name}"')
        for name in (
            "findings",
            "data",
            "models",
            "fits",
            "coupling",
            "comparison",
            "reduction",
            "graph",
            "interventions",
            "effects",
            "methods",
            "provenance",
        )
    ]
    assert places == sorted(places)


def test_coupling_tables_are_the_fits(made_page):
    results, _, page = made_page
    rows = [row for table in page.tables for row in table if len(row) == 4]
    for fit in results.fits.values():
        for _, entry in fit.to_frame(0.9).iterrows():
            wanted = [number(entry["mean"], 3), interval(entry["lower"], entry["upper"], 3), number(entry["probability_positive"], 3)]
            assert any(row[1:] == wanted for row in rows), entry


def test_intervention_table_is_the_results(made_page):
    results, _, page = made_page
    rows = [row for table in page.tables for row in table]
    for _, entry in intervention_frame(results.inquiry).iterrows():
        wanted = [entry["region"], number(entry["mean_change"], 3, True), interval(entry["lower"], entry["upper"], 3)]
        assert any(row[:3] == wanted for row in rows)


def test_figures_have_words_for_those_who_cannot_see_them(made_page):
    _, text, _ = made_page
    labels = re.findall(r'<svg role="img" aria-label="([^"]+)"', text)
    assert len(labels) == text.count("<svg") == 8 and len(set(labels)) == 8


def test_converged_fits_need_no_warning(made_page):
    _, text, _ = made_page
    assert 'role="alert"' not in text and "Both fits converged." in text


def test_a_fit_that_did_not_converge_is_said_at_the_top(tmp_path):
    status = lc.Status.MAXIMUM_ITERATIONS
    text = render(results_of(tmp_path, status), 1.0)
    assert text.index('role="alert"') < text.index('id="findings"')
    assert status.value in text and "The fit of liquid did not converge" in text


def test_a_study_without_interventions_says_so(tmp_path):
    config = made.CONFIG[: made.CONFIG.index("[[interventions]]")]
    assert "None were asked for." in render(results_of(tmp_path, config=config), 1.0)


def test_evidence_is_said_by_its_size(tmp_path):
    results = results_of(tmp_path)

    def said(difference):
        fits = dict(results.fits)
        fits["liquid"] = lc.Fit(**{**vars(fits["liquid"]), "free_energy": -100.0 + difference})
        return " ".join(verdict(Results(results.config, results.recording, fits, *compare_fits(fits), results.inquiry)))

    assert "The data do not tell the liquid model from the bilinear model (log Bayes factor liquid − bilinear: +0.50 nats)" in said(0.5)
    assert "strong evidence for the liquid model against the bilinear model (log Bayes factor liquid − bilinear: +4.00 nats)" in said(4.0)
    assert "very strong evidence for the bilinear model against the liquid model (log Bayes factor liquid − bilinear: −40.00 nats)" in said(
        -40.0
    )


@pytest.mark.parametrize(
    ("mean", "words"), [(0.5, "raises V1 → V5"), (-0.5, "lowers V1 → V5"), (0.01, "Whether the input attention changes V1 → V5 stays open")]
)
def test_modulation_is_said_by_its_sign(tmp_path, mean, words):
    results = results_of(tmp_path)
    name = "B[attention: V1->V5]"
    posterior = results.inquiry.reduction.posterior
    values, cov = posterior.mean.copy(), posterior.cov.copy()
    values[posterior.index(name)] = mean
    cov[posterior.index(name)] = cov[:, posterior.index(name)] = 0
    cov[posterior.index(name), posterior.index(name)] = 0.01
    reduction = lc.Reduction(
        results.inquiry.reduction.coupling, lc.Gaussian(posterior.names, values, cov), results.inquiry.reduction.certificate
    )
    inquiry = Inquiry(**{**vars(results.inquiry), "reduction": reduction})
    assert words in " ".join(verdict(Results(**{**vars(results), "inquiry": inquiry})))


def test_methods_cite_what_they_name(made_page):
    results, _, _ = made_page
    text = narrative.methods(results, "1.2")
    cited = narrative.citations(results)
    for author, year in re.findall(r"(\w+)(?: et al\.| and \w+)? \(?(\d{4})", text):
        assert any(work.startswith(author) and year in work for work in cited), (author, year)


def with_certificate(results, **changes):
    """The same results with another certificate."""
    reduction = results.inquiry.reduction
    reduction = replace(reduction, certificate=replace(reduction.certificate, **changes), note="A note.")
    return replace(results, inquiry=replace(results.inquiry, reduction=reduction))


def test_certificate_is_shown_with_every_number(tmp_path):
    results = with_certificate(results_of(tmp_path), residual=0.123, trajectory=0.0456, bound=0.789, interventions={"V1 shaken": 0.0321})
    text = render(results, 1.0)
    rows = [row for table in Page(text).tables for row in table]
    assert "12.30 %" in text and "4.56 %, at most 78.90 % by the bound" in text and "A note." in text
    assert ["V1 shaken", "3.21 %"] in rows and "does not describe" not in text


def test_a_refused_reduction_is_said_where_its_graph_and_effects_are_shown(tmp_path):
    results = with_certificate(results_of(tmp_path), residual=2.3)
    text = render(results, 1.0)
    warning = narrative.reduction_warning(results.inquiry.reduction)
    assert "refuses the reduction" in warning and warning in verdict(results)
    assert not any("clear sign" in sentence or "changes V1" in sentence for sentence in verdict(results))
    for section, following in (("graph", "interventions"), ("effects", "methods")):
        assert warning in text[text.index(f'id="{section}"') : text.index(f'id="{following}"')]


@pytest.mark.parametrize(
    ("model", "setting", "method"),
    [
        ("liquid", "", "projection anchored"), ("liquid", 'reduction = "taylor"', "Taylor reduction"), ("bilinear", "", "Taylor reduction"),
        ("bilinear", 'reduction = "projection"', "projection anchored"),
    ],
)  # fmt: skip
def test_reduction_is_the_one_that_the_settings_ask_for(tmp_path, model, setting, method):
    config = read_config(made.write_study(tmp_path, made.CONFIG.replace('model = "liquid"', f'model = "{model}"\n{setting}')))
    fit = made.with_recording(made.fit(model, seed=1), made.recording())
    assert method in reduce(config, fit).certificate.method


@pytest.mark.parametrize(
    ("value", "digits", "signed", "said"),
    [
        (0.126, 2, False, "0.13"),
        (-0.126, 2, False, "−0.13"),
        (-0.0001, 2, False, "0.00"),
        (0.5, 1, True, "+0.5"),
        (-0.0001, 3, True, "+0.000"),
    ],
)
def test_numbers_are_written_to_be_read(value, digits, signed, said):
    assert number(value, digits, signed) == said


def test_lists_are_written_to_be_read():
    assert [listed(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
