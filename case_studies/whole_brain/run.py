"""Which regions of a whole brain at rest are its hubs? python case_studies/whole_brain/run.py [FOLDER] (simulated, known truth; half a minute)."""

import sys
import time
from pathlib import Path

import numpy as np
from figure import draw
from scipy.linalg import expm

import ltc_causal as lc
from ltc_causal.models.linear_system import response

REGIONS, HUBS, SCANS, DT = 200, 10, 1000, 1.0  # seconds a scan
BINS, SETTLE, NOISE = 8, 60.0, 3.0  # bins a scan; seconds before the first; signal to noise
SEED = 8


def network(rng):
    """A with ten regions that reach ten times as many others as the rest, two of three connections positive."""
    reach = np.full(REGIONS, 0.012)
    reach[rng.choice(REGIONS, HUBS, replace=False)] = 0.12
    A = (rng.random((REGIONS, REGIONS)) < reach) * rng.choice([1, 1, -1], (REGIONS, REGIONS)) * rng.uniform(0.1, 0.4, (REGIONS, REGIONS))
    np.fill_diagonal(A, 0.0)
    A *= min(1.0, 0.38 / np.linalg.eigvals(A).real.max())  # so that every mode decays
    return A - 0.5 * np.eye(REGIONS)


def recording(A, rng):
    """BOLD of regions that fluctuate by themselves and drive one another."""
    dt = DT / BINS
    settle = int(SETTLE / dt)
    n = settle + BINS * SCANS
    step, half = expm(A * dt), expm(A * dt / 2)
    x, activity = np.zeros(REGIONS), np.empty((n, REGIONS))
    size = np.exp(0.3 * rng.standard_normal(REGIONS)) * np.sqrt(dt)
    for k in range(n):
        activity[k] = x
        x = step @ x + half @ (size * rng.standard_normal(REGIONS))
    h = response(settle, dt, 0.04)
    spectrum = np.fft.rfft(activity, n + settle, axis=0) * np.fft.rfft(h, n + settle)[:, None]
    signal = np.fft.irfft(spectrum, n + settle, axis=0)[settle:n:BINS]
    bold = signal + signal.std(axis=0) / NOISE * rng.standard_normal(signal.shape)
    names = [f"R{i:03d}" for i in range(REGIONS)]
    return lc.Recording(lc.TimeSeries(bold, DT, names), lc.Inputs(np.zeros((SCANS, 0)), DT, ()))


def strengths(graph, regions):
    """What each region sends to the others: |weight| times the probability of the edge, summed."""
    sent = dict.fromkeys(regions, 0.0)
    for source, _, edge in graph.edges(data=True):
        sent[source] += abs(edge["weight"]) * edge["probability"]
    return np.array([sent[region] for region in regions])


def found_by(model, data, method):
    """Probability of each connection, what each region sends, and the seconds that fit and graph took."""
    began = time.perf_counter()
    fit = lc.fit(model, data, method)
    graph = lc.causal_graph(fit)
    score = np.zeros((REGIONS, REGIONS))
    place = {region: i for i, region in enumerate(data.regions)}
    for source, target, edge in graph.edges(data=True):
        score[place[target], place[source]] = edge["probability"]
    return score, strengths(graph, data.regions), time.perf_counter() - began


def main(folder):
    rng = np.random.default_rng(SEED)
    A = network(rng)
    data = recording(A, rng)
    off = ~np.eye(REGIONS, dtype=bool)
    truth, sent = (A != 0)[off], np.abs(A * off).sum(axis=0)
    best = set(np.argsort(-sent)[:HUBS])
    print(
        f"{REGIONS} regions, {truth.sum()} connections, {SCANS} scans of {DT:g} s\n\n| | AUC | AP | hubs found | s |\n|---|---|---|---|---|"
    )
    models = {
        "corrected, sparse": (lc.RegressionDCM(data.regions, sparse=True), lc.Regression(replicates=0, rounds=2)),
        "TAPAS 1.5, ridge": (lc.RegressionDCM(data.regions, variant="tapas15"), None),
        "TAPAS 1.5, sparse": (lc.RegressionDCM(data.regions, variant="tapas15", sparse=True, sparsity=0.1), None),
    }
    found = {name: found_by(model, data, method) for name, (model, method) in models.items()}
    for name, (score, told, seconds) in found.items():
        auc, ap = lc.area_under_curve(score[off], truth), lc.average_precision(score[off], truth)
        hubs = len(best & set(np.argsort(-told)[:HUBS]))
        print(f"| {name} | {auc:.3f} | {ap:.3f} | {hubs} of {HUBS} | {seconds:.0f} |")
    _, told, _ = found["corrected, sparse"]
    print(
        "\nstrongest hubs, found (true, Hz):",
        ", ".join(f"{data.regions[i]} {told[i]:.1f} ({sent[i]:.1f})" for i in np.argsort(-told)[:HUBS]),
    )
    draw(A, sent, {name: (score, told) for name, (score, told, _) in found.items()}, HUBS, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
