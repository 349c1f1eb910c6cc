"""Over which paths an effect comes about, and which feedback loops there are: how much, in what direction, and how sure.

With M = -J, the effect of a sustained drive is M^-1, and an entry of an inverse is a sum over simple paths (the gain formula of Mason 1956;
determinants from Cramer's rule):

    [M^-1]_ij = sum over simple paths p: j -> ... -> i of  w(p) det(M without p's regions) / det M,   w(p) the product of J along p

so that cycles are dealt with exactly and the paths add up to the whole, even where the series I + B + B^2 + ... diverges.

Lives here: that split, and loops. Does not live here: total effects (`effects`), the linear system (`local`), other questions (`query`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import networkx as nx
import numpy as np
import pandas as pd

from ltc_causal.causal.linear import Stack, linear_stack
from ltc_causal.causal.local import Settings
from ltc_causal.causal.source import Array, Source
from ltc_causal.errors import InputError, known_name

MOST = 20_000  # paths or loops; a dense graph of a dozen regions has more than anybody can read
ARROW = " -> "


@dataclass(frozen=True, eq=False)
class PathEffects:
    """The total effect of source on target at equilibrium, split over simple paths; feedback along the way is counted to its path.

    paths : node by node, the strongest first
    effects : shape (path,), what each contributes; they add up to `total` unless paths were left out as too long
    total : over all paths; None where there is no equilibrium
    draws : the effects in draws from the posterior, shape (draw, path), not a number where unstable; None where there is no posterior
    unit : of the effects
    status : one sentence
    """

    source: str
    target: str
    paths: tuple[tuple[str, ...], ...]
    effects: Array
    total: float | None
    draws: Array | None
    unit: str
    status: str

    @property
    def shares(self) -> Array:
        """Each path's part of the total, shape (path,); negative where it works against it, not a number where the total is 0."""
        return self.effects / self.total if self.total else np.full(len(self.paths), np.nan)

    def to_frame(self, probability: float = 0.9) -> pd.DataFrame:
        """One row a path: path, effect, share, and with a posterior sd, lower, upper, probability_positive over the stable draws."""
        if not 0 < probability < 1:
            raise InputError(f"An interval's probability lies between 0 and 1, got {probability!r}.")
        frame = pd.DataFrame({"path": [ARROW.join(path) for path in self.paths], "effect": self.effects, "share": self.shares})
        return frame if self.draws is None else frame.assign(**_spread(self.draws, probability))

    def __str__(self) -> str:
        total = "no number" if self.total is None else f"{self.total:.3f} {self.unit}"
        table = self.to_frame().to_string(index=False, float_format=lambda value: f"{value:.3f}") if self.paths else ""
        return f"Total effect {self.source} -> {self.target}: {total}. {self.status}\n{table}".rstrip()


def path_effects(
    asked: Source | nx.DiGraph,
    source: str,
    target: str,
    *,
    inputs: Mapping[str, float] | None = None,
    state: Mapping[str, float] | None = None,
    longest: int | None = None,
    draws: int = 1000,
    seed: int | np.random.Generator = 0,
) -> PathEffects:
    """All simple paths from a region or an input to a region, with their shares of the total equilibrium effect; exact with cycles.

    asked : a causal graph, a fit, a reduction or a coupling (of a graph, the effects are those along the edges it shows)
    inputs, state : under which, and about which activity; as for `causal_graph`, and not beside a graph, which was made under its own
    longest : leave out paths of more edges than that
    draws, seed : of couplings from the posterior, where there is one

    With M = -J and R all regions but the source j: of a region, activity of the target per unit of activity at which the source is held,

        sum_p w(p) det(M without p) / det(M_RR)  =  T_target,  T = -J_RR^-1 J_Rj

    of an input, activity per unit input, sum_p w(p) det(M without p) / det(M), where the first step of p is what the input drives and what it
    drives through the connections it modulates. The totals are those of `total_effect`, about the state given instead of rest.

    Raises `InputError` for an unknown name, equal source and target, or more than 20 000 paths.
    """
    system = linear_stack(asked, Settings(inputs, state, draws, seed))
    i = known_name("region", target, system.regions, "path_effects(target)")
    known_name("region or input", source, (*system.regions, *system.inputs), "path_effects(source)")
    if source == target:
        raise InputError(f"path_effects needs two different nodes, got {source!r} twice: ask feedback_loops for paths back to a region.")
    unit = "activity per unit input" if source in system.inputs else "per unit activity"
    paths = _simple_paths(system, source, target, longest)
    totals, base, stable = _totals(system, source, i)
    effects = np.array([_path_effect(system, path, base) for path in paths]).reshape(len(paths), len(system.J)).T
    effects[np.logical_not(stable)] = np.nan
    order = np.argsort(-np.abs(effects[0]), kind="stable")
    status = _status(paths, totals, effects, stable, longest)
    total = float(totals[0]) if stable[0] and np.isfinite(totals[0]) else None
    shown, drawn = tuple(paths[k] for k in order), effects[1:, order] if system.uncertain else None
    return PathEffects(source, target, shown, effects[0, order], total, drawn, unit, status)


def feedback_loops(
    asked: Source | nx.DiGraph,
    *,
    inputs: Mapping[str, float] | None = None,
    state: Mapping[str, float] | None = None,
    longest: int | None = None,
    draws: int = 1000,
    seed: int | np.random.Generator = 0,
    probability: float = 0.9,
) -> pd.DataFrame:
    """All feedback loops over two regions or more, the strongest first, with their gain.

        gain = product along the loop of B_ij = -J_ij / J_ii,  what comes back of a sustained unit of activity after one round

    Arguments as for `path_effects`; `longest` counts regions. One row a loop: loop, gain, kind ("reinforcing" where the gain is positive,
    "balancing" where it is negative), with a posterior sd, lower, upper and probability, that of being of its kind, and regions, a tuple.
    A reinforcing loop of gain 1 or more cannot settle by itself. Where a region of the loop does not decay by itself (J_ii not negative)
    there is no gain, and the kind is "undefined".

    Raises `InputError` if there are more than 20 000 loops.
    """
    system = linear_stack(asked, Settings(inputs, state, draws, seed, probability))
    bare = _digraph(system)
    loops = _limited(nx.simple_cycles(bare.subgraph(system.regions), length_bound=longest), "feedback loops")
    first = {region: position for position, region in enumerate(system.regions)}
    loops = [_begin_at_first(loop, first) for loop in loops]
    gains = np.array([_gain(system, [first[region] for region in loop]) for loop in loops]).reshape(len(loops), len(system.J)).T
    names = [ARROW.join((*loop, loop[0])) for loop in loops]
    frame = pd.DataFrame({"loop": names, "gain": gains[0], "kind": [*map(_kind, gains[0])]})
    if system.uncertain:
        found = _spread(gains[1:], probability)
        above = np.array(found.pop("probability_positive"))
        frame = frame.assign(**found, probability=np.where(gains[0] > 0, above, 1 - above))
    return frame.assign(regions=loops).sort_values("gain", key=lambda gain: -gain.abs(), kind="stable", ignore_index=True)


def _digraph(system: Stack) -> nx.DiGraph:
    """An edge wherever a coupling is not 0 in some draw."""
    bare = nx.DiGraph()
    bare.add_nodes_from((*system.regions, *system.inputs))
    regions, inputs = system.regions, system.inputs
    bare.add_edges_from((regions[j], regions[i]) for i, j in np.argwhere((system.J != 0).any(axis=0)) if i != j)
    known = np.isfinite(system.E)
    acts = np.where(known.any(axis=0), (known & (system.E != 0)).any(axis=0), system.acts)
    bare.add_edges_from((inputs[k], regions[i]) for i, k in np.argwhere(acts))
    return bare


def _simple_paths(system: Stack, source: str, target: str, longest: int | None) -> list[tuple[str, ...]]:
    return [tuple(path) for path in _limited(nx.all_simple_paths(_digraph(system), source, target, cutoff=longest), "paths")]


def _limited(found: Iterator[list[str]], what: str) -> list[list[str]]:
    kept = list(islice(found, MOST + 1))
    if len(kept) > MOST:
        raise InputError(f"The graph has more than {MOST} {what}: give longest=3 or so, or cut the graph by probability or minimum.")
    return kept


def _totals(system: Stack, source: str, i: int) -> tuple[Array, tuple[Array, Array], Array]:
    """Total effects on region i, sign and logarithm of the determinant that the paths are divided by, and what is stable; each (draw,)."""
    if source in system.inputs:
        kept, drive = list(range(len(system.regions))), system.E[:, :, system.inputs.index(source)]
    else:
        j = system.regions.index(source)
        kept = [region for region in range(len(system.regions)) if region != j]
        drive = system.J[:, kept, j]
    J = system.J[:, kept][:, :, kept]
    stable = np.linalg.eigvals(J).real.max(axis=1) < 0
    totals = np.full(len(J), np.nan)
    totals[stable] = np.linalg.solve(-J[stable], drive[stable][..., None])[:, kept.index(i), 0]
    return totals, np.linalg.slogdet(-J), stable


def _path_effect(system: Stack, path: tuple[str, ...], base: tuple[Array, Array]) -> Array:
    """w(p) det(M without p) / det M in each draw, shape (draw,)."""
    on = [system.regions.index(node) for node in path if node in system.regions]
    weight = np.prod([system.J[:, i, j] for j, i in zip(on, on[1:], strict=False)], axis=0) * np.ones(len(system.J))
    if path[0] in system.inputs:
        weight = weight * system.E[:, on[0], system.inputs.index(path[0])]
    rest = [region for region in range(len(system.regions)) if region not in on]
    sign, log = np.linalg.slogdet(-system.J[:, rest][:, :, rest])
    return weight * sign * base[0] * np.exp(log - base[1])


def _gain(system: Stack, loop: list[int]) -> Array:
    J, decay = system.J, -system.J[:, loop, loop]
    product = np.prod([J[:, i, j] for j, i in zip(loop, (*loop[1:], loop[0]), strict=True)], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((decay > 0).all(axis=1), product / decay.prod(axis=1), np.nan)


def _begin_at_first(loop: list[str], first: Mapping[str, int]) -> tuple[str, ...]:
    start = min(range(len(loop)), key=lambda k: first[loop[k]])
    return tuple(loop[start:] + loop[:start])


def _kind(gain: float) -> str:
    return "undefined" if not np.isfinite(gain) else "reinforcing" if gain > 0 else "balancing" if gain < 0 else "silent"


def _spread(draws: Array, probability: float) -> dict[str, list[float]]:
    """sd, interval and share above zero of each column, over the draws that are numbers; not a number with fewer than two of these."""
    tail, columns = (1 - probability) / 2, {"sd": [], "lower": [], "upper": [], "probability_positive": []}
    for column in draws.T:
        kept = column[np.isfinite(column)]
        few = len(kept) < 2
        lower, upper = (np.nan, np.nan) if few else np.quantile(kept, [tail, 1 - tail])
        values = (np.nan, lower, upper, np.nan) if few else (kept.std(ddof=1), lower, upper, (kept > 0).mean())
        for name, value in zip(columns, values, strict=True):
            columns[name].append(float(value))
    return columns


def _status(paths: list, totals: Array, effects: Array, stable: Array, longest: int | None) -> str:
    if not paths and longest is None:
        return "There is no directed path, so the effect is exactly zero."
    if not (stable[0] and np.isfinite(totals[0])):
        return "The system that remains has no stable equilibrium at the mean coupling, so that paths have no shares."
    words = [f"At equilibrium, over {len(paths)} path(s)."]
    if longest is not None:
        words.append(f"Paths of more than {longest} edges are left out; together they make {totals[0] - effects[0].sum():.3g}.")
    unstable = 1 - np.mean(stable[1:]) if len(stable) > 1 else 0.0
    if unstable:
        words.append(f"{100 * unstable:.1f} % of the draws had no stable equilibrium and were set aside.")
    return " ".join(words)
