"""What property tests draw from: couplings, Gaussians, input grids; and fits made by hand, whose truth is known."""

import numpy as np
from hypothesis import strategies as st

import ltc_causal as lc
from ltc_causal.core.result import Fit, History, Session, Status

REGIONS = ("V1", "V5", "SPC", "FEF", "IPS", "PFC")
INPUTS = ("photic", "motion", "attention")


def stable_matrix(rng, n, density=1.0):
    """Off-diagonal entries at random, self-couplings strong enough for stability (row sums: Gershgorin)."""
    A = rng.normal(0, 0.4, (n, n)) * (rng.random((n, n)) < density)
    np.fill_diagonal(A, 0)
    np.fill_diagonal(A, -np.abs(A).sum(axis=1) - rng.uniform(0.1, 1, n))
    return A


@st.composite
def couplings(draw, most_regions=5, density=1.0):
    """A stable A of 2 to `most_regions` regions, B on some connections, a C that is mostly zero."""
    n, m = draw(st.integers(2, most_regions)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    B = rng.normal(0, 0.3, (m, n, n)) * (rng.random((m, n, n)) < 0.3)
    C = rng.normal(0, 0.5, (n, m)) * (rng.random((n, m)) < 0.5)
    return lc.Coupling(stable_matrix(rng, n, density), B, C, REGIONS[:n], INPUTS[:m])


@st.composite
def gaussians(draw, most=6):
    """A correlated Gaussian over p0, p1, ...; some parameters may be fixed."""
    n = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    root = rng.normal(size=(n, n)) * (rng.random(n) < 0.8)[:, None]
    return lc.Gaussian(tuple(f"p{i}" for i in range(n)), rng.normal(size=n), root @ root.T)


def three_regions(**changes):
    """A small DCM by its true flow, without self-modulation: V1 <-> V5 -> SPC, motion on V1 -> V5."""
    settings = dict(
        regions=REGIONS[:3], inputs=["photic", "motion"], intrinsic=[("V1", "V5"), ("V5", "V1"), ("V5", "SPC")],
        modulatory={"motion": [("V1", "V5")]}, driving=[("photic", "V1")], flow="true",
    )  # fmt: skip
    return lc.DCM(**{**settings, **changes})


TRUTH = {"A[V1->V5]": 0.4, "A[V5->V1]": -0.2, "A[V5->SPC]": 0.35, "B[motion: V1->V5]": 0.3, "C[photic->V1]": 6.0}


def blocks(duration=120.0, dt=0.125):
    """Photic on for 10 s of every 20 s; motion on for the middle half."""
    events = {"photic": [(start, 10.0) for start in np.arange(5.0, duration - 10, 20)], "motion": [(duration / 4, duration / 2)]}
    return lc.Inputs.from_events(events, duration, dt)


def made_fit(model=None, truth=TRUTH, sd=0.02, recording=None, free_energy=0.0, status=Status.CONVERGED):
    """A fit whose posterior is set by hand: centred at the truth, `sd` for every parameter."""
    model = model or three_regions()
    recording = recording or lc.simulate(model, truth, blocks(), dt=2.0, snr=5, delays=[0.5, 1.0, 1.75][: len(model.regions)])
    mean = model.prior.mean.copy()
    for name, value in truth.items():
        mean[model.prior.index(name)] = value
    n, flat = len(mean), np.zeros_like(recording.series.values)
    posterior = lc.Gaussian(model.prior.names, mean, sd**2 * np.eye(n))
    n_region = len(model.regions)
    noise = lc.Gaussian(tuple(model.regions), np.full(n_region, 6.0), np.eye(n_region) / 128)
    history = History(np.zeros(1), np.zeros(1), np.zeros(1), np.ones(1, dtype=bool))
    session = Session(recording, flat, flat, noise, model.features(recording).scale)
    return Fit(model, (session,), posterior, free_energy, status, history, 0.0, 0.0)
