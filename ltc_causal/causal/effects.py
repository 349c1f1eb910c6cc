"""Total effects at equilibrium: what a sustained change does once everything has settled, over all paths, loops included.

Lives here: `total_effect`. Does not live here: its course in time (`predict`), the graph (`graph`).
"""

from collections.abc import Mapping

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from ltc_causal.causal.source import Source, constant_of, draw_couplings, read_source
from ltc_causal.core.coupling import Coupling
from ltc_causal.core.result import Effect
from ltc_causal.errors import InputError, known_name

Array = NDArray[np.float64]

PER_ACTIVITY = "per unit activity"
PER_INPUT = "activity per unit input"


def total_effect(
    source_object: Source,
    source: str,
    target: str,
    *,
    inputs: Mapping[str, float] | None = None,
    draws: int = 1000,
    seed: int | np.random.Generator = 0,
    probability: float = 0.9,
) -> Effect:
    """The effect of a region or an input on a region at equilibrium, with the posterior's uncertainty.

    source_object : a Fit or a Reduction; a Coupling too, then without uncertainty
    source, target : names; the target is a region
    inputs : {name: value}, the constant inputs under which the question is asked (those not named are 0); of a reduction taken elsewhere
        than at rest, deviations from its operating point
    draws, seed : of couplings from their Gaussian; probability : of the interval

    With A the coupling under the inputs, j the source, R all other regions,

        region:  d x*_target / d v   under do(x_j = v)  =  T_target,   T = -A_RR^-1 A_Rj        (Mooij, Janzing and Schoelkopf 2013)
        input:   d x*_target / d u_j                    =  [-A^-1 (C_j + B_j x*)]_target,   x* = -A^-1 (C u + F0)

    F0 is a reduction's constant, zero of all else.

    The second includes what the input modulates, so where it modulates it holds for small changes about the inputs given. Gating (D) is
    left out: the effects are those about rest. A number exists only if the system that remains under the intervention (A_RR, or A) is
    stable; draws in which it is not are set aside and counted. Without a directed path the effect is exactly 0.

    Raises `InputError` for an unknown name, or a source that is its own target.
    """
    coupling, posterior = read_source(source_object)
    known_name("region", target, coupling.regions, "total_effect(target)")
    known_name("region or input", source, (*coupling.regions, *coupling.inputs), "total_effect(source)")
    if source == target:
        raise InputError(
            f"total_effect needs two different nodes, got {source!r} twice: a region's effect on itself is not one to ask for."
        )
    if draws < 2 or not 0 < probability < 1:
        raise InputError(
            f"total_effect needs at least 2 draws and a probability between 0 and 1, got draws={draws!r}, probability={probability!r}."
        )
    u = coupling.input_vector(inputs)
    mean = {matrix: getattr(coupling, matrix)[None] for matrix in "ABC"}
    drawn = draw_couplings(coupling, posterior, draws, seed) if posterior else mean
    unit = PER_INPUT if source in coupling.inputs else PER_ACTIVITY
    constant = constant_of(source_object, len(coupling.regions))
    if not _reaches(coupling, drawn, u, constant, source, target):
        return _no_path(source, target, unit, uncertain=posterior is not None)
    value, effects = (_effects(coupling, some, u, constant, source, target) for some in (mean, drawn))
    return _summary(source, target, unit, float(value[0]), effects, probability, posterior is not None)


def _effects(coupling: Coupling, drawn: Mapping[str, Array], u: Array, constant: Array, source: str, target: str) -> Array:
    """The effect in each draw, NaN where the remaining system is not stable, shape (draw,)."""
    A = drawn["A"] + np.einsum("k,dkij->dij", u, drawn["B"])
    i = coupling.regions.index(target)
    if source in coupling.inputs:
        k = coupling.inputs.index(source)
        equilibrium = _settled(A, constant + np.einsum("dik,k->di", drawn["C"], u))
        drive = drawn["C"][:, :, k] + np.einsum("dij,dj->di", drawn["B"][:, k], equilibrium)
        return _settled(A, drive)[:, i]
    j = coupling.regions.index(source)
    rest = [region for region in range(len(coupling.regions)) if region != j]
    return _settled(A[:, rest][:, :, rest], A[:, rest, j])[:, rest.index(i)]


def _settled(A: Array, drive: Array) -> Array:
    """The equilibrium -A^-1 drive of x' = A x + drive in each draw, NaN where A is not stable; shapes (draw, n, n) and (draw, n)."""
    finite = np.isfinite(drive).all(axis=1)
    stable = finite & (np.linalg.eigvals(A).real.max(axis=1) < 0)
    equilibrium = np.full_like(drive, np.nan)
    equilibrium[stable] = -np.linalg.solve(A[stable], drive[stable][..., None])[..., 0]
    return equilibrium


def _reaches(coupling: Coupling, drawn: Mapping[str, Array], u: Array, constant: Array, source: str, target: str) -> bool:
    """Whether a directed path leads from source to target in any draw; an input acts through what it drives and what it modulates."""
    A = drawn["A"] + np.einsum("k,dkij->dij", u, drawn["B"])
    graph = nx.DiGraph()
    graph.add_nodes_from(coupling.regions)
    graph.add_edges_from((coupling.regions[j], coupling.regions[i]) for i, j in np.argwhere((A != 0).any(axis=0)))
    if source in coupling.inputs:
        k = coupling.inputs.index(source)
        acted_on = (drawn["C"][:, :, k] != 0).any(axis=0)
        if u.any() or constant.any():  # then the regions are active at equilibrium, and what is modulated carries something
            acted_on |= (drawn["B"][:, k] != 0).any(axis=(0, 2))
        graph.add_edges_from((source, coupling.regions[i]) for i in np.flatnonzero(acted_on))
    return source in graph and nx.has_path(graph, source, target)


def _no_path(source: str, target: str, unit: str, uncertain: bool) -> Effect:
    zero = 0.0 if uncertain else None
    status = f"There is no directed path from {source} to {target}, so the effect is exactly zero."
    return Effect(source, target, 0.0, zero, zero, zero, zero, unit, status, 0.0)


def _summary(source: str, target: str, unit: str, value: float, effects: Array, probability: float, uncertain: bool) -> Effect:
    stable = effects[np.isfinite(effects)]
    unstable = 1 - len(stable) / len(effects)
    set_aside = f" {100 * unstable:.1f} % of the draws had no stable equilibrium and were set aside." if unstable else ""
    if not np.isfinite(value):
        status = "The system that remains has no stable equilibrium at the mean coupling; ask predict for the course in time."
        return Effect(source, target, None, None, None, None, None, unit, status, unstable)
    if not uncertain:
        return Effect(source, target, value, None, None, None, None, unit, "At equilibrium, for the coupling given.", unstable)
    if len(stable) < 2:
        return Effect(source, target, value, None, None, None, None, unit, f"At equilibrium, at the mean coupling.{set_aside}", unstable)
    lower, upper = np.quantile(stable, [(1 - probability) / 2, (1 + probability) / 2])
    sd, above = float(stable.std(ddof=1)), float((stable > 0).mean())
    return Effect(
        source, target, value, sd, float(lower), float(upper), above, unit, f"At equilibrium, over all paths.{set_aside}", unstable
    )
