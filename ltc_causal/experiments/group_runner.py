"""A group's study from its config file to its report, in a folder.

Each subject's fit is a file there as soon as it is finished, so that a run that was stopped or killed goes on where it was. What follows from the
fits takes seconds and is computed from the files each time, so that the report can be made again from the folder alone.

Lives here: the order of the steps and the files. Does not live here: what is computed (`group_study`), the page (`group_report`).
"""

import shutil
import time
from functools import partial
from pathlib import Path

import pandas as pd

from ltc_causal.core.data import Recording
from ltc_causal.errors import InputError
from ltc_causal.experiments import group_study, settings
from ltc_causal.experiments.fit_many import Fits, fit_many
from ltc_causal.experiments.group_config import GroupConfig, read_group_config, read_people, subject_files, write_group_config
from ltc_causal.experiments.group_report import write_group_report
from ltc_causal.experiments.group_study import GroupResults
from ltc_causal.experiments.progress import Progress, Silent
from ltc_causal.experiments.steps import Steps, logged, make_folder
from ltc_causal.group.design import read_design
from ltc_causal.io.graphs import write_graphml
from ltc_causal.io.recording import read_recording
from ltc_causal.io.tables import write_table

FITS, SUBJECTS, DESIGN, CONFIG = "fits", "subjects.csv", "design.csv", "config.toml"


def run_group(
    config_path: str | Path, out: str | Path, progress: Progress | None = None, fresh: bool = False, workers: int | None = None
) -> GroupResults:
    """Run a group's study and leave everything in the folder `out`.

    fresh : fit every subject again, also those that are there
    workers : processes, as many as there are cores unless given

    Writes report.html, subjects.csv, effects.csv, coupling.csv, differences.csv, predictions.csv, comparison.csv, graph.graphml, design.csv,
    fits/<model>/<subject>.fit, config.toml (as read, defaults included) and run.log; tables only where there is something in them. A subject whose
    recording cannot be read or fitted is reported, and the others go on.

    Raises `InputError` for bad settings, an unusable design or a subject that it does not have, before anything is computed.
    """
    config = read_group_config(config_path)
    names = subject_files(config)
    table = None if config.group.design is None else read_people(config.group.design, config.group.covariates)
    group_study.check_questions(config, read_design(table, tuple(names), by_name=True))
    models = {name: settings.build_model(config, name) for name in config.models}
    folder = Path(out)
    make_folder(folder)
    sources = {name: partial(_read, files, config) for name, files in names.items()}
    with logged(folder / "run.log", progress or Silent()) as steps:
        began = time.perf_counter()
        write_group_config(config, folder / CONFIG)
        if table is not None:
            write_table(table.loc[list(names)].reset_index(), folder / DESIGN)
        fits = {}
        for name, model in models.items():
            its = folder / FITS / name
            if fresh:
                shutil.rmtree(its, ignore_errors=True)
            with steps.step(f"Fitting {name} to {len(names)} subjects", f"Fits of {name}") as outcome:
                fits[name] = fit_many(
                    model, sources, settings.method(config), folder=its, workers=workers, replace=True, progress=steps.say
                )
                outcome.append(str(fits[name]).splitlines()[0])
        return _conclude(steps, config, fits, tuple(names), table, folder, began)


def rebuild_group(out: str | Path, progress: Progress | None = None) -> GroupResults:
    """Make tables and report again from the fits in a folder that `run_group` left; nothing is fitted, and no recording is needed.

    Raises `InputError` for a folder that lacks what is needed.
    """
    folder = Path(out)
    config = read_group_config(folder / CONFIG)
    if not (folder / SUBJECTS).is_file():
        raise InputError(f"{folder} holds no finished group's study ({SUBJECTS} is not there): run ltc-causal group first.")
    listed = pd.read_csv(folder / SUBJECTS, usecols=["model", "subject", "why"], dtype=str, keep_default_na=False)
    table = read_people(folder / DESIGN) if config.group.design is not None else None
    with logged(folder / "run.log", progress or Silent()) as steps:
        began = time.perf_counter()
        fits = {name: _kept(listed.loc[listed["model"] == name], folder / FITS / name) for name in config.models}
        return _conclude(steps, config, fits, tuple(dict.fromkeys(listed["subject"])), table, folder, began)


def _read(files: tuple[Path, ...], config: GroupConfig) -> Recording | list[Recording]:
    """In a worker: a subject's session or sessions, of the study's regions."""
    sessions = [settings.checked(read_recording(file), config.structure) for file in files]
    return sessions[0] if len(sessions) == 1 else sessions


def _kept(listed: pd.DataFrame, folder: Path) -> Fits:
    """The fits in a folder, and the failures as the table of subjects tells them."""
    there = {name: folder / f"{name}.fit" for name in listed["subject"]}
    failures = {
        str(name): str(why)
        for name, why in zip(listed["subject"], listed["why"], strict=True)
        if not there[name].is_file()
    }  # fmt: skip
    held = {name: path for name, path in there.items() if name not in failures}
    return Fits(tuple(held), failures, folder, held)


def _conclude(
    steps: Steps,
    config: GroupConfig,
    fits: dict[str, Fits],
    subjects: tuple[str, ...],
    table: pd.DataFrame | None,
    folder: Path,
    began: float,
) -> GroupResults:
    """From the fits to the tables and the page."""
    with steps.step("The group", "Group") as outcome:
        results = group_study.evaluate(config, fits, subjects, table)
        outcome.append(f"{results.findings.group!r}" if results.findings else results.no_findings)
    with steps.step("Writing tables, graph and report", "Report") as outcome:
        _write_tables(results, folder)
        write_group_report(results, folder / "report.html", time.perf_counter() - began)
        outcome.append(str(folder / "report.html"))
    return results


def _write_tables(results: GroupResults, folder: Path) -> None:
    write_table(results.subjects, folder / SUBJECTS)
    if results.comparison is not None:
        write_table(results.comparison.to_frame(), folder / "comparison.csv")
    found, probability = results.findings, results.config.group.interval
    if found is None:
        return
    write_table(group_study.effect_frame(found, probability), folder / "effects.csv")
    write_table(found.coupling.to_frame(probability), folder / "coupling.csv")
    write_graphml(found.graph, folder / "graph.graphml")
    if found.differences:
        write_table(group_study.difference_frame(found, probability), folder / "differences.csv")
    if found.predictions:
        write_table(group_study.prediction_frame(found), folder / "predictions.csv")
