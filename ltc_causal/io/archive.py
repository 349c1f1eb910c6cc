"""A fit as one file: a zip of plain arrays with a header in JSON, nothing pickled.

Words (names, the model's specification, how the fit ended) are in `header.json`; numbers are `.npy` members, so that a round trip is exact.

Lives here: `save`, `load`, `read_header`. Does not live here: tables (`io.tables`), graphs (`io.graphs`).
"""

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Inputs, Recording, TimeSeries
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.result import Approximation, Attempt, Fit, History, Session, Status
from ltc_causal.errors import InputError, read_only
from ltc_causal.files import atomic_write
from ltc_causal.models.dcm import DCM
from ltc_causal.models.regression_dcm import RegressionDCM
from ltc_causal.models.source_network import SourceNetwork

FORMAT = "ltc_causal fit"
VERSION = 2  # 2 holds several sessions, the ascent's starts and the approximation's error; 1 is still read
HEADER = "header.json"
SESSION_ARRAYS = (
    "series", "dt", "input_values", "input_dt", "recording_confounds", "echo_time", "delays", "noise_mean", "noise_cov", "prediction",
    "confounds", "scale",
)  # fmt: skip
MODELS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "DCM": DCM.from_spec,
    "RegressionDCM": RegressionDCM.from_spec,
    "SourceNetwork": SourceNetwork.from_spec,
}
# What reading a damaged zip can raise: in its directory, in a member's bytes, in what they decode to.
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError)


def package_version() -> str:
    """The installed version of this package."""
    try:
        return version("ltc_causal")
    except PackageNotFoundError:
        return "unknown (run from a source tree)"


def save(fit: Fit, path: str | Path, tags: Mapping[str, str] | None = None) -> None:
    """Write a fit to one file, whole or not at all.

    tags : words to keep with it, such as what it was made from; `read_header(path)["tags"]` gives them back

    Raises `InputError` if the model is of a kind that cannot be written.
    """
    kind = type(fit.model).__name__
    if kind not in MODELS:
        raise InputError(f"A fit of the model {kind} cannot be saved: this version writes fits of {', '.join(MODELS)}.")
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **_arrays(fit))  # pyright: ignore[reportArgumentType] - the names are not its options
        file.flush()
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(HEADER, json.dumps(_header(fit, kind, tags or {}), indent=1, ensure_ascii=False))


def load(path: str | Path) -> Fit:
    """Read a fit that `save` wrote.

    Raises `InputError` if there is no such file, or if it is damaged, of another kind, or written by a newer version of the format.
    """
    header = read_header(path)
    try:
        _check_sums(path)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: read_only(archive[name]) for name in archive.files if name != HEADER}
        return _fit(header, arrays)
    except DAMAGE as error:
        raise _damaged(path, error) from None


def read_header(path: str | Path) -> dict[str, Any]:
    """What a fit file says of itself, without its numbers: format, version, package version, model, status, names, tags.

    Raises `InputError` as `load` does.
    """
    if not Path(path).is_file():
        raise InputError(f"There is no fit file at {path}: check the path.")
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(archive.read(HEADER)) if HEADER in archive.namelist() else {}
    except DAMAGE as error:
        raise _damaged(path, error) from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(f"{path} is not a fit that ltc_causal wrote: give a file made by save(fit, path).")
    if not isinstance(header.get("version"), int) or header["version"] > VERSION:
        raise InputError(
            f"{path} has version {header.get('version')} of the fit format and this ltc_causal reads up to {VERSION}: update ltc_causal "
            f"(the file was written by {header.get('package')})."
        )
    return header


def _check_sums(path: str | Path) -> None:
    """Compare every member with its check sum, before anything is made of its bytes."""
    with zipfile.ZipFile(path) as archive:
        bad = archive.testzip()
        if bad is not None:
            raise zipfile.BadZipFile(bad)


def _damaged(path: str | Path, error: Exception) -> InputError:
    return InputError(
        f"{path} cannot be read as a fit, it is damaged, cut short or not one at all ({type(error).__name__}): make it again."
    )


def _header(fit: Fit, kind: str, tags: Mapping[str, str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "package": package_version(),
        "model": {"kind": kind, "specification": fit.model.to_spec()},
        "status": fit.status.name,
        "seed": None if fit.seed is None else int(fit.seed),
        "parameters": fit.posterior.names,
        "sessions": [_session_words(session) for session in fit.sessions],
        "starts": [[one.start, one.status.name, one.iterations] for one in fit.starts],
        "approximation": None if fit.approximation is None else [fit.approximation.worst, fit.approximation.converged],
        "tags": dict(tags),
    }


def _session_words(session: Session) -> dict[str, Any]:
    recording = session.recording
    return {
        "regions": recording.series.regions, "unit": recording.series.unit, "inputs": recording.inputs.names, "noise": session.noise.names,
    }  # fmt: skip


def _arrays(fit: Fit) -> dict[str, NDArray]:
    values = {
        "posterior_mean": fit.posterior.mean, "posterior_cov": fit.posterior.cov, "free_energy": fit.free_energy,
        "history_free_energy": fit.history.free_energy, "history_step": fit.history.step,
        "history_predicted_gain": fit.history.predicted_gain, "history_accepted": fit.history.accepted,
        "history_gradient_norm": fit.history.gradient_norm, "gradient_norm": fit.gradient_norm, "seconds": fit.seconds,
        "starts": np.array([[one.free_energy, one.distance] for one in fit.starts]).reshape(-1, 2),
    }  # fmt: skip
    if fit.approximation is not None:
        values["approximation"] = np.array([fit.approximation.bold, fit.approximation.posterior])
    if fit.inclusion is not None:
        values["inclusion"] = fit.inclusion
    for number, session in enumerate(fit.sessions):
        values |= {f"{name}_{number}": value for name, value in _session_arrays(session).items()}
    return {name: np.asarray(value) for name, value in values.items()}


def _session_arrays(session: Session) -> dict[str, Any]:
    recording = session.recording
    return {
        "series": recording.series.values, "dt": recording.series.dt,
        "input_values": recording.inputs.values, "input_dt": recording.inputs.dt,
        "recording_confounds": recording.confounds, "echo_time": recording.echo_time, "delays": recording.delays,
        "noise_mean": session.noise.mean, "noise_cov": session.noise.cov, "prediction": session.prediction,
        "confounds": session.confounds, "scale": session.scale,
    }  # fmt: skip


def _fit(header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> Fit:
    model = MODELS[header["model"]["kind"]](header["model"]["specification"])
    if header["version"] == 1:
        header, arrays = _of_version_1(header, arrays, model)
    history = [arrays[f"history_{name}"] for name in ("free_energy", "step", "predicted_gain", "accepted", "gradient_norm")]
    return Fit(
        model=model,
        sessions=tuple(_session(words, arrays, number) for number, words in enumerate(header["sessions"])),
        posterior=Gaussian(tuple(header["parameters"]), arrays["posterior_mean"], arrays["posterior_cov"]),
        free_energy=float(arrays["free_energy"]),
        status=Status[header["status"]],
        history=History(*history),
        gradient_norm=float(arrays["gradient_norm"]),
        seconds=float(arrays["seconds"]),
        seed=header["seed"],
        starts=tuple(
            Attempt(start, float(energy), Status[status], iterations, float(distance))
            for (start, status, iterations), (energy, distance) in zip(header["starts"], arrays["starts"], strict=True)
        ),
        approximation=_approximation(header["approximation"], arrays),
        inclusion=arrays.get("inclusion"),
    )


def _session(words: Mapping[str, Any], arrays: Mapping[str, NDArray], number: int) -> Session:
    own = {name: arrays[f"{name}_{number}"] for name in SESSION_ARRAYS}
    recording = Recording(
        TimeSeries(own["series"], float(own["dt"]), tuple(words["regions"]), words["unit"]),
        Inputs(own["input_values"], float(own["input_dt"]), tuple(words["inputs"])),
        own["recording_confounds"],
        float(own["echo_time"]),
        own["delays"],
    )
    noise = Gaussian(tuple(words["noise"]), own["noise_mean"], own["noise_cov"])
    return Session(recording, own["prediction"], own["confounds"], noise, float(own["scale"]))


def _approximation(words: Any, arrays: Mapping[str, NDArray]) -> Approximation | None:
    if words is None:
        return None
    (worst, converged), (bold, posterior) = words, arrays["approximation"]
    return Approximation(float(bold), float(posterior), worst, converged)


def _of_version_1(header: Mapping[str, Any], arrays: Mapping[str, NDArray], model: Any) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """Words and numbers of a file of version 1 as version 2 would hold them: it had one session, and no scale, starts or approximation."""
    words = {name: header[name] for name in ("regions", "unit", "inputs", "noise")}
    one_session = {f"{name}_0": arrays[name] for name in SESSION_ARRAYS if name != "scale"} | {"scale_0": np.ones(())}
    steps = np.full(len(arrays["history_step"]), np.nan)
    arrays = {**arrays, **one_session, "history_gradient_norm": steps, "starts": np.zeros((0, 2))}
    scale = model.features(_session(words, arrays, 0).recording).scale
    return {**header, "sessions": [words], "starts": [], "approximation": None}, {**arrays, "scale_0": np.array(scale)}
