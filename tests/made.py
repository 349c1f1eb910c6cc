"""Results made by hand, whose every number a test knows: a two-region model, fits of it, predictions."""

from dataclasses import replace

import numpy as np

import ltc_causal as lc
from ltc_causal.core.prediction import Prediction
from ltc_causal.core.result import History, Session, Status

REGIONS = ("V1", "V5")
INPUTS = ("photic", "attention")


def model(neuronal="bilinear"):
    return lc.DCM(
        regions=REGIONS,
        inputs=INPUTS,
        intrinsic=[("V1", "V5"), ("V5", "V1")],
        modulatory={"attention": [("V1", "V5")]},
        driving=[("photic", "V1")],
        neuronal=neuronal,
        flow="true",
    )


def inputs(n_scan=60, dt=2.0):
    values = np.zeros((16 * n_scan, 2))
    scan = np.arange(16 * n_scan) // 16
    values[:, 0] = (scan // 6) % 2
    values[:, 1] = (scan // 12) % 2
    return lc.Inputs(values, dt / 16, INPUTS)


def recording(n_scan=60, seed=0):
    """Noise: for tests that fit nothing."""
    values = np.random.default_rng(seed).standard_normal((n_scan, 2)) * (1.0, 0.3)
    return lc.Recording(lc.TimeSeries(values, 2.0, REGIONS, "% signal change"), inputs(n_scan))


def simulated(seed=0, n_scan=120):
    """BOLD of the bilinear model at couplings that it can recover, signal to noise 20 (the noise that the prior expects)."""
    truth = {"A[V1->V5]": 0.4, "A[V5->V1]": -0.2, "B[attention: V1->V5]": 0.5, "C[photic->V1]": 2.0}
    return lc.simulate(model(), truth, inputs(n_scan), dt=2.0, snr=20.0, seed=seed)


def fit(neuronal="bilinear", status=Status.CONVERGED, seed=0, free_energy=-123.456):
    """A Fit that no method made: random numbers in every place."""
    rng = np.random.default_rng(seed)
    its_model = model(neuronal)
    n = len(its_model.prior.names)
    root = 0.05 * rng.standard_normal((n, n))
    posterior = lc.Gaussian(its_model.prior.names, 0.3 * rng.standard_normal(n), root @ root.T)
    noise = lc.Gaussian(REGIONS, rng.standard_normal(2), np.diag(rng.uniform(0.1, 1, 2)))
    data = recording(seed=seed)
    shape = data.series.values.shape
    history = History(
        free_energy - np.exp(4.0 - np.arange(6)), rng.uniform(size=6), rng.uniform(size=6), np.array([1, 1, 0, 1, 1, 1], bool)
    )
    prediction = 0.5 * data.series.values + 0.1 * rng.standard_normal(shape)
    confounds = 0.1 * rng.standard_normal(shape)
    session = Session(data, prediction, confounds, noise, its_model.features(data).scale)
    return lc.Fit(its_model, (session,), posterior, free_energy, status, history, 0.01, 1.5, seed)


def with_recording(fit, recording):
    """The same fit, said to be of another recording."""
    return replace(fit, sessions=(replace(fit.sessions[0], recording=recording, scale=fit.model.features(recording).scale),))


def prediction(draws, do=(), probability=0.9):
    """The Prediction of given draws, shape (draw, time, region); a draw with NaN is an unstable one."""
    stable = draws[np.isfinite(draws).all(axis=(1, 2))]
    tail = (1 - probability) / 2
    lower, upper = np.quantile(stable, [tail, 1 - tail], axis=0)
    times = 2.0 * np.arange(draws.shape[1])
    return Prediction(times, REGIONS, stable.mean(axis=0), lower, upper, draws, tuple(do), "bold", probability, len(draws) - len(stable))


CONFIG = """
title = "Two regions"
question = "Is V1 connected to V5 & back?"

[data]
file = "data.npz"

[structure]
regions = ["V1", "V5"]
inputs = ["photic", "attention"]
intrinsic = [["V1", "V5"], ["V5", "V1"]]
modulatory = { attention = [["V1", "V5"]] }
driving = [["photic", "V1"]]

[models.bilinear]
flow = "true"

[models.liquid]
neuronal = "liquid"
start = "bilinear"

[causal]
model = "liquid"
inputs = { photic = 1.0 }
probability = 0.9

[predictions]
draws = 10

[[interventions]]
title = "Cut V1 → V5"
do = [{ kind = "cut", source = "V1", target = "V5" }]
"""


def data_fields(seed=0):
    """The fields of an npz file of a simulated recording."""
    its = simulated(seed)
    return {
        "values": its.series.values, "dt": its.series.dt, "regions": list(REGIONS), "inputs": its.inputs.values, "input_dt": its.inputs.dt,
        "input_names": list(INPUTS), "unit": its.series.unit,
    }  # fmt: skip


def write_study(folder, config=CONFIG, **changes):
    """A config and its data in a folder, perhaps with other fields; gives the config's path."""
    np.savez(folder / "data.npz", **(data_fields() | changes))
    (folder / "config.toml").write_text(config, encoding="utf-8")
    return folder / "config.toml"
