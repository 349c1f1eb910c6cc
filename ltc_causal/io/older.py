"""Fits as versions 1 and 2 of the file format had them.

Lives here: reading those. Does not live here: the file itself and the present version (`archive`, `codec`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Inputs, Recording, TimeSeries
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.result import Approximation, Attempt, Fit, History, Session, Status
from ltc_causal.io.codec import SPECIFIED, decode

SESSION_ARRAYS = (
    "series", "dt", "input_values", "input_dt", "recording_confounds", "echo_time", "delays", "noise_mean", "noise_cov", "prediction",
    "confounds", "scale",
)  # fmt: skip
HISTORY_ARRAYS = ("free_energy", "step", "predicted_gain", "accepted", "gradient_norm")


def older_fit(header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> Fit:
    """The fit of a file of version 1 or 2."""
    kind = header["model"]["kind"]
    if kind not in SPECIFIED:
        raise KeyError(kind)
    model = decode({"kind": kind, "specification": header["model"]["specification"]}, {})
    if header["version"] == 1:
        header, arrays = _as_version_2(header, arrays, model)
    return Fit(
        model=model,
        sessions=tuple(_session(words, arrays, number) for number, words in enumerate(header["sessions"])),
        posterior=Gaussian(tuple(header["parameters"]), arrays["posterior_mean"], arrays["posterior_cov"]),
        free_energy=float(arrays["free_energy"]),
        status=Status[header["status"]],
        history=History(*(arrays[f"history_{name}"] for name in HISTORY_ARRAYS)),
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


def _as_version_2(header: Mapping[str, Any], arrays: Mapping[str, NDArray], model: Any) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """Words and numbers of version 1 as version 2 would hold them: it had one session, and no scale, starts or approximation."""
    words = {name: header[name] for name in ("regions", "unit", "inputs", "noise")}
    one_session = {f"{name}_0": arrays[name] for name in SESSION_ARRAYS if name != "scale"} | {"scale_0": np.ones(())}
    steps = np.full(len(arrays["history_step"]), np.nan)
    arrays = {**arrays, **one_session, "history_gradient_norm": steps, "starts": np.zeros((0, 2))}
    scale = model.features(_session(words, arrays, 0).recording).scale
    return {**header, "sessions": [words], "starts": [], "approximation": None}, {**arrays, "scale_0": np.array(scale)}
