"""Results as xarray trees, and these as netCDF or ArviZ's container, for other programs and other languages.

| group | what |
|---|---|
| posterior | mean, sd and cov of the model's parameters, members and weights of an ensemble; its prior likewise in `prior` |
| coupling | A, B, C and D in Hz, and their sd: `region_to` (target) before `region_from` (source) |
| observed_data, constant_data | a recording: signal; inputs on their own grid, confounds, delays |
| predictions | what a model says of it, or a prediction's mean, band and draws |
| sample_stats | the course of the ascent |

A fit of several sessions has the last four groups (but the ascent) once each, below `session_0`, `session_1`, ... xarray comes with the extra
`export`, and so do netCDF and ArviZ.

Lives here: `to_datatree`, `write_netcdf`, `to_arviz`. Does not live here: files that are read back as results (`archive`), tables (`tables`).
"""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.blocks import Blocks
from ltc_causal.core.coupling import Coupling, split_edge_name
from ltc_causal.core.data import Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.prediction import Prediction
from ltc_causal.core.reduction import Reduction
from ltc_causal.core.result import Fit, Session
from ltc_causal.core.trained import TrainedNetwork
from ltc_causal.errors import InputError
from ltc_causal.io.archive import package_version
from ltc_causal.io.writing import optional, whole_file

Array = NDArray[Any]
Groups = dict[str, Any]  # {path in the tree: xarray.Dataset}


def to_datatree(result: Any) -> Any:
    """An `xarray.DataTree` of a fit, trained network, reduction, prediction, coupling or recording; groups as of the module's table.

    Raises `InputError` for another kind of result, or without xarray (extra `export`).
    """
    for kind, make in MAKERS.items():
        if isinstance(result, kind):
            groups, attributes = make(result)
            root = {"kind": kind.__name__, "package": f"ltc_causal {package_version()}", **attributes}
            return _xarray().DataTree.from_dict({"/": _dataset({}, {}, **root), **groups})
    raise InputError(f"to_datatree takes {', '.join(kind.__name__ for kind in MAKERS)}, got {type(result).__name__}.")


def write_netcdf(result: Any, path: str | Path) -> None:
    """Write `to_datatree(result)` as netCDF 4 with its groups, whole or not at all; `xarray.open_datatree` reads it.

    Raises `InputError` as `to_datatree` does, and if neither netCDF4 nor h5netcdf is installed.
    """
    tree = to_datatree(result)
    with whole_file(path) as temporary:
        try:
            tree.to_netcdf(temporary)
        except ImportError:
            raise InputError("Writing netCDF needs the package netCDF4: install it with pip install 'ltc_causal[export]'.") from None


def to_arviz(result: Any, draws: int = 1000, seed: int = 0) -> Any:
    """Draws of a fit or trained network as ArviZ holds them: `InferenceData` with ArviZ before 1.0, an `xarray.DataTree` from then on.

    Groups posterior and prior have `coupling` in Hz (chain, draw, connection) where the result has such a posterior, and `theta`, the free
    parameters; observed_data and constant_data are the first session's. Draws are independent, of one chain, from the result's own Gaussian
    or ensemble, so that measures of convergence say nothing about them.

    Raises `InputError` for another kind of result, or without ArviZ (extra `export`).
    """
    if not isinstance(result, Fit | TrainedNetwork):
        raise InputError(f"to_arviz takes a fit or a trained network, got {type(result).__name__}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # ArviZ 0.x announces 1.0 to everyone who imports it
        arviz = optional("arviz", "export", "Giving draws to ArviZ")
    groups = {"posterior": _draws(result.posterior, draws, seed), "prior": _draws(result.model.prior, draws, seed)}
    if isinstance(result, Fit):
        couplings = result.coupling_posterior.sample(draws, seed)[None]
        names = np.array(result.coupling_posterior.names)
        groups["posterior"]["coupling"] = (("chain", "draw", "connection"), couplings)
        groups["posterior"] = groups["posterior"].assign_coords(connection=names)
    groups |= _recorded(result.sessions[0].recording)
    if hasattr(arviz, "InferenceData"):
        return arviz.InferenceData(**groups)
    return _xarray().DataTree.from_dict(groups)


# --- kinds of result ------------------------------------------------------------------------------------------------------------------


def _fit(fit: Fit) -> tuple[Groups, dict[str, Any]]:
    history = {name: ("iteration", np.asarray(value)) for name, value in vars(fit.history).items()}
    groups = {
        "posterior": _gaussian(fit.posterior), "prior": _gaussian(fit.prior),
        "coupling": _coupling(fit.coupling, fit.coupling_posterior, fit.coupling_unit),
        "sample_stats": _dataset(history, {}, free_energy=fit.free_energy, gradient_norm=fit.gradient_norm, seconds=fit.seconds),
    }  # fmt: skip
    attributes = {"model": fit.model.describe(), "status": fit.status.name, "status_in_words": str(fit.status), "seed": fit.seed}
    specification = json.dumps(fit.model.to_spec()) if hasattr(fit.model, "to_spec") else None
    return groups | _sessions(fit.sessions), {**attributes, "specification": specification, "free_energy_nats": fit.free_energy}


def _trained(trained: TrainedNetwork) -> tuple[Groups, dict[str, Any]]:
    ensemble = trained.posterior
    parts = {"members": (("member", "parameter"), ensemble.members), "weights": ("member", ensemble.weights)}
    parts |= {"points": (("point", "parameter"), ensemble.points), "validation": ("member", trained.validation)}
    history = {name: (("step", "start"), np.asarray(value)) for name, value in vars(trained.history).items()}
    groups = {
        "posterior": _dataset(parts, {"parameter": ensemble.names}), "prior": _gaussian(trained.model.prior),
        "sample_stats": _dataset(history, {}, seconds=trained.seconds),
    }  # fmt: skip
    attributes = {"model": trained.model.describe(), "status": trained.status.name, "status_in_words": str(trained.status)}
    return groups | _sessions(trained.sessions), {**attributes, "seed": trained.seed}


def _reduction(reduction: Reduction) -> tuple[Groups, dict[str, Any]]:
    certificate, coupling = reduction.certificate, reduction.coupling
    parts = {"constant": ("region", reduction.constant), "state": ("region", reduction.state), "inputs": ("input", reduction.inputs)}
    parts |= {"residual": ("region", certificate.residual_by_region), "trajectory": ("region", certificate.trajectory_by_region)}
    point = _dataset(parts, {"region": coupling.regions, "input": coupling.inputs})
    groups = {"coupling": _coupling(coupling, reduction.posterior), "posterior": _gaussian(reduction.posterior), "operating_point": point}
    numbers = {"residual": certificate.residual, "trajectory": certificate.trajectory, "bound": certificate.bound}
    words = {"method": certificate.method, "operating_point": certificate.operating_point, "verdict": certificate.verdict}
    return groups, {**numbers, **words, "note": reduction.note}


def _prediction(prediction: Prediction) -> tuple[Groups, dict[str, Any]]:
    courses = ("time", "region")
    parts = {name: (courses, getattr(prediction, name)) for name in ("mean", "lower", "upper")}
    coordinates = {"time": prediction.times, "region": prediction.regions}
    groups = {"predictions": _dataset({**parts, "draws": (("draw", *courses), prediction.draws)}, coordinates)}
    if prediction.usual is not None:
        groups["usual"] = _prediction(prediction.usual)[0]["predictions"]
    attributes = {name: getattr(prediction, name) for name in ("quantity", "probability", "unstable", "kind")}
    return groups, {**attributes, "do": prediction.describe(), "remarks": " ".join(prediction.remarks)}


MAKERS: dict[Any, Callable[[Any], tuple[Groups, dict[str, Any]]]] = {
    Fit: _fit,
    TrainedNetwork: _trained,
    Reduction: _reduction,
    Prediction: _prediction,
    Coupling: lambda coupling: ({"coupling": _coupling(coupling)}, {}),
    Recording: lambda recording: (_recorded(recording), {}),
}


# --- their parts ----------------------------------------------------------------------------------------------------------------------


def _sessions(sessions: Sequence[Session]) -> Groups:
    if len(sessions) == 1:
        return _session(sessions[0])
    return {f"session_{number}/{name}": group for number, one in enumerate(sessions) for name, group in _session(one).items()}


def _session(session: Session) -> Groups:
    parts = {name: (("time", "region"), getattr(session, name)) for name in ("prediction", "confounds", "residuals")}
    noise = {"noise_log_precision": ("noise", session.noise.mean), "noise_log_precision_sd": ("noise", session.noise.sd)}
    recording = session.recording
    coordinates = {"time": recording.series.times, "region": recording.regions, "noise": session.noise.names}
    return {**_recorded(recording), "predictions": _dataset({**parts, **noise}, coordinates, scale=session.scale)}


def _recorded(recording: Recording) -> Groups:
    series, inputs = recording.series, recording.inputs
    regions = {"region": series.regions}
    signal = _dataset({"signal": (("time", "region"), series.values)}, {"time": series.times, **regions}, dt=series.dt, unit=series.unit)
    parts = {
        "inputs": (("bin", "input"), inputs.values), "confounds": (("time", "confound"), recording.confounds),
        "delays": ("region", recording.delays),
    }  # fmt: skip
    coordinates = {"time": series.times, "bin": inputs.times, "input": inputs.names, **regions}
    return {"observed_data": signal, "constant_data": _dataset(parts, coordinates, input_dt=inputs.dt, echo_time=recording.echo_time)}


def _gaussian(gaussian: Gaussian) -> Any:
    parts: dict[str, Any] = {"mean": ("parameter", gaussian.mean), "sd": ("parameter", gaussian.sd)}
    coordinates = {"parameter": gaussian.names}
    if not isinstance(gaussian.cov, Blocks):  # whose whole may not fit in memory
        parts["cov"] = (("parameter", "parameter_other"), gaussian.cov)
        coordinates["parameter_other"] = gaussian.names
    return _dataset(parts, coordinates)


def _coupling(coupling: Coupling, posterior: Gaussian | None = None, unit: str = "Hz") -> Any:
    to_from = ("region_to", "region_from")
    dims = {"A": to_from, "B": ("input", *to_from), "C": ("region_to", "input"), "D": ("region_gate", *to_from)}
    wanted = [name for name in "ABCD" if name in "AC" or np.any(getattr(coupling, name))]
    parts = {name: (dims[name], np.asarray(getattr(coupling, name))) for name in wanted}
    if posterior is not None:
        spread = _spread(coupling, posterior)
        parts |= {f"{name}_sd": (dims[name], spread[name]) for name in wanted}
    regions = coupling.regions
    coordinates = {"region_to": regions, "region_from": regions, "input": coupling.inputs}
    return _dataset(parts, coordinates | ({"region_gate": regions} if "D" in wanted else {}), unit=unit)


def _spread(coupling: Coupling, posterior: Gaussian) -> dict[str, Array]:
    """The sd of every entry, 0 where it is not free."""
    values = {name: np.zeros(getattr(coupling, name).shape) for name in "ABCD" if name != "D" or np.any(coupling.D)}
    region, given = coupling.regions.index, coupling.inputs.index
    for name, sd in zip(posterior.names, posterior.sd.tolist(), strict=True):
        matrix, source, target, by = split_edge_name(name)
        if matrix == "C":
            values["C"][region(target), given(source)] = sd
        elif matrix == "A":
            values["A"][region(target), region(source)] = sd
        elif matrix in values:
            values[matrix][(given if matrix == "B" else region)(by), region(target), region(source)] = sd
    return values


def _draws(distribution: Any, count: int, seed: int) -> Any:
    """The free parameters' draws, as one chain."""
    free = distribution.free if isinstance(distribution, Gaussian) else np.ones(len(distribution.names), dtype=bool)
    theta = distribution.sample(count, seed)[:, free][None]
    names = [name for name, kept in zip(distribution.names, free, strict=True) if kept]
    coordinates = {"chain": [0], "draw": np.arange(count), "parameter": names}
    return _dataset({"theta": (("chain", "draw", "parameter"), theta)}, coordinates)


def _dataset(parts: Mapping[str, Any], coordinates: Mapping[str, Any], **attributes: Any) -> Any:
    known = {name: value for name, value in attributes.items() if value is not None}
    return _xarray().Dataset(dict(parts), {name: np.asarray(value) for name, value in coordinates.items()}, known)


def _xarray() -> Any:
    return optional("xarray", "export", "Making an xarray tree")
