"""Networks fitted as a whole to measured activity: a screened structure under several kinds of synapse, each a fit by variational Laplace.

Lives here: the models, their fits, which of them are believed, their files. Does not live here: the structure (`screening`), BOLD
(`from_bold`), predictions (`prediction`).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from screening import Structure, screen
from systems import Training
from unmeasured import PartlyMeasured

import ltc_causal as lc

Array = NDArray[np.float64]
EVERY = 3  # samples, of which one is fitted: what process noise adds is alike within a second
PRICES = (10.0, 30.0)  # nats, of the screening
SYNAPSES = {"one saturation": (), "own saturation": ("kappa",), "own saturation, threshold": ("kappa", "tau")}
METHOD = lc.VariationalLaplace(path="fixed_point", max_iterations=20)
MISFIT = 1.5  # times as much unexplained as by the best model, and a model is not believed


@dataclass(frozen=True, eq=False)
class Member:
    """One fitted model of a system.

    label : which; model : a DCM, or a wrapped one; mean, cov : its posterior
    free_energy : nats; unexplained : share of the signal's variance, mean over regions
    memory : samples that count as one, from the autocorrelation of what is left over
    """

    label: str
    model: Any
    mean: Array
    cov: Array
    free_energy: float
    unexplained: float
    memory: float

    @classmethod
    def of(cls, label: str, fit: lc.Fit) -> "Member":
        """What is kept of a fit."""
        unexplained = float(1 - fit.variance_explained.mean())
        return cls(label, fit.model, fit.posterior.mean, fit.posterior.cov, fit.free_energy, unexplained, _memory(fit.residuals))

    def draws(self, count: int, seed: int) -> Array:
        """Parameters (draw, parameter), the first one the mean; variances are multiplied by `memory`.

        A likelihood that takes T dependent residuals for T independent ones is too narrow by that factor.
        """
        wide = lc.Gaussian(self.model.prior.names, self.mean, self.cov * self.memory)
        draws = wide.sample(count, seed)
        draws[0] = self.mean
        return draws


def _memory(residuals: Array) -> float:
    """Integrated autocorrelation time in samples, 1 + 2 sum rho up to the first rho below 0.05, mean over regions (Geyer 1992)."""
    times = []
    for r in (residuals - residuals.mean(axis=0)).T:
        power = np.abs(np.fft.rfft(r, 2 * len(r))) ** 2
        rho = np.fft.irfft(power)[: len(r)]
        rho = rho / rho[0]
        end = int(np.argmax(rho < 0.05))
        times.append(1 + 2 * rho[1:end].sum())
    return float(np.mean(times))


def members(training: Training, progress: Callable[[str], None]) -> Iterator[Member]:
    """All models of a system, fitted one from another, from simple synapses to rich ones; last the bilinear ones, for comparison."""
    seen: list[Structure] = []
    for price in PRICES:
        structure = screen(training, price)
        if any(structure.same(other) for other in seen):
            continue
        seen.append(structure)
        progress(f"{training.name}: {int(structure.A.sum()) - len(structure.A)} connections at {price:g} nats each")
        yield from _of_structure(training, structure, price, progress)


def _of_structure(training: Training, structure: Structure, price: float, progress: Callable[[str], None]) -> Iterator[Member]:
    recording = training.states(EVERY)
    bilinear: Any = network(training, structure)
    start: Any = {name: value for name, value in structure.start.items() if name in bilinear.prior.names}
    fit = lc.fit(bilinear, recording, METHOD, start=start)
    yield told(f"bilinear, {price:g}", fit, progress)
    begin: Any = fit if fit.status.ok or fit.variance_explained.min() > 0 else start
    for label, per_edge in SYNAPSES.items():
        model = bilinear.with_neuronal("liquid", per_edge)
        fit = lc.fit(model, recording, METHOD, start=begin)
        yield told(f"{label}, {price:g}", fit, progress)
        begin = _as_start(fit, per_edge)


def _as_start(fit: lc.Fit, per_edge: tuple[str, ...]) -> dict[str, float]:
    """A fit's parameters for a model whose synapses each have their own saturation."""
    values = dict(zip(fit.posterior.names, fit.posterior.mean.tolist(), strict=True))
    if not per_edge:
        shared = values.pop("log_kappa")
        own = fit.model.with_neuronal("liquid", ("kappa",)).prior.names
        values |= {name: shared for name in own if name.startswith("log_kappa[")}
    return values


def told(label: str, fit: lc.Fit, progress: Callable[[str], None]) -> Member:
    member = Member.of(label, fit)
    progress(f"  {label}: free energy {fit.free_energy:.1f}, unexplained {member.unexplained:.4f}, memory {member.memory:.1f}")
    return member


def network(training: Training, structure: Structure) -> lc.DCM | PartlyMeasured:
    """The bilinear DCM of a structure; of Wilson-Cowan regions with an inhibitory population beside each."""
    n, hidden = len(training.regions), training.family == "wc"
    regions = list(training.regions) + [f"{region} inhibition" for region in training.regions] * hidden
    N, m = len(regions), len(training.inputs)
    A, B, C = np.zeros((N, N), bool), np.zeros((m, N, N), bool), np.zeros((N, m), bool)
    A[:n, :n], B[:, :n, :n], C[:n] = structure.A, structure.B, structure.C
    sd = training.x.std(axis=0)
    prior = {f"A[{one}->{one}]": (0.5, 0.7) for one in regions}
    for i, target in enumerate(training.regions):
        prior |= {f"A[{training.regions[j]}->{target}]": (0.0, 0.5) for j in np.flatnonzero(A[i, :n]) if j != i}
        prior |= {f"C[{training.inputs[k]}->{target}]": (0.0, 16 * sd[i]) for k in np.flatnonzero(C[i])}
        for k, j in np.argwhere(B[:, i, :n]):
            prior[f"B[{training.inputs[k]}: {training.regions[j]}->{target}]"] = (0.0, 0.5)
        if hidden:
            # The population follows its region at 1 Hz, which sets its unit, and holds it back.
            A[n + i, i] = A[i, n + i] = True
            own = regions[n + i]
            prior |= {f"A[{target}->{own}]": (1.0, 0.0), f"A[{own}->{target}]": (-0.5, 0.5), f"A[{own}->{own}]": (0.8, 0.4)}
    model = lc.DCM(regions, list(training.inputs), A, B, C, observation="activity", prior=prior)
    return PartlyMeasured(model, n) if hidden else model


def believed(all_members: list[Member]) -> list[Member]:
    """The liquid models that explain about as much as the best: none of these is the truth, and which one is nearest cannot be seen here."""
    liquid = [one for one in all_members if not one.label.startswith("bilinear")]
    best = min(one.unexplained for one in liquid)
    return [one for one in liquid if one.unexplained <= MISFIT * best]


def saved(path: Path, make: Callable[[], Iterator[Member]]) -> list[Member]:
    """The members in a file, or made and kept there, so that a run that was stopped goes on with the next system."""
    if not path.exists():
        _write(path, list(make()))
    return _read(path)


def _write(path: Path, kept: list[Member]) -> None:
    arrays: dict[str, Any] = {}
    told = []
    for number, one in enumerate(kept):
        inner = one.model.inner if isinstance(one.model, PartlyMeasured) else one.model
        count = one.model.count if isinstance(one.model, PartlyMeasured) else 0
        told.append([one.label, inner.to_spec(), count, one.free_energy, one.unexplained, one.memory])
        arrays[f"mean{number}"], arrays[f"cov{number}"] = one.mean, one.cov
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part.npz")
    np.savez_compressed(part, told=json.dumps(told), **arrays)
    part.replace(path)


def _read(path: Path) -> list[Member]:
    kept = []
    with np.load(path) as file:
        for number, (label, spec, count, *figures) in enumerate(json.loads(str(file["told"]))):
            model: Any = lc.DCM.from_spec(spec)
            model = PartlyMeasured(model, count) if count else model
            kept.append(Member(label, model, file[f"mean{number}"], file[f"cov{number}"], *figures))
    return kept
