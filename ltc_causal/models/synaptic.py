"""A liquid time-constant network in its own coordinates: leaky regions, sigmoid synapses with reversal potentials, gated by inputs.

Hasani et al. 2021, "Liquid time-constant networks"; Lechner et al. 2020 for the synapse. In words and symbols,

    F_i = -g_i x_i + b_i + sum_pj w_pij s(a_pij) (E_pij - x_i) + sum_k ws_ik s(gs_ik (u_k - ms_ik)) (Es_ik - x_i) + sum_k Cl_ik u_k,
    a_pij = G_pij d_pij,   d_pij = x_j - mu_pij,   G_pij = gamma_pij + sum_k beta^k_pij u_k + sum_l delta^l_pij x_l,   s the logistic function;

p counts synapses that lie beside each other from the same source to the same target (a push-pull pair has two).

Lives here: the flow, its equilibria, its exact A, B, C and D. Does not live here: the same network in a DCM's coordinates
(`reduction.to_liquid`), its expressions (`reduction.symbolic`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import root

from ltc_causal.core.coupling import Coupling, named_vector
from ltc_causal.errors import InputError, finite_array, unique_names

Array = NDArray[np.float64]
Point: TypeAlias = Mapping[str, float] | ArrayLike | None  # values by name, those not named being zero, or all of them

NO_MODULATION = (
    "No synapse of this network is gated by an input (input_gating = 0), so its B is zero between different regions by construction: it "
    "cannot say that an input modulates a connection, whatever the data; give it input_gating."
)
ZERO_FLOW = 1e-12  # a flow below this share of its largest term is none: rounding


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """Where the flow is zero under constant inputs.

    state : shape (region,); the last point tried if none was found
    eigenvalues : of the flow's Jacobian there, 1/s, complex, shape (region,)
    found : whether the flow is zero at `state`, to rounding
    """

    state: Array
    eigenvalues: NDArray[np.complex128]
    found: bool

    @property
    def stable(self) -> bool:
        """Whether it was found and small deviations from it die out."""
        return self.found and bool(self.eigenvalues.real.max() < 0)

    def __str__(self) -> str:
        if not self.found:
            return "No equilibrium was found from this start: give another `start`, or integrate the flow to see where it goes."
        slowest = self.eigenvalues.real.max()
        fate = f"stable, the slowest deviation dies out at {-slowest:.3g} Hz" if self.stable else f"unstable, growing at {slowest:.3g} Hz"
        return f"Equilibrium at {np.array2string(self.state, precision=4)}: {fate}."


@dataclass(frozen=True, eq=False)
class SynapticNetwork:
    """The network of the module's first lines; a `core.model.DynamicalSystem` without an observed signal.

    regions, inputs : names; n and m of them
    leak : g (n,), Hz
    weight, slope, threshold, reversal : w (Hz), gamma, mu, E, each (n, n), target x source, or (p, n, n) for p parallel synapses
    bias : b (n,), activity per second
    sensory_weight, sensory_slope, sensory_threshold, sensory_reversal : ws (Hz), gs, ms, Es, each (n, m)
    drive : Cl (n, m), Hz per unit of input, the linear way in
    input_gating : beta (m, n, n) or (p, m, n, n), slope per unit of input
    region_gating : delta (n, n, n) or (p, n, n, n), gating region first, slope per unit of activity

    Whatever is not given is zero. `proper` says whether it is a biophysical network (no negative leak or weight).
    """

    regions: tuple[str, ...]
    inputs: tuple[str, ...]
    leak: Array
    weight: Array
    slope: Array
    threshold: Array
    reversal: Array
    bias: Array = field(default=None)  # pyright: ignore[reportAssignmentType] - this and all below are zeros unless given
    sensory_weight: Array = field(default=None)  # pyright: ignore[reportAssignmentType]
    sensory_slope: Array = field(default=None)  # pyright: ignore[reportAssignmentType]
    sensory_threshold: Array = field(default=None)  # pyright: ignore[reportAssignmentType]
    sensory_reversal: Array = field(default=None)  # pyright: ignore[reportAssignmentType]
    drive: Array = field(default=None)  # pyright: ignore[reportAssignmentType]
    input_gating: Array = field(default=None)  # pyright: ignore[reportAssignmentType]
    region_gating: Array = field(default=None)  # pyright: ignore[reportAssignmentType]

    n_draw = 1

    def __post_init__(self):
        object.__setattr__(self, "regions", unique_names("SynapticNetwork.regions", self.regions))
        object.__setattr__(self, "inputs", unique_names("SynapticNetwork.inputs", self.inputs))
        p = len(self.weight) if np.ndim(self.weight) == 3 else 1
        for name, shape in shapes(len(self.regions), len(self.inputs), p).items():
            value = np.zeros(shape) if getattr(self, name) is None else np.asarray(getattr(self, name))
            if p == 1 and len(shape) > 2 and value.shape == shape[1:]:
                value = value[None]
            array = finite_array(f"SynapticNetwork.{name}", value, len(shape), str(shape))
            if array.shape != shape:
                raise InputError(
                    f"SynapticNetwork.{name} must have shape {shape} for {len(self.regions)} regions, {len(self.inputs)} inputs and {p} parallel "
                    f"synapse(s), got {array.shape}: rows are targets."
                )
            object.__setattr__(self, name, array)

    # --- what it is -----------------------------------------------------------------------------------------------------------------

    @property
    def gated(self) -> bool:
        """Whether an input gates a synapse that exists; without that B is zero between different regions."""
        return bool((self.input_gating * self.weight[:, None]).any())

    @property
    def remark(self) -> str:
        """What a reader of its reduction must know: `NO_MODULATION` where no input gates a synapse, else nothing."""
        return "" if self.gated else NO_MODULATION

    @property
    def proper(self) -> bool:
        """Whether every leak and every weight is at least zero, as conductances are."""
        return bool(min(values.min(initial=0.0) for values in (self.leak, self.weight, self.sensory_weight)) >= 0)

    # --- the flow -------------------------------------------------------------------------------------------------------------------

    def flow(self, x: NDArray, u: NDArray) -> NDArray:
        """dx/dt in 1/s, shape (region, draw), from states (region, draw) and inputs (input,); complex values pass through."""
        G, d, V = self._synapses(x, u)
        synaptic = (self.weight[..., None] * logistic(G * d) * V).sum(axis=(0, 2))
        open_ = self.sensory_weight * logistic(self.sensory_slope * (u - self.sensory_threshold))  # (n, m), Hz
        sensory = (open_ * self.sensory_reversal + self.drive * u).sum(axis=1)
        return synaptic - (self.leak + open_.sum(axis=1))[:, None] * x + (self.bias + sensory)[:, None]

    def _synapses(self, x: NDArray, u: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Slope in force G, distance from threshold d and driving force V, each (p, target, source, draw)."""
        G = (self.slope + np.einsum("pkij,k->pij", self.input_gating, u))[..., None]
        if self.region_gating.any():
            G = G + np.einsum("plij,ld->pijd", self.region_gating, x)
        return G, x[None, None] - self.threshold[..., None], self.reversal[..., None] - x[None, :, None]

    def initial_state(self) -> tuple[Array, Array]:
        """Rest, the equilibrium without inputs that is found from zero, shape (region, 1); and no observation states, (0, region, 1).

        Raises `InputError` if no equilibrium is found.
        """
        rest = self.equilibrium()
        if not rest.found:
            raise InputError(f"The network has no state to start from. {rest}")
        return rest.state[:, None].copy(), np.zeros((0, len(self.regions), 1))

    def observation_flow(self, h: Array, x: Array) -> Array:
        """Nothing: the network has no haemodynamics, its neuronal states are what there is to read."""
        return np.zeros_like(h)

    def observe(self, x: Array, h: Array) -> Array:
        """NaN, shape (region, draw): there is no signal, read the neuronal states instead."""
        return np.full(h.shape[1:], np.nan)

    def with_scaled(self, source: int, target: int | None, factor: float) -> "SynapticNetwork":
        """The same with the weights of the synapses between two regions (or of all out of one) multiplied; its rest may move."""
        weight = self.weight.copy()
        weight[:, [i for i in range(len(self.regions)) if i != source] if target is None else target, source] *= factor
        return replace(self, weight=weight)

    def own_units(self, region: int) -> tuple[int, ...]:
        """The region alone."""
        return (region,)

    # --- equilibria -----------------------------------------------------------------------------------------------------------------

    def equilibrium(self, inputs: Point = None, start: Point = None) -> Equilibrium:
        """A state where the flow is zero under constant inputs, found by Powell's hybrid method from `start`; both zero unless given.

        A network may have several; which one is found depends on the start.
        """
        u, x = _vector("input", inputs, self.inputs), _vector("region", start, self.regions)
        if not self._still(x, u):
            result: Any = root(lambda x: self.flow(x[:, None], u)[:, 0], x, jac=lambda x: self._taylor(x, u)[0], tol=1e-14)
            x = result.x
        return Equilibrium(x, np.linalg.eigvals(self._taylor(x, u)[0]).astype(complex), self._still(x, u))

    def _still(self, x: Array, u: Array) -> bool:
        """Whether the flow is zero at a point, next to the size of its terms."""
        size = np.abs(self.leak * x) + np.abs(self.bias) + (np.abs(self.weight) * (np.abs(self.reversal) + np.abs(x)[:, None])).sum((0, 2))
        size += (np.abs(self.sensory_weight) * (np.abs(self.sensory_reversal) + np.abs(x)[:, None]) + np.abs(self.drive * u)).sum(1)
        return bool((np.abs(self.flow(x[:, None], u)[:, 0]) <= ZERO_FLOW * size).all())

    def about(self, state: Array) -> "SynapticNetwork":
        """The same network in deviations from a state, shape (region,): thresholds, reversal potentials and bias move."""
        x = finite_array("SynapticNetwork.about(state)", state, 1, "(region,)")
        return replace(
            self,
            slope=self.slope + np.einsum("plij,l->pij", self.region_gating, x),
            threshold=self.threshold - x,
            reversal=self.reversal - x[:, None],
            sensory_reversal=self.sensory_reversal - x[:, None],
            bias=self.bias - self.leak * x,
        )

    def about_rest(self) -> "SynapticNetwork":
        """The same network in deviations from its rest, as interventions and DCMs count activity; raises `InputError` if rest is unstable."""
        rest = self.equilibrium()
        if not rest.stable:
            raise InputError(f"The network has no stable rest to count from. {rest}")
        return self.about(rest.state)

    # --- its coupling ---------------------------------------------------------------------------------------------------------------

    def coupling(self, state: Point = None, inputs: Point = None) -> Coupling:
        """Exact Taylor coefficients A, B, C, D of the flow in Hz at a state and inputs, by name or as vectors (zero unless given).

        A = dF/dx, B[k] = d2F/dx du_k, C = dF/du; D[l]_ij + D[j]_il = d2F_i/dx_l dx_j, and of the many such D the one whose antisymmetric part
        is the network's own: region l gates j -> i through delta, and the target gates its own synapses through its distance from E. Where
        no input gates a synapse (`gated`), B is zero off the diagonal: see `remark`.
        """
        x, u = _vector("region", state, self.regions), _vector("input", inputs, self.inputs)
        A, B, C, D = self._taylor(x, u)
        return Coupling(A, B, C, self.regions, self.inputs, D)

    def _taylor(self, x: Array, u: Array) -> tuple[Array, Array, Array, Array]:
        """A (n, n), B (m, n, n), C (n, m), D (n, n, n) at x (n,) and u (m,)."""
        w, beta, delta, eye = self.weight, self.input_gating, self.region_gating, np.eye(len(x))
        G, d, V = (values[..., 0] for values in self._synapses(x[:, None], u))
        s, s1, s2 = logistic_derivatives(G * d)
        ss, ss1, _ = logistic_derivatives(self.sensory_slope * (u - self.sensory_threshold))
        sensory = self.sensory_weight * self.sensory_slope * ss1  # how fast each sensory conductance opens, (n, m)
        a_m = np.einsum("pij,jm->pijm", G, eye) + np.einsum("pmij,pij->pijm", delta, d)
        a_k = np.einsum("pkij,pij->pijk", beta, d)

        A = np.einsum("pij,pijm->im", w * s1 * V, a_m) - np.diag(self.leak + (w * s).sum((0, 2)) + (self.sensory_weight * ss).sum(1))
        C = np.einsum("pij,pijk->ik", w * s1 * V, a_k) + sensory * (self.sensory_reversal - x[:, None]) + self.drive
        B = np.einsum("pij,pijk,pijm->kim", w * s2 * V, a_k, a_m) + np.einsum("pij,pkij->kij", w * s1 * V, beta)
        B -= np.einsum("im,ik->kim", eye, np.einsum("pij,pijk->ik", w * s1, a_k) + sensory)

        gating = np.einsum("pim,plim->ilm", w * s1 * V, delta)
        braking = np.einsum("il,pij,pijm->ilm", eye, w * s1, a_m)
        H = np.einsum("pij,pijl,pijm->ilm", w * s2 * V, a_m, a_m)
        H += gating + gating.transpose(0, 2, 1) - braking - braking.transpose(0, 2, 1)
        own = gating.transpose(1, 0, 2) - np.einsum("il,pim->lim", eye, w * s1 * G)
        return A, B, C, (H.transpose(1, 0, 2) + own - own.transpose(2, 1, 0)) / 2


def _vector(kind: str, values: Point, names: tuple[str, ...]) -> Array:
    """Values of regions or inputs as a vector; raises `InputError` for an unknown name or a wrong number of them."""
    if values is None or isinstance(values, Mapping):
        return named_vector(kind, values, names)
    vector = finite_array(f"The {kind} values", values, 1, f"({kind},)")
    if vector.shape != (len(names),):
        raise InputError(f"The {kind} values must be {len(names)}, one for each of {list(names)}, got {len(vector)}.")
    return vector


def shapes(n: int, m: int, p: int) -> dict[str, tuple[int, ...]]:
    """Every parameter of a `SynapticNetwork` and its shape, for n regions, m inputs and p parallel synapses."""
    return {
        "leak": (n,), "bias": (n,), "weight": (p, n, n), "slope": (p, n, n), "threshold": (p, n, n), "reversal": (p, n, n),
        "sensory_weight": (n, m), "sensory_slope": (n, m), "sensory_threshold": (n, m), "sensory_reversal": (n, m), "drive": (n, m),
        "input_gating": (p, m, n, n), "region_gating": (p, n, n, n),
    }  # fmt: skip


def logistic(a: NDArray) -> NDArray:
    """s(a) = 1 / (1 + e^-a), by tanh: no overflow, and complex values pass through."""
    return (1 + np.tanh(a / 2)) / 2


def logistic_derivatives(a: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """The logistic function and its first two derivatives, s (1 - s) and s (1 - s) (1 - 2 s)."""
    s = logistic(a)
    return s, s * (1 - s), s * (1 - s) * (1 - 2 * s)
