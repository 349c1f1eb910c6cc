"""Simulated worlds in which the bridge between liquid networks and DCMs is measured, and the measures; `run.py` and the tests share them.

Lives here: truths, designs, fits of one seed and what they get wrong. Does not live here: medians, limits, tables.
"""

import numpy as np

import ltc_causal as lc
from ltc_causal.group.structure import connections
from ltc_causal.reduction.courses import courses
from ltc_causal.reduction.expansion import Expansion

TOP = lc.VariationalLaplace(path="fixed_point")
REGIONS, INPUTS = ("V1", "V5", "SPC", "FEF"), ("photic", "motion", "attention")
BETWEEN = ~np.eye(len(REGIONS), dtype=bool)


def boxes(names, seed, duration, dt, shortest=2.0, longest=8.0, gap=(4.0, 10.0)):
    """Each input on for a random time and off for another, again and again."""
    rng, events = np.random.default_rng(seed), {}
    for name in names:
        onset, events[name] = rng.uniform(0, gap[1]), []
        while onset + longest < duration:
            length = rng.uniform(shortest, longest)
            events[name].append((onset, length))
            onset += length + rng.uniform(*gap)
    return lc.Inputs.from_events(events, duration, dt)


def norm_ratio(error, truth):
    return float(np.linalg.norm(error) / np.linalg.norm(truth))


# --- recorded activity: four regions, three inputs, signal to noise 10 ---------------------------------------------------------------

DURATION, BIN, SNR = 150.0, 0.125, 10.0


def agnostic(neuronal="bilinear"):
    """Every connection, every input on every connection between regions, every input driving every region."""
    every = np.ones((len(REGIONS), len(REGIONS)), dtype=bool)
    driving = np.ones((len(REGIONS), len(INPUTS)), dtype=bool)
    return lc.DCM(REGIONS, INPUTS, every, dict.fromkeys(INPUTS, BETWEEN), driving, neuronal=neuronal, observation="activity")


def subject(model, seed, kappa=0.0):
    """Parameters: a chain and two further connections, three modulations of the chain, two drives; self-connections from their prior."""
    rng = np.random.default_rng(1000 + seed)
    chain = list(zip(REGIONS[:-1], REGIONS[1:], strict=True))
    others = [(s, t) for s in REGIONS for t in REGIONS if s != t and (s, t) not in chain]
    truth = {f"A[{s}->{t}]": rng.uniform(0.2, 0.5) for s, t in chain}
    truth |= {f"A[{s}->{t}]": rng.choice([-1, 1]) * rng.uniform(0.1, 0.25) for s, t in rng.permutation(others)[:2].tolist()}
    truth |= {f"B[{INPUTS[1 + k % 2]}: {s}->{t}]": rng.choice([1, -1]) * rng.uniform(0.25, 0.5) for k, (s, t) in enumerate(chain)}
    truth |= {"C[photic->V1]": rng.uniform(6, 10), "C[motion->SPC]": rng.uniform(4, 8)}
    truth |= {f"A[{region}->{region}]": rng.normal(0, 0.125) for region in REGIONS}
    if model.neuronal == "liquid":
        truth["log_kappa"] = np.log(kappa)
    return np.array([truth.get(name, 0.0) for name in model.prior.names])


def world(seed, kappa=0.0):
    """The true system (bilinear, or with synapses that saturate), its coupling, and a recording of its activity."""
    model = agnostic("liquid" if kappa else "bilinear")
    theta = subject(model, seed, kappa)
    inputs = boxes(INPUTS, seed, DURATION, BIN)
    recording = lc.simulate(model, theta, inputs, dt=2 * BIN, snr=SNR, seed=seed, delays=np.zeros(len(REGIONS)))
    return model.system(theta[None]), model.coupling(theta), recording


def runs(system, inputs, tried):
    """Activity of the usual run and under each intervention by itself, shape (run, bin, region)."""
    start, means = system.initial_state()[0][:, 0], dict.fromkeys(inputs.names, 0.0)
    return courses(system, start, inputs, [[], *([one] for one in tried)], means, 1).transpose(2, 0, 1)


def errors(coupling, truth):
    """r of A between regions, relative (Frobenius) errors of A, B and C."""
    off = {"r": float(np.corrcoef(coupling.A[BETWEEN], truth.A[BETWEEN])[0, 1])}
    return off | {f"e{M}": norm_ratio(getattr(coupling, M) - getattr(truth, M), getattr(truth, M)) for M in "ABC"}


def effect_errors(system, truth, inputs, coupling):
    """Relative errors of the course under new inputs, and of the effects of holding each region and of cutting each true connection.

    A region is held at twice the sd of its true course; effects are of the regions that are free, pooled over all such interventions.
    """
    true_usual = runs(truth, inputs, [])[0]
    held = [lc.Clamp(region, 2 * sd) for region, sd in zip(REGIONS, true_usual.std(axis=0), strict=True)]
    cuts = [lc.Cut(REGIONS[j], REGIONS[i]) for i, j in np.argwhere(coupling.A * BETWEEN)]
    tried = [*held, *cuts]
    (usual, *found), (_, *true) = runs(system, inputs, tried), runs(truth, inputs, tried)
    error, size = [], []
    for one, ours, theirs in zip(tried, found, true, strict=True):
        free = [i for i, region in enumerate(REGIONS) if getattr(one, "region", None) != region]
        effect = (theirs - true_usual)[:, free]
        error.append((((ours - usual)[:, free] - effect) ** 2).sum())
        size.append((effect**2).sum())
    n = len(held)
    do, cut = (float(np.sqrt(sum(error[part]) / sum(size[part]))) for part in (slice(n), slice(n, None)))
    return {"new": norm_ratio(usual - true_usual, true_usual), "do": do, "cut": cut}


def system_of(thing):
    """A fit or a reduction as a system."""
    if isinstance(thing, lc.Fit):
        return thing.model.system(thing.posterior.mean[None])
    return Expansion(thing.coupling, thing.constant, thing.state, thing.inputs)


def activity_errors(seed, kappa=0.0):
    """{what was fitted or reduced: its errors} for one seed."""
    truth, coupling, recording = world(seed, kappa)
    new = boxes(INPUTS, 500 + seed, 60.0, BIN)
    full = lc.fit(agnostic(), recording, TOP)
    liquid = lc.fit(agnostic("liquid"), recording, TOP)
    absent = [name for name, (matrix, index) in connections(full.model).items() if not getattr(coupling, matrix)[index]]
    found = {
        "DCM, right structure": lc.fit(lc.drop_connections(full.model, absent), recording, TOP),
        "DCM, full structure": full,
        "liquid DCM": liquid,
        "liquid DCM -> Taylor": lc.reduce_to_dcm(liquid, do=[]),
        "liquid DCM -> projection": lc.reduce_to_dcm(liquid, lc.Projection(draws=20), do=[]),
    }
    return {name: errors(one.coupling, coupling) | effect_errors(system_of(one), truth, new, coupling) for name, one in found.items()}
