"""A fit as tables in the manner of a BIDS derivative: tsv with a json beside each that says what its columns are.

    <folder>/dataset_description.json
    <folder>/sub-01/func/sub-01_task-motion_desc-dcm_coupling.tsv      one row a connection, with its interval
    <folder>/sub-01/func/sub-01_task-motion_desc-dcm_relmat.tsv        A at rest, row = target, column = source
    <folder>/sub-01/func/sub-01_task-motion_desc-dcm_timeseries.tsv    the predicted signal, one column a region

BIDS lays down the names' entities, the description and what a json holds; of connectivity it has no settled form yet (its extension proposal 17
is a draft), so that `coupling` and `relmat` follow its spirit only.

Lives here: `write_derivatives`. Does not live here: reading a data set (`bids`), any other table (`tables`).
"""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from ltc_causal.core.reduction import Reduction
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError
from ltc_causal.io.archive import package_version
from ltc_causal.io.tables import write_table
from ltc_causal.io.writing import whole_file

LABEL = re.compile(r"[0-9a-zA-Z]+")
BIDS_VERSION = "1.9.0"
COLUMNS = {
    "matrix": "A: between regions at rest; B: what an input adds to that; C: what an input drives; D: what a region's activity adds to A",
    "source": "Region or input that the connection comes from",
    "target": "Region that it goes to",
    "by": "Input (B) or region (D) that changes it",
    "mean": "Posterior mean",
    "sd": "Posterior standard deviation",
    "lower": "Lower end of the central posterior interval",
    "upper": "Upper end of the central posterior interval",
    "probability_positive": "Posterior probability that it is above zero",
    "unit": "Unit of mean, sd, lower and upper",
}


def write_derivatives(
    result: Fit | Reduction,
    folder: str | Path,
    *,
    subject: str,
    task: str,
    session: str | None = None,
    run: int | str | None = None,
    desc: str = "dcm",
    probability: float = 0.9,
) -> list[Path]:
    """Write a fit's or reduction's tables below a folder of derivatives; gives the tables' paths.

    subject, task, session, run : of the recording, as in BIDS names ("01" for sub-01)
    desc : what tells these tables from others of the same run
    probability : of the intervals

    The folder's dataset_description.json is written if there is none. Of a fit of several sessions each predicted signal has a file of its own,
    desc-<desc>Session1 and so on. Missing values are n/a.

    Raises `InputError` for a label that is not of letters and digits, and if the system refuses.
    """
    root = Path(folder)
    entities = {"sub": subject, "ses": session, "task": task, "run": run}
    stem = "_".join(f"{key}-{_label(key, value)}" for key, value in entities.items() if value is not None)
    parts = [f"sub-{subject}", *([f"ses-{session}"] if session is not None else []), "func"]
    place = root.joinpath(*parts) / f"{stem}_desc-{_label('desc', desc)}"
    _describe(root)
    common = _common(result)
    coupling = result.coupling
    A = pd.DataFrame(coupling.A, columns=list(coupling.regions))
    intervals = {"IntervalProbability": probability, "Columns": COLUMNS}
    orientation = {"Nodes": list(coupling.regions), "Rows": "target", "Columns": "source", "Units": getattr(result, "coupling_unit", "Hz")}
    paths = [
        _write(result.to_frame(probability), f"{place}_coupling", {**common, **intervals}),
        _write(A, f"{place}_relmat", {**common, "Weighting": "A at the posterior mean, without inputs", "Directed": True, **orientation}),
    ]
    return paths + (_predicted(result, str(place), common) if isinstance(result, Fit) else [])


def _predicted(fit: Fit, place: str, common: dict[str, Any]) -> list[Path]:
    """The predicted signal of every session."""
    paths = []
    for number, session in enumerate(fit.sessions, 1):
        series = session.recording.series
        sampled = {"SamplingFrequency": 1 / series.dt, "StartTime": 0.0, "Units": series.unit, "EchoTime": session.recording.echo_time}
        words = {**common, **sampled, "Content": "Signal predicted at the posterior mean, without confounds"}
        several = f"Session{number}" if len(fit.sessions) > 1 else ""
        paths.append(_write(pd.DataFrame(session.prediction, columns=list(series.regions)), f"{place}{several}_timeseries", words))
    return paths


def _common(result: Fit | Reduction) -> dict[str, Any]:
    """What every json says of where its numbers come from."""
    if isinstance(result, Reduction):
        return {"Model": result.certificate.method, "Certificate": result.certificate.verdict}
    specification = result.model.to_spec() if hasattr(result.model, "to_spec") else None
    known = {"Specification": specification, "Seed": None if result.seed is None else int(result.seed)}
    words = {"Model": result.model.describe(), "Status": str(result.status), "FreeEnergyNats": float(result.free_energy)}
    return words | {name: value for name, value in known.items() if value is not None}


def _write(frame: pd.DataFrame, stem: str, words: dict[str, Any]) -> Path:
    path = Path(f"{stem}.tsv")
    write_table(frame.replace("", None), path)
    _write_json(Path(f"{stem}.json"), words)
    return path


def _describe(root: Path) -> None:
    path = root / "dataset_description.json"
    if not path.exists():
        made_by = [{"Name": "ltc_causal", "Version": package_version()}]
        words = {"Name": "ltc_causal fits", "BIDSVersion": BIDS_VERSION, "DatasetType": "derivative", "GeneratedBy": made_by}
        _write_json(path, words)


def _write_json(path: Path, words: dict[str, Any]) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(words, indent=1, ensure_ascii=False), encoding="utf-8")


def _label(key: str, value: Any) -> str:
    if not LABEL.fullmatch(str(value)):
        raise InputError(f"The BIDS label {key}-{value} may hold letters and digits only: write it without other marks.")
    return str(value)
