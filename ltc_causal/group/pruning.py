"""Pruning: which connections of a fitted DCM the data support, by a search through models with fewer of them.

Model reduction proposes and fits decide. Seen from a fit, the evidence of every model near it is known to first order (`neighbourhood`);
the best of them is fitted, from its predicted posterior, and is the next to be searched from if its free energy is higher. Where it is not,
single removals and single re-additions are fitted, the most promising first, and then other maxima that are predicted to lie as high. The
search ends when none of these raises the evidence (a connection counts as worth nothing below a small tolerance, so that useless ones go).

A one-shot search from the full model's posterior ends short of that: where many connections compete, taking some out moves the others so
far that the full model's expansion no longer holds.

Lives here: the search and its result. Does not live here: models with fewer connections (`structure`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from ltc_causal.core.coupling import connection_name
from ltc_causal.core.model import Features
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError, known_name
from ltc_causal.group.neighbourhood import Array, Mask, Neighbourhood, flipped, seen_from
from ltc_causal.group.structure import connections, drop_connections
from ltc_causal.inference import laplace
from ltc_causal.inference.design import Ascent, Design, design
from ltc_causal.inference.fit import fit as fit_model
from ltc_causal.inference.laplace import VariationalLaplace
from ltc_causal.models.dcm import DCM

ROUNDING = 1e-4  # nats, of a free energy at the fixed point


class Change(NamedTuple):
    """One accepted step of the search.

    removed, added : connections, against the step before
    free_energy : of the model reached, nats
    inversions : how many models had been fitted by then
    """

    removed: tuple[str, ...]
    added: tuple[str, ...]
    free_energy: float
    inversions: int

    def __str__(self) -> str:
        words = [f"without {', '.join(self.removed)}"] * bool(self.removed) + [f"with {', '.join(self.added)} again"] * bool(self.added)
        return f"{'; '.join(words) or 'the full model'}: free energy {self.free_energy:.2f} ({self.inversions} fits)"


@dataclass(frozen=True, eq=False)
class Pruning:
    """A DCM without the connections that the data do not support.

    fit : of the pruned model
    full : the fit that was pruned
    removed : connections that went
    connections : the candidates, kept or removed
    gains : (candidate,), log evidence of the pruned model with the connection minus without it, all others as in the pruned model, nats
    inverted : (candidate,), whether that is a difference of free energies; otherwise it is predicted by model reduction, and lies beyond the
        margin of the search
    history : the steps of the search
    inversions : how many models were fitted
    complete : whether no single change was left that raises the evidence; otherwise the search reached its limit
    """

    fit: Fit
    full: Fit
    removed: tuple[str, ...]
    connections: tuple[str, ...]
    gains: Array
    inverted: NDArray[np.bool_]
    history: tuple[Change, ...]
    inversions: int
    complete: bool

    @property
    def probabilities(self) -> Array:
        """Of each candidate given the rest of the pruned model, shape (candidate,): 1 / (1 + exp(-gain)), models with and without equal before."""
        return np.asarray(expit(self.gains))

    def to_frame(self) -> pd.DataFrame:
        """One row a candidate: connection, kept, gain (nats), probability, decided ("fit" or "prediction")."""
        kept = [name not in self.removed for name in self.connections]
        decided = np.where(self.inverted, "fit", "prediction")
        return pd.DataFrame(
            {"connection": self.connections, "kept": kept, "gain": self.gains, "probability": self.probabilities, "decided": decided}
        )

    def __str__(self) -> str:
        kept = [name for name in self.connections if name not in self.removed]
        rise = self.fit.free_energy - self.history[0].free_energy
        doubt = "" if self.complete else " The search reached its limit: allow more inversions (max_inversions)."
        return (
            f"Pruned {len(self.removed)} of {len(self.connections)} connections; the free energy rose by {rise:.2f} to "
            f"{self.fit.free_energy:.2f} nats in {self.inversions} fits. Kept: {', '.join(kept) or 'none'}.{doubt}"
        )


def prune(
    fit: Fit,
    keep: Iterable[str | tuple[str, str]] = (),
    matrices: str | None = None,
    method: VariationalLaplace | None = None,
    *,
    tolerance: float = 0.05,
    margin: float = 3.0,
    max_inversions: int = 2000,
    progress: Callable[[str], None] | None = None,
) -> Pruning:
    """Take out connections, and put them back, until no single change raises the evidence.

    fit : of the full model, a DCM of any kind
    keep : connections that must stay, by name (`A[V1->V5]`) or, for A and C, as (source, target) pairs
    matrices : whose connections may go: some of A (between regions), B, C and D; all of them unless given (but not A of a two-state DCM,
        where A holds logarithms, so that no value is an absent connection). The last driving input always stays
    method : of the fits; by default to the fixed point, where a free energy does not depend on the start
    tolerance : nats that a connection must be worth to stay. Between models that differ by less the smaller is taken: a connection from a
        region that nothing drives any more makes no difference at all
    margin : changes that model reduction predicts to lose more than so many nats are not fitted; infinity for all
    max_inversions : a bound on the number of fits
    progress : is told of each accepted step in a sentence

    With few inputs and noisy data several structures may be as good: look at the probabilities, not only at what was kept. A noise prior that
    is too tight (SPM's, on noisy data) sharpens all of this; a wide one, `NoisePrior(4, 4)`, does not. One-shot reduction is Friston and
    Penny 2011; fitting again and searching both ways is this package's.

    Raises `InputError` for a fit that is not of a DCM, an unknown connection, nothing that may go, a prior under which parameters correlate,
    or A of a two-state model, whose parameters are logarithms.
    """
    if not isinstance(fit, Fit):
        raise InputError(f"prune needs the fit of a DCM, got {type(fit).__name__}: fit the full model first.")
    method = replace(method or VariationalLaplace(path="fixed_point"), starts=1)
    search = _Search(fit, _candidates(fit.model, keep, matrices), method, progress or (lambda _: None), tolerance, margin, max_inversions)
    best, history, complete = search.run()
    gains, inverted = search.gains_of_having(best)
    removed = tuple(search.names_of(best.removed))
    start = laplace.posterior(best.design, best.ascent)
    pruned = fit_model(best.design.model, [one.recording for one in fit.sessions], method, start=start)
    return Pruning(pruned, fit, removed, search.names, gains, inverted, tuple(history), search.inversions, complete)


def _candidates(model: DCM, keep: Iterable[str | tuple[str, str]], matrices: str | None) -> tuple[str, ...]:
    """Names of the connections that may go."""
    if not isinstance(model, DCM):
        raise InputError(f"prune takes connections out of a DCM, and this fit is of a {type(model).__name__}: fit a DCM first.")
    if matrices is None:
        matrices = "BCD" if model.neuronal == "two_state" else "ABCD"
    if not matrices or set(matrices) - set("ABCD"):
        raise InputError(f"prune(matrices) must name some of A, B, C and D, got {matrices!r}.")
    if model.neuronal == "two_state" and "A" in matrices:
        raise InputError('In a two-state DCM A holds logarithms, so that no value of them is an absent connection: give matrices="BC".')
    if np.count_nonzero(model.prior.cov) > np.count_nonzero(model.prior.free):
        raise InputError("prune needs a prior under which the parameters are independent: state it as {connection: (mean, sd)}.")
    known = connections(model)
    kept = {connection_name(one, model.inputs) for one in keep}
    for name in kept:
        known_name("connection", name, tuple(known), "prune(keep)")
    free = dict(zip(model.prior.names, model.prior.free, strict=True))
    may_go = tuple(
        name
        for name, (matrix, index) in known.items()
        if matrix in matrices and name not in kept and free[name] and not (matrix == "A" and index[0] == index[1])
    )
    if not may_go:
        raise InputError(f"prune finds no connection in {matrices} that may go: keep fewer, or name more matrices.")
    return may_go


class _Visit(NamedTuple):
    """A model that was fitted."""

    removed: Mask
    design: Design
    ascent: Ascent

    @property
    def free_energy(self) -> float:
        """Minus infinity where the ascent did not come to its end: such a model is not chosen."""
        return self.ascent.free_energy if self.ascent.status.converged else -np.inf


class _Search:
    """The models fitted so far, and where the search stands."""

    def __init__(self, fit: Fit, names: Sequence[str], method: VariationalLaplace, progress, tolerance: float, margin: float, limit: int):
        self.full: Any = fit.model
        self.names, self.method, self.progress = tuple(names), method, progress
        self.tolerance, self.margin, self.limit = tolerance, margin, limit
        self.sessions = fit.sessions
        self.design = self.design_of(self.full)
        self.start = fit.posterior.mean
        self.places = np.array([self.full.prior.index(name) for name in self.names], dtype=int)
        self.drives = np.array([name.startswith("C[") for name in self.names], dtype=bool)
        self.visited: dict[bytes, _Visit] = {}

    def design_of(self, model: Any) -> Design:
        features = [_as_fitted(model.features(one.recording), one.scale) for one in self.sessions]
        return design(model, features, self.method.differences)

    @property
    def inversions(self) -> int:
        return len(self.visited)

    def worth(self, there: _Visit) -> float:
        """Free energy minus the price of the connections."""
        return there.free_energy + self.tolerance * there.removed.sum()

    def names_of(self, chosen: Mask) -> list[str]:
        return [name for name, one in zip(self.names, chosen, strict=True) if one]

    def run(self) -> tuple[_Visit, list[Change], bool]:
        """From the full model to one that no single change betters; the steps; whether it was reached within the limit."""
        here = self.visit(np.zeros(len(self.names), dtype=bool), self.start)
        history = [Change((), (), here.ascent.free_energy, 1)]
        self.progress(str(history[-1]))
        while (better := self.better_than(here)) is not None:
            went, came = better.removed & ~here.removed, here.removed & ~better.removed
            history.append(Change(tuple(self.names_of(went)), tuple(self.names_of(came)), better.free_energy, self.inversions))
            self.progress(str(history[-1]))
            here = better
        return here, history, self.inversions < self.limit

    def better_than(self, here: _Visit) -> _Visit | None:
        """A model with more evidence, or None where single changes find none."""
        near = self.neighbourhood(here)
        for removed in self.proposals(near, here.removed):
            if self.inversions >= self.limit:
                return None
            if removed.tobytes() in self.visited:
                continue
            there = self.visit(removed, near.mean_without(removed), here)
            if self.worth(there) > self.worth(here) + ROUNDING:
                return there
        return None

    def proposals(self, near: Neighbourhood, removed: Mask):
        """The best model nearby, those on half the way to it, a quarter, ...; then single changes, then other maxima, by what they promise."""
        way = list(near.climb(removed))
        while len(way) > 1:
            yield way[-1]
            way = way[: len(way) // 2]
        gains = near.gains(removed)
        for place in np.argsort(-gains, kind="stable"):
            if gains[place] > -self.margin:
                yield flipped(removed, place)
        for gain, other in near.elsewhere(removed):
            if gain > -self.margin:
                yield other

    def visit(self, removed: Mask, theta: Array, origin: _Visit | None = None) -> _Visit:
        """Fit the model without some connections from theta, or, where that is unstable, from where the search stands."""
        model: Any = drop_connections(self.full, self.names_of(removed)) if removed.any() else self.full
        d = self.design_of(model)
        keep = [self.full.prior.index(name) for name in model.prior.names]
        ascent = laplace.ascend(d, theta[keep], self.method)
        if not np.isfinite(ascent.free_energy) and origin is not None:
            ascent = laplace.ascend(d, self.all_parameters(origin)[keep], self.method)
        there = _Visit(removed, d, ascent)
        self.visited[removed.tobytes()] = there
        return there

    def all_parameters(self, here: _Visit) -> Array:
        """The full model's parameters where a fit of a smaller one ended: what is removed is 0."""
        found = laplace.posterior(here.design, here.ascent)
        theta = self.full.prior.mean.copy()
        theta[[self.full.prior.index(name) for name in found.names]] = found.mean
        theta[self.places[here.removed]] = 0.0
        return theta

    def neighbourhood(self, here: _Visit) -> Neighbourhood:
        """The full model as seen from a fit; if that is unstable there, nothing is predicted to be worth a fit."""
        seen = seen_from(self.design, self.all_parameters(here), here.ascent.point)
        mean, cov = seen if seen is not None else (self.full.prior.mean, self.full.prior.cov)
        prior = self.full.prior
        stays = int(self.full.driving.sum()) > int(self.drives.sum())
        places = self.places
        return Neighbourhood(mean, cov, places, prior.mean[places], prior.sd[places], self.drives, stays, self.tolerance)

    def gains_of_having(self, here: _Visit) -> tuple[Array, NDArray[np.bool_]]:
        """Log evidence with each connection minus without it, and whether both models were fitted."""
        gains = replace(self.neighbourhood(here), other_drives=True, price=0.0).gains(here.removed)
        inverted = np.zeros(len(gains), dtype=bool)
        for place in range(len(gains)):
            other = self.visited.get(flipped(here.removed, place).tobytes())
            if other is not None and np.isfinite(other.free_energy):
                gains[place], inverted[place] = other.free_energy - here.free_energy, True
        return np.where(here.removed, gains, -gains), inverted


def _as_fitted(features: Features, scale: float) -> Features:
    """The features at the scale of the fit, which several sessions share."""
    return features if features.scale == scale else replace(features, values=features.values * (scale / features.scale), scale=scale)
