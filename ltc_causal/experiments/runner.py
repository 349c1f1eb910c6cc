"""A study from its config file to its report, step by step, in a folder.

A fit whose file is there and was made from the same settings is loaded and not computed again, so that a stopped run goes on where it was.

Lives here: the order of the steps, files, the log. Does not live here: what a step computes (`study`), what is written of it (`report`).
"""

import time
from pathlib import Path

from ltc_causal.core.data import Recording
from ltc_causal.core.result import Fit, Status
from ltc_causal.errors import InputError
from ltc_causal.experiments import settings, study
from ltc_causal.experiments.config import Config, read_config, write_config
from ltc_causal.experiments.progress import Progress, Silent
from ltc_causal.experiments.report import write_report
from ltc_causal.experiments.settings_file import fingerprint
from ltc_causal.experiments.steps import Steps, logged, make_folder
from ltc_causal.experiments.study import Inquiry, Results
from ltc_causal.inference.fit import fit
from ltc_causal.io.archive import load, package_version, read_header, save
from ltc_causal.io.graphs import write_graphml
from ltc_causal.io.tables import write_coupling, write_table
from ltc_causal.models.dcm import DCM
from ltc_causal.plotting.overview import plot_overview
from ltc_causal.plotting.style import save as save_figure

KEY = "made_from"  # the tag of a fit file that says what it was made from


def run_study(config_path: str | Path, out: str | Path, progress: Progress | None = None, fresh: bool = False) -> Results:
    """Run a study and leave everything in the folder `out`.

    fresh : compute every fit again, also those that are there

    Writes report.html, overview.svg, coupling_<model>.csv, <model>.fit, graph.graphml, effects.csv, total_effects.csv, comparison.csv,
    config.toml (as read, defaults included) and run.log. Each file is whole or absent.

    Raises `InputError` for bad settings or data, before anything is computed.
    """
    config = read_config(config_path)
    models = {name: settings.build_model(config, name) for name in config.models}
    recording = settings.read_data(config)
    study.check_questions(config, recording)
    folder = Path(out)
    make_folder(folder)
    with logged(folder / "run.log", progress or Silent()) as steps:
        write_config(config, folder / "config.toml")
        series = recording.series
        steps.note(f"Data: {len(series.values)} scans of {series.dt:g} s; regions {', '.join(recording.regions)}")
        began = time.perf_counter()
        fits: dict[str, Fit] = {}
        for name, model in models.items():
            fits[name] = _fitted(steps, config, name, model, recording, fits, folder, fresh)
        comparison, not_compared = study.compare_fits(fits)
        steps.note(str(comparison) if comparison else f"Not compared: {not_compared}")
        inquiry = _inquire(steps, config, fits[config.causal.model])
        results = Results(config, recording, fits, comparison, not_compared, inquiry)
        with steps.step("Writing tables, graph and report", "Report") as outcome:
            _write_tables(results, folder)
            write_report(results, folder / "report.html", time.perf_counter() - began)
            outcome.append(str(folder / "report.html"))
    return results


def _fitted(
    steps: Steps, config: Config, name: str, model: DCM, recording: Recording, before: dict[str, Fit], folder: Path, fresh: bool
) -> Fit:
    """The fit of one model: from its file if that was made from the same settings, else computed and written."""
    path, key = folder / f"{name}.fit", _key(config, name, model, recording)
    if not fresh:
        known = _known_fit(path, key)
        if known is not None:
            steps.note(f"Fit of {name}: loaded from {path.name}; {_in_short(known)}")
            return known
    with steps.step(f"Fitting {name}", f"Fit of {name}") as outcome:
        start = config.models[name].start
        result = fit(model, recording, settings.method(config), start=None if start is None else before[start])
        save(result, path, {KEY: key})
        outcome.append(_in_short(result))
    return result


def _in_short(result: Fit) -> str:
    ending = "converged" if result.status.converged else "NOT CONVERGED"
    if result.status is Status.NOT_INFORMED:
        ending += ", but the data do not inform the model"
    return f"{ending}, free energy {result.free_energy:.2f} nats, {len(result.history)} iterations, {result.seconds:.2f} s"


def _key(config: Config, name: str, model: DCM, recording: Recording) -> str:
    """A fingerprint of all that a fit depends on: the package, the model, the method, the data, and where it starts."""
    start = config.models[name].start
    data = {
        "values": recording.series.values, "inputs": recording.inputs.values, "confounds": recording.confounds, "delays": recording.delays,
    }  # fmt: skip
    return fingerprint(
        {
            "package": package_version(),
            "model": model.to_spec(),
            "method": {**config.fit.model_dump(), "seed": config.seed},
            "start": start and config.models[start].model_dump(),
            "data": {part: values.tolist() for part, values in data.items() if values is not None},
            "grid": [recording.series.dt, recording.inputs.dt, recording.echo_time, recording.inputs.names, recording.series.unit],
        }
    )


def _known_fit(path: Path, key: str) -> Fit | None:
    """The fit in a file if it was made from what the key says; a file that cannot be read counts as none."""
    try:
        return load(path) if read_header(path).get("tags", {}).get(KEY) == key else None
    except InputError:
        return None


def _inquire(steps: Steps, config: Config, asked: Fit) -> Inquiry | None:
    """Reduce, draw, intervene: everything that is asked of one model, or nothing if its fit has no usable numbers."""
    name = config.causal.model
    if not study.usable(asked):
        steps.note(f"The fit of {name} is not usable: no reduction, graph or intervention.")
        return None
    with steps.step(f"Reducing {name}", "Reduction") as outcome:
        reduction = study.reduce(config, asked)
        outcome.append(str(reduction.certificate))
    with steps.step("Causal graph and total effects", "Graph") as outcome:
        graph, effects = study.ask_graph(config, reduction), study.ask_total_effects(config, reduction)
        outcome.append(f"{graph.number_of_edges()} edges with a sign of probability {config.causal.probability:g} or more")
    with steps.step("Predicting the usual course", "Usual course") as outcome:
        usual = study.predict_course(config, asked)
        outcome.append(_draws_in_short(usual.unstable, len(usual.draws)))
    answers = []
    for question in config.interventions:
        with steps.step(f"Predicting: {question.title}", question.title) as outcome:
            answers.append(study.answer(config, asked, usual, question))
            outcome.append(_draws_in_short(answers[-1].prediction.unstable, len(usual.draws)))
    return Inquiry(reduction, graph, effects, usual, tuple(answers))


def _draws_in_short(unstable: int, draws: int) -> str:
    return f"{draws - unstable} of {draws} posterior draws stayed stable"


def _write_tables(results: Results, folder: Path) -> None:
    probability = results.config.predictions.interval
    for name, one in results.fits.items():
        if study.usable(one):
            write_coupling(one, folder / f"coupling_{name}.csv", probability)
    if results.comparison is not None:
        write_table(results.comparison.to_frame(), folder / "comparison.csv")
    if results.inquiry is not None:
        write_graphml(results.inquiry.graph, folder / "graph.graphml")
        write_table(study.intervention_frame(results.inquiry), folder / "effects.csv")
        write_table(study.total_effect_frame(results.inquiry.total_effects), folder / "total_effects.csv")
        answers = [one for one in results.inquiry.answers if one.change is not None]
        if answers:
            inquiry = results.inquiry
            save_figure(plot_overview(results.asked, inquiry.graph, inquiry.usual, answers[0].prediction), folder / "overview.svg")
