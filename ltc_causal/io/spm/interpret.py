"""What the fields of a DCM mean: its model, recording, posterior and fit out of the plain values of a file.

Lives here: one function for each of them; `kind` alone knows SPM's options of the model. Does not live here: files (`read`, `mat`), the
priors that a file states (`priors`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import lambertw

from ltc_causal.core.data import Inputs, Recording, TimeSeries
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.result import Fit, History, Session, Status
from ltc_causal.errors import InputError
from ltc_causal.io.spm import parameters, priors
from ltc_causal.io.spm.values import distinct, flag, is_empty, number, numbers, size, struct, words
from ltc_causal.models.dcm import DCM, SIGNAL_RANGE
from ltc_causal.numerics.least_squares import fitted

Array = NDArray[np.float64]
Fields = Mapping[str, Any]

DELAY = 1.0  # seconds; SPM's where a file gives none
ECHO_TIME = 0.04  # seconds; the same
OURS = "ltc_causal"  # the field of a DCM in which this package says what SPM has no place for


def model(dcm: Fields) -> DCM:
    """The connections, the kind of model and its priors."""
    a = numbers("DCM.a", dcm["a"])
    if a.ndim != 2 or a.shape[0] != a.shape[1] or not a.size:
        raise InputError(f"DCM.a must be regions x regions, but its size is {size(a)}: models of another form are not read.")
    n, m = len(a), 0 if is_empty(dcm["c"]) else numbers("DCM.c", dcm["c"]).shape[1]
    regions, inputs = _names(dcm, n, m)
    return priors.with_stated(dcm, DCM(regions, inputs, **_connections(dcm, a, n, m), **kind(dcm)))


def kind(dcm: Fields) -> dict[str, Any]:
    """What kind of model SPM's options make of the connections, as arguments of `DCM`."""
    options = struct(dcm, "options")
    for option, name in {"induced": "spectral", "stochastic": "stochastic"}.items():
        if flag(options, option):
            raise InputError(f"The DCM is {name} (DCM.options.{option}), which this version does not read: it reads deterministic ones.")
    two_state, nonlinear = flag(options, "two_state"), is_nonlinear(dcm)
    if two_state and nonlinear:
        raise InputError("The DCM is two-state and nonlinear at once (DCM.options.two_state, DCM.d), which no model here is: choose one.")
    neuronal = "two_state" if two_state else "nonlinear" if nonlinear else "bilinear"
    own = struct(dcm, OURS) if is_still_ours(dcm) else {}
    flow = own.get("flow") or ("spm" if nonlinear else "bilinear")
    signal_range = _signal_range(dcm)
    if "signal_range" in own:
        signal_range = None if is_empty(own["signal_range"]) else number(f"DCM.{OURS}.signal_range", own["signal_range"])
    return {"neuronal": neuronal, "flow": flow, "centre_inputs": flag(options, "centre"), "signal_range": signal_range}


def is_nonlinear(dcm: Fields) -> bool:
    """Whether SPM integrates the model as one with gating: by the name of its integrator, or before an estimation by DCM.d's size alone."""
    integrator = struct(dcm, "M").get("IS")
    return integrator == "spm_int_D" if isinstance(integrator, str) and integrator else not is_empty(dcm.get("d"))


def _signal_range(dcm: Fields) -> float | None:
    """The range to which the data were scaled: SPM12's, but for an estimate whose factor says another (older versions did not scale)."""
    Y = struct(dcm, "Y")
    if is_empty(dcm.get("F")) or is_empty(Y.get("y")) or _is_cell(Y["y"]):
        return SIGNAL_RANGE
    y, scale = numbers("DCM.Y.y", Y["y"]), _scale(Y)
    found = float(np.ptp(y - y.mean(axis=0)))
    if np.isclose(scale, SIGNAL_RANGE / max(found / scale, SIGNAL_RANGE), rtol=1e-6):
        return SIGNAL_RANGE
    return None if scale == 1 else found


def _scale(Y: Fields) -> float:
    scale = 1.0 if is_empty(Y.get("scale")) else number("DCM.Y.scale", Y["scale"])
    if not 0 < scale <= 1:
        raise InputError(f"DCM.Y.scale is {scale:g}, but SPM only scales data down: check what wrote the file.")
    return scale


def _is_cell(value: Any) -> bool:
    return getattr(value, "dtype", np.dtype(float)).kind == "O"


def is_still_ours(dcm: Fields) -> bool:
    """Whether our own field speaks of the results beside it: SPM keeps it when it estimates again, and then it is out of date."""
    own, now = (np.asarray([] if is_empty(fields.get("F")) else fields["F"], dtype=float) for fields in (struct(dcm, OURS), dcm))
    return OURS in dcm and np.array_equal(own.ravel(), now.ravel())


def _names(dcm: Fields, n: int, m: int) -> tuple[list[str], list[str]]:
    """Names of regions and inputs; R1, R2, ... and u1, u2, ... where the file has none."""
    regions = _counted("DCM.Y.name", struct(dcm, "Y").get("name"), n) or _counted("DCM.xY.name", _voi_names(dcm.get("xY")), n)
    regions = distinct(regions or [f"R{i}" for i in range(1, n + 1)])
    inputs = _counted("DCM.U.name", struct(dcm, "U").get("name"), m) if m else []
    return regions, distinct(inputs or [f"u{k}" for k in range(1, m + 1)], regions)


def _voi_names(voi: Any) -> Any:
    """The names of SPM's volumes of interest, a struct array with one element a region."""
    if isinstance(voi, np.ndarray) and "name" in (voi.dtype.names or ()):
        return voi["name"]
    return voi.get("name") if isinstance(voi, dict) else None


def _counted(what: str, value: Any, count: int) -> list[str]:
    """The names of a field, none where it is missing or empty."""
    found = [] if is_empty(value) else words(what, value)
    if len(found) not in (0, count):
        raise InputError(f"{what} holds {len(found)} names, but the connections are those of {count}: make them agree.")
    return found


def _connections(dcm: Fields, a: Array, n: int, m: int) -> dict[str, NDArray[np.bool_]]:
    """The masks of connections as arguments of `DCM`. MATLAB drops a last dimension of one, so that b of one input is n x n."""
    b, c = _mask(dcm, "b", (n, n, m)), _mask(dcm, "c", (n, m))
    d = _mask(dcm, "d", (n, n, n))
    return {"intrinsic": a != 0, "modulatory": b.transpose(2, 0, 1), "driving": c, "gating": d.transpose(2, 0, 1)}


def _mask(dcm: Fields, field: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if is_empty(dcm.get(field)):
        return np.zeros(shape, dtype=bool)
    value = numbers(f"DCM.{field}", dcm[field])
    value = value[:, :, None] if value.ndim < len(shape) else value
    if value.shape != shape:
        expected = " x ".join(map(str, shape))
        raise InputError(f"DCM.{field} must be {expected} beside DCM.a and DCM.c, but its size is {size(value)}: make them agree.")
    return value != 0


def recording(dcm: Fields, model: DCM) -> Recording | None:
    """The data, in the units that they had before SPM scaled them; None if there are none."""
    Y, U = struct(dcm, "Y"), struct(dcm, "U")
    if is_empty(Y.get("y")) or is_empty(U.get("u")):
        return None
    if _is_cell(Y["y"]):
        raise InputError("DCM.Y.y holds several sessions, and SPM's estimation in time takes one: give each session a DCM of its own.")
    for field, value in (("DCM.Y.dt", Y.get("dt")), ("DCM.U.dt", U.get("dt"))):
        if is_empty(value):
            raise InputError(f"{field} is missing: give the seconds between samples.")
    series = TimeSeries(numbers("DCM.Y.y", Y["y"]) / _scale(Y), number("DCM.Y.dt", Y["dt"]), tuple(model.regions))
    inputs = Inputs(numbers("DCM.U.u", U["u"]), number("DCM.U.dt", U["dt"]), tuple(model.inputs))
    confounds = None if is_empty(Y.get("X0")) else numbers("DCM.Y.X0", Y["X0"])
    echo_time = ECHO_TIME if is_empty(dcm.get("TE")) else number("DCM.TE", dcm["TE"])
    delays = np.array([min(DELAY, series.dt)]) if is_empty(dcm.get("delays")) else numbers("DCM.delays", dcm["delays"]).ravel()
    return Recording(series, inputs, confounds, echo_time, np.repeat(delays, len(model.regions)) if delays.size == 1 else delays)


def posterior(dcm: Fields, model: DCM) -> Gaussian | None:
    """The posterior over the model's parameters; None if the DCM is not estimated."""
    if not struct(dcm, "Ep") or is_empty(dcm.get("Cp")):
        return None
    values = parameters.flat("DCM.Ep", struct(dcm, "Ep"), model)
    return parameters.picked(values, numbers("DCM.Cp", dcm["Cp"]), model.prior.names)


def free_energy(dcm: Fields) -> float | None:
    """The free energy; None if the DCM is not estimated."""
    return None if is_empty(dcm.get("F")) else number("DCM.F", dcm["F"])


def fit(dcm: Fields, model: DCM, recording: Recording, posterior: Gaussian, free_energy: float) -> Fit:
    """The estimate as a fit; what SPM does not store (steps, gradient, time) is empty or not a number."""
    features = model.features(recording)
    y = model.predict(posterior.mean, features)[0] if is_empty(dcm.get("y")) else numbers("DCM.y", dcm["y"])
    if y.shape != features.values.shape:
        raise InputError(f"DCM.y has the size {size(y)}, but that of the data is {size(features.values)}: estimate the model again.")
    unexplained, X0 = features.values - y, features.confounds
    confounds = fitted(X0, unexplained)
    removed_mean = recording.series.values - features.values / features.scale
    noise = _noise(dcm, model, ((unexplained - confounds) ** 2).sum(axis=0), len(y))
    status, history = _ascent(dcm)
    session = Session(recording, y / features.scale, confounds / features.scale + removed_mean, noise, features.scale)
    return Fit(model, (session,), posterior, free_energy, status, history, gradient_norm=np.nan, seconds=np.nan)


def _noise(dcm: Fields, model: DCM, squares: Array, n_scan: int) -> Gaussian:
    """Log-precisions h: -log of SPM's noise variances, or without these at their optimum for the residuals' sums of squares S.

    The optimum solves T/2 - exp(h) S/2 = (h - hE)/hC. SPM does not store the variances of h (we do). At the end of its ascent that equation
    holds too, and gives the curvature exp(h) S/2 + 1/hC = T/2 - (h - hE)/hC + 1/hC (never below that of the prior).
    """
    prior = model.noise
    stored = np.zeros(0) if is_empty(dcm.get("Ce")) else numbers("DCM.Ce", dcm["Ce"]).ravel()
    usable = stored.size == len(model.regions) and np.all(stored > 0)
    highest = prior.mean + prior.variance * n_scan / 2
    optimum = highest - lambertw(prior.variance * squares / 2 * np.exp(highest)).real
    h = -np.log(stored) if usable else optimum
    curvature = n_scan / 2 + (1 - (h - prior.mean)) / prior.variance
    variance = 1 / np.maximum(curvature, 1 / prior.variance)
    own = struct(dcm, OURS).get("noise_variance") if is_still_ours(dcm) else None
    if not is_empty(own):
        variance = numbers(f"DCM.{OURS}.noise_variance", own).ravel()
    return Gaussian(tuple(model.regions), h, np.diag(variance))


def _ascent(dcm: Fields) -> tuple[Status, History]:
    """How the ascent ended and its course, as far as the file says: in a field proposed for SPM, or in our own."""
    convergence = struct(dcm, "convergence")
    status = Status.UNKNOWN
    if not is_empty(convergence.get("converged")):
        # SPM's ascent has no other end.
        status = Status.CONVERGED if number("DCM.convergence.converged", convergence["converged"]) else Status.MAXIMUM_ITERATIONS
    own = str(struct(dcm, OURS).get("status")) if is_still_ours(dcm) else ""
    status = Status[own] if own in Status.__members__ else status
    energy = np.zeros(0) if is_empty(convergence.get("F")) else numbers("DCM.convergence.F", convergence["F"]).ravel()
    unknown = np.full(len(energy), np.nan)
    return status, History(energy, unknown, unknown, np.ones(len(energy), dtype=bool))
