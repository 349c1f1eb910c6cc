"""From a DCM to a liquid network, and from a liquid DCM to raw synapses and back.

In a DCM's coordinates a synapse transmits phi(a) (1 - lambda x_i), a = A x_j, with phi of `models.neuronal`; in its own (`models.synaptic`)
w s(gamma (x_j - mu)) (E - x_i). With sign the sign of A, K = 2 cosh^2 tau / kappa and J_i > 0 the self-decay, the two flows are one if

    gamma = 2 |A| kappa,  mu = tau / (kappa A),  E = 1 / lambda,  w = K |lambda|          where sign lambda > 0: a proper synapse,
    g_i = J_i - sum w s(-gamma mu),  b_i = - sum w s(-gamma mu) E;

where it is not, a push-pull pair: one synapse opens to sign E0 and the other closes to - sign E0 with the same gate, weights
K (1 +- rho) / (2 E0), rho = sign lambda E0. Under inputs beta^k = 2 kappa sign B^k keeps them one where tau = 0.

Lives here: `to_liquid`, `to_synaptic`, `from_synaptic`. Does not live here: the way back from a liquid network to a DCM (`linearise`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltc_causal.core.coupling import Coupling, edge_name, nonzero_entries
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError, finite_array, positive
from ltc_causal.models.dcm import DCM
from ltc_causal.models.neuronal import INPUT_SCALE, SELF_RATE
from ltc_causal.models.synaptic import ZERO_FLOW, SynapticNetwork, logistic
from ltc_causal.models.system import DCMSystem

Array = NDArray[np.float64]

EVERYWHERE, WITHOUT_INPUTS, UNGATED = "everywhere", "at u = 0", "at u = 0, ungated"
PROPER, PAIR, NONE = "proper LTC", "push-pull pair", "none"


@dataclass(frozen=True, eq=False)
class LiquidDCM:
    """A liquid DCM with numbers: simulate, intervene on or start a fit from it.

    model : a DCM with neuronal="liquid"
    theta : its parameters, shape (parameter,), in the order of model.prior.names
    """

    model: DCM
    theta: Array

    def __post_init__(self):
        theta = finite_array("LiquidDCM.theta", self.theta, 1, "(parameter,)")
        if self.model.neuronal != "liquid" or len(theta) != len(self.model.prior.names):
            raise InputError(
                f"A LiquidDCM needs a liquid DCM and its {len(self.model.prior.names)} parameters, got a {self.model.neuronal} one and {len(theta)}."
            )
        object.__setattr__(self, "theta", theta)

    @property
    def parameters(self) -> dict[str, float]:
        """{name: value}, as `simulate(parameters=)` and `fit(start=)` take them."""
        return dict(zip(self.model.prior.names, self.theta.tolist(), strict=True))

    @property
    def coupling(self) -> Coupling:
        """A, B, C, D in Hz about rest."""
        return self.model.coupling(self.theta)

    def system(self, echo_time: float = 0.04) -> DCMSystem:
        """The dynamical system, one draw."""
        return self.model.system(self.theta[None], echo_time)


@dataclass(frozen=True, eq=False)
class SynapticForm:
    """A liquid DCM as raw synapses, and how each connection came out.

    network : the same flow in a network's own coordinates
    table : one row a connection: source, target, kind ("proper LTC", "push-pull pair", or "none" for one that carries nothing at u = 0),
        E, gamma, mu and w of the synapse that opens as its source grows, w_closing of its partner (0 if proper), and where the flows agree
        ("everywhere", "at u = 0", or "at u = 0, ungated" where only without gating by regions)
    """

    network: SynapticNetwork
    table: pd.DataFrame

    @property
    def exact(self) -> bool:
        """Whether the flows agree under every input and at every state, not only at u = 0."""
        return bool((self.table["agrees"] == EVERYWHERE).all())

    def __str__(self) -> str:
        kinds = self.table["kind"].value_counts()
        leaks = [f"{name} {g:.3g} Hz" for name, g in zip(self.network.regions, self.network.leak, strict=True) if g < 0]
        inexact = [
            f"{row['source']} -> {row['target']} ({row['agrees']})" for row in self.table.to_dict("records") if row["agrees"] != EVERYWHERE
        ]
        sentences = [
            f"{kinds.get(PROPER, 0)} connection(s) are proper LTC synapses, {kinds.get(PAIR, 0)} are push-pull pairs.",
            f"Leak is negative in {', '.join(leaks)}, so this is no proper LTC." if leaks else "Every leak is at least zero.",
            f"Not the same flow under every input and state: {', '.join(inexact)}." if inexact else "The flow is the same everywhere.",
        ]
        return " ".join([*sentences, self.network.remark]).strip()


# --- DCM -> liquid DCM ----------------------------------------------------------------------------------------------------------------


def to_liquid(source: Fit | Coupling, kappa: float = 0.1) -> LiquidDCM:
    """A DCM as a liquid network with the same A, B, C and D: synapses that saturate a little, without threshold or reversal potential.

    source : a fit of a bilinear or nonlinear DCM, taken at its posterior mean with its haemodynamics; or a coupling, which gets the prior
        mean's haemodynamics
    kappa : saturation of every synapse, per Hz. The current a = A x_j through a synapse comes out as tanh(kappa a) / kappa, short by at most
        kappa^2 |a|^3 / 3

    An input on a self-connection acts in the exponent (see `models.neuronal`): of a coupling's B_ii and D_ii the first order is kept.

    Raises `InputError` for another kind of model or source, and for a self-connection that does not decay.
    """
    kappa = positive("to_liquid(kappa)", kappa, "saturation per Hz")
    if isinstance(source, Fit):
        if getattr(source.model, "neuronal", "") not in ("bilinear", "nonlinear"):
            raise InputError("to_liquid needs a fit of a bilinear or nonlinear DCM: give another model's coupling instead, fit.coupling.")
        model = source.model.with_neuronal("liquid")
        known = dict(zip(source.posterior.names, source.posterior.mean, strict=True))
        return LiquidDCM(model, np.array([known.get(name, np.log(kappa)) for name in model.prior.names]))
    if isinstance(source, Coupling):
        return _from_matrices(source.regions, source.inputs, source.A, source.B, source.C, source.D, {"log_kappa": np.log(kappa)})
    raise InputError(f"to_liquid needs a Fit or a Coupling, got {type(source).__name__}: fit a DCM first, or state its coupling.")


def _from_matrices(regions, inputs, A: Array, B: Array, C: Array, D: Array, synaptic: Mapping[str, Any]) -> LiquidDCM:
    """The liquid DCM of matrices in Hz, and of {"log_kappa": number} or {name: array (region, region)} of all three synaptic parameters."""
    n = len(regions)
    own, eye = np.diagonal(A), np.eye(n, dtype=bool)
    if (own >= 0).any():
        i = int(np.argmax(own))
        raise InputError(f"The self-connection of {regions[i]!r} is {own[i]:.3g} Hz, but that of a DCM decays: make it negative.")
    per_edge = ("kappa", "tau", "lambda") if len(synaptic) > 1 else ()
    model = DCM(regions, inputs, (A != 0) | eye, B != 0, C != 0, D != 0, neuronal="liquid", per_edge=per_edge)
    # On the parameters' scale: the logarithm of a self-decay, and what is added to it.
    A, B, D = np.where(eye, 0.0, A), np.where(eye, B / own[:, None], B), np.where(eye, D / own[:, None], D)
    A[eye] = np.log(-own / SELF_RATE)
    scaled = Coupling(A, B, INPUT_SCALE * C, regions, inputs, D)
    values = dict(zip(model.prior.names, model.prior.mean, strict=True)) | dict.fromkeys(model.edge_names, 0.0)
    values |= {edge_name(matrix, **names): getattr(scaled, matrix)[entry] for matrix, entry, names in nonzero_entries(scaled)}
    for name, value in synaptic.items():
        edges = {f"{name}[{regions[j]}->{regions[i]}]": value[i, j] for i, j in np.ndindex(n, n)} if per_edge else {name: value}
        values |= {edge: number for edge, number in edges.items() if edge in values}
    return LiquidDCM(model, np.array(list(values.values())))


# --- liquid DCM -> raw synapses -------------------------------------------------------------------------------------------------------


def to_synaptic(source: LiquidDCM | Fit, reversal: float | None = None) -> SynapticForm:
    """A liquid DCM as raw synapses: exactly the same flow at u = 0, and under every input where `SynapticForm.exact` says so.

    source : a liquid DCM with numbers, or a fit of one (at its posterior mean)
    reversal : E0 of every push-pull pair, in activity; None takes for each region the one at which its pairs, at rest, take up the decay
        that its proper synapses leave, so that its leak stays positive if that can be. A pair with lambda has at most 1 / |lambda|

    Inputs and regions that gate a synapse without threshold (tau = 0) go over exactly, as beta = 2 kappa sign B and delta = 2 kappa sign D.
    With a threshold beta is the same, which moves threshold and gain together: the flows then agree at u = 0 only; and delta is left out.
    What acts on a self-connection (B_ii, D_ii) has no counterpart, a leak being constant, and is left out.

    Raises `InputError` for another kind of source, and for a `reversal` beyond 1 / |lambda|.
    """
    if isinstance(source, Fit) and getattr(source.model, "neuronal", "") == "liquid":
        source = LiquidDCM(source.model, source.posterior.mean)
    if not isinstance(source, LiquidDCM):
        raise InputError("to_synaptic needs a LiquidDCM or a fit of a liquid DCM: make one with to_liquid.")
    names, weights = (tuple(source.model.regions), tuple(source.model.inputs)), source.model.weights(source.theta)
    n, between = len(weights.A), ~np.eye(len(weights.A), dtype=bool)
    A, B, D = weights.A * between, weights.B * between, np.zeros((n, n, n)) if weights.D is None else weights.D * between
    kappa, tau, lam = (np.broadcast_to(value, (n, n)) for value in (weights.kappa, weights.tau, weights.lambda_))
    decay = SELF_RATE * np.exp(np.diagonal(weights.A))

    gated = (B != 0).any(axis=0) | (D != 0).any(axis=0)
    present = (A != 0) | (gated & (tau == 0))  # a synapse that only gating opens, and that has a threshold, carries nothing at u = 0
    sign = np.where(A != 0, np.sign(A), np.where(lam < 0, -1.0, 1.0))
    K = np.where(present, 2 * np.cosh(tau) ** 2 / kappa, 0.0)
    proper = present & (sign * lam > 0)
    E0 = _reversals(K, tau * sign, lam, proper, present & ~proper, decay, reversal)
    rho = np.where(proper, 1.0, sign * lam * E0)
    opening, closing = K / E0 * (1 + rho) / 2, K / E0 * (1 - rho) / 2
    gamma, mu = 2 * np.abs(A) * kappa * present, np.divide(tau, kappa * A, out=np.zeros((n, n)), where=A != 0)
    beta, delta = 2 * kappa * sign * B * present, 2 * kappa * sign * D * (present & (tau == 0))

    pairs = slice(None if closing.any() else 1)  # no second layer of synapses if all are single
    w, slope, threshold, E = (np.stack(two)[pairs] for two in ((opening, closing), (gamma, -gamma), (mu, mu), (sign * E0, -sign * E0)))
    s0 = logistic(-slope * threshold)
    network = SynapticNetwork(
        *names, decay - (w * s0).sum((0, 2)), w, slope, threshold, E * present, bias=-(w * s0 * E).sum((0, 2)), drive=weights.C / INPUT_SCALE,
        input_gating=np.stack([beta, -beta])[pairs], region_gating=np.stack([delta, -delta])[pairs],
    )  # fmt: skip
    agrees = np.where((tau == 0) | ~gated, EVERYWHERE, np.where((D != 0).any(axis=0), UNGATED, WITHOUT_INPUTS))
    columns = {"E": sign * E0, "gamma": gamma, "mu": mu, "w": opening, "w_closing": closing, "agrees": agrees}
    kind = np.where(proper, PROPER, np.where(present, PAIR, NONE))
    rows = [_row(names[0], kind, columns, i, j) for j, i in np.argwhere((present | gated).T)] + _self_modulation(weights, names[0])
    return SynapticForm(network, pd.DataFrame(rows, columns=["source", "target", "kind", *columns]))


def _row(regions: tuple[str, ...], kind: NDArray, columns: dict[str, NDArray], i: int, j: int) -> dict[str, Any]:
    values = {name: column[i, j] for name, column in columns.items()}
    return {"source": regions[j], "target": regions[i], "kind": kind[i, j], **values}


def _reversals(
    K: Array, tau: Array, lam: Array, proper: NDArray[np.bool_], pairs: NDArray[np.bool_], decay: Array, reversal: float | None
) -> Array:
    """E0 of every connection, (target, source): 1 / |lambda| of a proper synapse, 1 where there is none."""
    size = np.abs(lam)
    most = np.divide(1.0, size, out=np.full_like(size, np.inf), where=size > 0)
    if reversal is None:
        left = decay - (np.where(proper, K * size, 0.0) * logistic(-2 * tau)).sum(axis=1)
        chosen = np.where(pairs, K, 0.0).sum(axis=1) / np.where(left > 0, left, decay)
        E0 = np.minimum(chosen[:, None], most)
    else:
        E0 = np.full_like(K, positive("to_synaptic(reversal)", reversal, "activity"))
        if (pairs & (most < E0)).any():
            raise InputError(
                f"to_synaptic(reversal) of {reversal:g} exceeds 1 / |lambda| = {most[pairs].min():g} of a pair, one of whose weights would be "
                "negative: give a smaller one, or None."
            )
    return np.where(proper, most, np.where(pairs, E0, 1.0))


def _self_modulation(weights: Any, regions: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows for the self-connections that something acts on: constant leaks, so they agree while nothing does."""
    by_input = (np.diagonal(weights.B, axis1=1, axis2=2) != 0).any(axis=0)
    by_region = np.zeros(len(regions), bool) if weights.D is None else (np.diagonal(weights.D, axis1=1, axis2=2) != 0).any(axis=0)
    nothing = dict.fromkeys(("E", "gamma", "mu"), np.nan) | {"w": 0.0, "w_closing": 0.0}
    return [
        {"source": regions[i], "target": regions[i], "kind": NONE, **nothing, "agrees": UNGATED if by_region[i] else WITHOUT_INPUTS}
        for i in np.flatnonzero(by_input | by_region)
    ]


# --- raw synapses -> liquid DCM -------------------------------------------------------------------------------------------------------


def from_synaptic(network: SynapticNetwork) -> LiquidDCM:
    """Raw synapses as a liquid DCM with a kappa, tau and lambda for each connection: the same flow at u = 0.

    Under inputs it is the same as well, except where an input gates a synapse whose threshold is not at rest (see `to_synaptic`).

    Raises `InputError` where there is no such liquid DCM: rest is not at zero (use `network.about_rest()`), sensory synapses, a synapse
    of a region onto itself, parallel synapses that do not share one gate, one whose reversal potential is at rest, gating by a region
    with a threshold, or a self-connection that would not decay. For these there is the network's `coupling`.
    """
    n, regions = len(network.regions), network.regions
    w, E, s0 = network.weight, network.reversal, logistic(-network.slope * network.threshold)
    _check_rest(network, (w * s0 * E).sum((0, 2)), (np.abs(w * E)).sum((0, 2)))
    if network.sensory_weight.any():
        raise InputError("from_synaptic: the inputs of a liquid DCM act linearly, but this network has sensory synapses: use its coupling.")
    A, kappa, tau, lam = np.zeros((n, n)), np.ones((n, n)), np.zeros((n, n)), np.zeros((n, n))
    B, D = np.zeros((len(network.inputs), n, n)), np.zeros((n, n, n))
    for i, j in np.ndindex(n, n):
        gates = np.column_stack(
            [network.slope[:, i, j], network.input_gating[:, :, i, j], network.region_gating[:, :, i, j]]
        )  # (synapse, 1 + m + n)
        active = np.flatnonzero((w[:, i, j] != 0) & gates.any(axis=1))
        if len(active):
            gate, mu, P, Q = _one_synapse(network, i, j, gates, active)
            sign = np.sign(P)
            tau[i, j] = sign * gate[0] * mu / 2
            kappa[i, j], lam[i, j] = 2 * np.cosh(tau[i, j]) ** 2 / abs(P), Q / P
            A[i, j], *rest = sign * gate / (2 * kappa[i, j])
            B[:, i, j], D[:, i, j] = rest[: len(B)], rest[len(B) :]
    A[np.diag_indices(n)] = -(network.leak + (w * s0).sum((0, 2)))
    return _from_matrices(regions, network.inputs, A, B, network.drive, D, {"log_kappa": np.log(kappa), "tau": tau, "lambda": lam})


def _check_rest(network: SynapticNetwork, current: Array, size: Array) -> None:
    if (np.abs(network.bias + current) > ZERO_FLOW * (np.abs(network.bias) + size)).any():
        raise InputError(
            "from_synaptic: zero is not the rest of this network, and a DCM counts activity from rest: give network.about_rest()."
        )


def _one_synapse(network: SynapticNetwork, i: int, j: int, gates: Array, active: NDArray[np.int64]) -> tuple[Array, float, float, float]:
    """Parallel synapses as s(a) (P - Q x_i) and a constant: the slope of a and its gating, its threshold, P and Q."""
    where = f"from_synaptic: {network.regions[j]} -> {network.regions[i]}"
    if i == j:
        raise InputError(f"{where} is a synapse of a region onto itself, but a liquid DCM's self-connection is linear: use the coupling.")
    first, mu = gates[active[0]], network.threshold[active, i, j]
    along, against = (np.isclose(gates[active], turn * first, rtol=1e-9, atol=0).all(axis=1) for turn in (1, -1))
    if not (along | against).all() or not np.isclose(mu, mu[0], rtol=1e-9, atol=0).all():
        raise InputError(
            f"{where} has parallel synapses that do not open or close together, so they are not one of a DCM: use the coupling."
        )
    if mu[0] != 0 and gates[active[0], 1 + len(network.inputs) :].any():
        raise InputError(f"{where} is gated by a region and has a threshold, which no synapse of a liquid DCM is: use the coupling.")
    turn = np.where(along, 1.0, -1.0)
    P = float((turn * network.weight[active, i, j] * network.reversal[active, i, j]).sum())
    if P == 0:
        raise InputError(f"{where} has its reversal potential at rest, so it only shunts and has no strength A: use the coupling.")
    return first, float(mu[0]), P, float((turn * network.weight[active, i, j]).sum())
