"""The schemes that run.py compares: SPM's step, a plain local linearisation, the stated flow, and the stated flow at doubled A and C."""

import numpy as np
from scipy.linalg import expm

import ltc_causal as lc
from ltc_causal.models import haemodynamics, spm_nonlinear
from ltc_causal.models.neuronal import Weights
from ltc_causal.numerics.schedule import cut_into_steps, sample_bins

STEPS = 2 ** np.arange(1, 9)  # numbers of steps of the closed-form example
SECONDS = 2.0


def doubled(given: lc.Gaussian) -> lc.Gaussian:
    """The parameters of the stated flow that does what SPM's step does with the given ones: A and C doubled (see docs/spm-nonlinear.md)."""
    factor, shift = np.ones(len(given.names)), np.zeros(len(given.names))
    for p, name in enumerate(given.names):
        ends = name.partition("[")[2].rstrip("]").split(": ")[-1].split("->")
        own = len(ends) == 2 and ends[0] == ends[1]
        if own:
            factor[p], shift[p] = (1.0, np.log(2)) if name[0] == "A" else (0.5, 0.0)
        elif name[0] in "AC":
            factor[p] = 2.0
    return lc.Gaussian(given.names, factor * given.mean + shift, np.outer(factor, factor) * given.cov)


def closed_form(t: float, rate: float, reached: float = 1.0, D: float = 0.8) -> float:
    """Activity at t of a target that receives D x1 x2, with x1 = x2 = reached (1 - e^(-rate t)), and decays at that rate itself."""
    return D * reached**2 * ((1 - np.exp(-2 * rate * t)) / rate - 2 * t * np.exp(-rate * t))


def by_steps(t: float, n: int, local: bool, D: float = 0.8) -> float:
    """The same in n steps: plain local linearisation, or SPM's (times two, since x + a drives the blood)."""
    gating = np.zeros((3, 3, 3))
    gating[0, 2, 1] = D
    E = spm_nonlinear.expansion(Weights(np.zeros((3, 3)), np.zeros((1, 3, 3)), np.array([[8.0], [8.0], [0.0]]), gating))
    z = np.array([1.0, 0.0, 0.0, 0.0])
    for _ in range(n):
        a, M = z[1:], np.zeros((4, 4))
        gated = np.tensordot(a, E.by_activity, 1)
        M[1:, 1:] = E.linear + gated
        M[1:, 0] = E.drive[:, 0] + (-gated @ a / 2 if local else E.linear @ a)
        z = expm(M * t / n) @ z
    return z[3] * (1 if local else 2)


def predictions(model: lc.DCM, recording: lc.Recording, theta: np.ndarray) -> dict[str, np.ndarray]:
    """BOLD at the same parameters by each scheme, and at doubled ones by the stated flow."""
    transit, decay, epsilon = model.haemodynamic_parameters(theta)
    inputs = model.prepared_inputs(recording.inputs)
    bins = 16 * sample_bins(len(inputs.values), len(recording.series.values), recording.delays, inputs.dt)
    short = cut_into_steps(np.repeat(inputs.values, 16, axis=0), inputs.dt / 16, bins, np.arange(bins.max()))
    features, flow = model.features(recording), model.with_flow("true")
    twice = doubled(lc.Gaussian(model.prior.names, theta, model.prior.cov)).mean

    def steps(at, plan, local=False):
        h, _ = spm_nonlinear.course(model.weights(at), transit, decay, plan, local)
        return haemodynamics.bold(h[..., 0], h[..., 1], epsilon, recording.echo_time)

    return {
        "SPM": model.predict(theta, features)[0], "SPM, short steps": steps(theta, short),
        "local": steps(theta, features.plan.steps, True), "local, short steps": steps(theta, short, True),
        "flow": flow.predict(theta, features)[0], "flow, A and C doubled": flow.predict(twice, features)[0],
        "flow, A and C doubled, linear blood": steps(twice, short, True),
    }  # fmt: skip


def closed_form_errors() -> dict[str, np.ndarray]:
    """Relative error of the closed-form example by number of steps, against the stated flow and against the one that is twice as fast."""
    stated, twice = closed_form(SECONDS, 0.5), closed_form(SECONDS, 1.0)
    local, spm = (np.array([by_steps(SECONDS, n, which) for n in STEPS]) for which in (True, False))
    return {
        "local linearisation": abs(local / stated - 1), "SPM's step": abs(spm / stated - 1), "SPM's step, flow doubled": abs(spm / twice - 1)
    }  # fmt: skip
