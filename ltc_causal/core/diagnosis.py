"""What to look at before a fit is believed: each finding a number, whether it is fine, and what to do if it is not.

Lives here: the findings, their limits and their words; a pure function of a Fit. Does not live here: the fit (`inference`), whether a
method's posteriors are right in general (`core.calibration`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc

from ltc_causal.core.coupling import is_self_connection
from ltc_causal.core.result import Fit, Status
from ltc_causal.errors import known_name

Array = NDArray[np.float64]

# Limits: (look, bad). Where a limit is a convention, its source is named; otherwise the reason.
EXPLAINED = (0.30, 0.10)  # share of variance; below a tenth SPM's own check (spm_dcm_fmri_check) warns
CONNECTION = (1.0, 2.0)  # Hz; a region decays at 0.5 Hz, so that a coupling of twice that makes its source's activity double in its target
WEAKEST = 1 / 8  # Hz; below this SPM's check calls the largest connection too weak to matter
CORRELATION = (0.80, 0.99)  # |r|; if the other parameter were known, a sd would shrink by 40 % at .8 and to a seventh at .99
LEARNT = (2.0, 1.0)  # effective parameters; below one, the data have told less than one number
SAMPLES = 10.0  # for each effective parameter; the Gaussian approximation leans on many
LAG_ONE = (0.20, 0.40)  # residual r1; noise of AR(1) of that size widens sds of slow effects 1.2 and 1.5 times: sqrt((1 + r) / (1 - r))
ACCIDENT = 0.01  # p of Ljung and Box, above which autocorrelation is no finding
LAGS = 10  # of that test
SHRINKAGE = 0.10  # of a variance; a parameter that shrank less is still its prior
EDGE = (2.0, 3.0)  # prior sds from the prior mean; 5 % and 0.3 % of draws from the prior lie beyond
GRADIENT = (0.1, 1.0)  # nats a posterior sd; Newton's step from there is as many sds
APPROXIMATION = (1.0, np.inf)  # posterior sds; beyond one, SPM's answer to the same question is another
SCALE = (1.0, 0.5)  # factor on the signal; below a half, scaling has moved driving couplings by as much
PRECISION = (1.5, 2.0)  # times too precise; posterior sds are then too small by the root of it


class Level(Enum):
    """How much a finding matters; the value is the word in tables."""

    FINE = "fine"
    LOOK = "look"
    BAD = "bad"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Finding:
    """One thing found out about a fit: its name, the number, what that is in, how much it matters, and one sentence."""

    name: str
    value: float
    unit: str
    level: Level
    advice: str


@dataclass(frozen=True)
class Diagnosis:
    """All findings about a fit. Print it for a table; `diagnosis["convergence"]` is one of them."""

    findings: tuple[Finding, ...]

    def __getitem__(self, name: str) -> Finding:
        return self.findings[known_name("finding", name, [finding.name for finding in self.findings], "this diagnosis")]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def level(self) -> Level:
        """The worst of all findings."""
        return _worse(*(finding.level for finding in self.findings))

    def to_frame(self) -> pd.DataFrame:
        """One row a finding: finding, value, unit, level, advice."""
        rows = [(f.name, f.value, f.unit, f.level.value, f.advice) for f in self.findings]
        return pd.DataFrame(rows, columns=["finding", "value", "unit", "level", "advice"])

    def __str__(self) -> str:
        counts = [sum(finding.level is level for finding in self.findings) for level in Level]
        lines = [f"{len(self.findings)} findings: {counts[0]} fine, {counts[1]} to look at, {counts[2]} bad."]
        width = max(len(finding.name) for finding in self.findings)
        for f in self.findings:
            lines.append(f"{f.level.value:<4}  {f.name:<{width}}  {f'{f.value:.3g} {f.unit}'.strip():<18}  {f.advice}")
        return "\n".join(lines)


def diagnose(fit: Fit) -> Diagnosis:
    """Everything that can be said of a fit's quality from the fit alone."""
    findings = [
        _convergence(fit), _gradient(fit), *_explained(fit), _largest_connection(fit), _stability(fit), _learnt(fit), _uninformed(fit),
        _correlation(fit), _edge(fit), *_autocorrelation(fit), _precision(fit), _scale(fit), *_approximation(fit),
    ]  # fmt: skip
    return Diagnosis(tuple(findings))


def _above(value: float, limits: tuple[float, float]) -> Level:
    """How much a value matters that should be small; NaN is bad."""
    look, bad = limits
    return Level.FINE if value < look else Level.LOOK if value < bad else Level.BAD


def _below(value: float, limits: tuple[float, float]) -> Level:
    """How much a value matters that should be large; NaN is bad."""
    look, bad = limits
    return Level.FINE if value >= look else Level.LOOK if value >= bad else Level.BAD


def _worse(*levels: Level) -> Level:
    return max(levels, key=list(Level).index)


def _listed(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


# --- the ascent ---------------------------------------------------------------------------------------------------------------------


def _convergence(fit: Fit) -> Finding:
    level = Level.FINE if fit.status.ok else Level.LOOK if fit.status in (Status.UNKNOWN, Status.NOT_INFORMED) else Level.BAD
    return Finding("convergence", float(len(fit.history)), "iterations", level, fit.status.value)


def _gradient(fit: Fit) -> Finding:
    norm = fit.gradient_norm
    level = Level.LOOK if fit.status is Status.UNKNOWN and not np.isfinite(norm) else _above(norm, GRADIENT)
    advice = {
        Level.FINE: "The posterior mean is where the free energy is flat.",
        Level.LOOK: "The ascent stopped short of the top, by about so many posterior sds: fit again, starting from this fit.",
        Level.BAD: "The ascent did not reach the top, so the posterior is not one: start elsewhere and compare the free energies.",
    }
    return Finding("gradient norm", float(norm), "nats/sd", level, advice[level])


# --- the signal ---------------------------------------------------------------------------------------------------------------------


def _explained(fit: Fit) -> list[Finding]:
    advice = {
        Level.FINE: "The model follows this region.",
        Level.LOOK: "Most of this region's signal is left over: check its series, and whether an input or a connection is missing.",
        Level.BAD: "The model hardly explains this region, so its couplings mean little: reconsider inputs, confounds and region.",
    }
    shares = zip(fit.model.regions, fit.variance_explained, strict=True)
    levels = [(region, float(share), _below(share, EXPLAINED)) for region, share in shares]
    return [Finding(f"variance explained [{region}]", 100 * share, "%", level, advice[level]) for region, share, level in levels]


def _autocorrelation(fit: Fit) -> list[Finding]:
    advice = {
        Level.FINE: "No more than white noise has.",
        Level.LOOK: "The residuals are not white, so posterior sds are somewhat too small: add confounds for drifts, or scans' motion.",
        Level.BAD: "The residuals are far from white and posterior sds too small by half or more: filter, add confounds, or mend the model.",
    }
    findings = []
    for i, region in enumerate(fit.model.regions):
        tests = [ljung_box(session.residuals[:, i]) for session in fit.sessions]
        # Of several sessions the least white one counts, and its p as the smallest of so many (Bonferroni).
        r, p = min(tests, key=lambda test: test[1])
        level = Level.FINE if p * len(tests) > ACCIDENT else _worse(Level.LOOK, _above(abs(r), LAG_ONE))
        findings.append(Finding(f"residual autocorrelation [{region}]", r, "at lag 1", level, advice[level]))
    return findings


def ljung_box(series: Array, lags: int = LAGS) -> tuple[float, float]:
    """Autocorrelation at lag 1, and p of Q = n (n + 2) sum_k r_k^2 / (n - k) under whiteness (Ljung and Box 1978)."""
    n = len(series)
    lags = min(lags, n // 5)
    e = series - series.mean()
    r = np.array([e[k:] @ e[: n - k] for k in range(1, lags + 1)]) / (e @ e)
    return float(r[0]), float(chdtrc(lags, n * (n + 2) * (r**2 / (n - np.arange(1, lags + 1))).sum()))


def _precision(fit: Fit) -> Finding:
    """Estimated precision of the noise times variance of the residuals, in the model's units: 1 where the data had their say."""
    times = np.array([np.exp(session.noise.mean) * (session.residuals * session.scale).var(axis=0) for session in fit.sessions]).max(axis=0)
    worst, region = float(times.max()), fit.model.regions[int(np.argmax(times))]
    level = _above(worst, PRECISION)
    advice = "The estimated noise is that of the residuals."
    if level is not Level.FINE:
        advice = (
            f"The prior holds the noise of {region} below its residuals, so posterior sds are too small: DCM(noise=lc.NoisePrior(4, 4))."
        )
    return Finding("noise precision", worst, "x observed", level, advice)


def _scale(fit: Fit) -> Finding:
    scale = min(session.scale for session in fit.sessions)
    level = Level.FINE if scale >= SCALE[0] else Level.LOOK if scale >= SCALE[1] else Level.BAD
    advice = "The signal was fitted in its own units."
    if level is not Level.FINE:
        advice = (
            "The signal's range was too large, and it was scaled by this, driving couplings with it: give percent, or signal_range=None."
        )
    return Finding("signal scaling", float(scale), "x", level, advice)


def _approximation(fit: Fit) -> list[Finding]:
    """Nothing that is wrong with the fit; what to expect of programs that integrate the expansion about rest."""
    if fit.approximation is None:
        return []
    shift = fit.approximation.posterior
    return [Finding("bilinear approximation", shift, "posterior sds", _above(shift, APPROXIMATION), f"{fit.approximation}")]


# --- the parameters -----------------------------------------------------------------------------------------------------------------


def _largest_connection(fit: Fit) -> Finding:
    edges = fit.coupling_posterior
    between = [i for i, name in enumerate(edges.names) if name[0] in "AB" and not is_self_connection(name)]
    if not between:
        return Finding("largest connection", 0.0, "Hz", Level.FINE, "The model has no connections between regions.")
    at = max(between, key=lambda i: abs(edges.mean[i]))
    size, name = abs(float(edges.mean[at])), edges.names[at]
    if size < WEAKEST:
        return Finding("largest connection", size, "Hz", Level.LOOK, f"{name} is the largest, so the regions hardly act on one another.")
    level = _above(size, CONNECTION)
    tail = " and large for regions that decay at 0.5 Hz: check the scale of inputs and signal" if level is not Level.FINE else ""
    return Finding("largest connection", size, "Hz", level, f"{name} is the largest{tail}.")


def _stability(fit: Fit) -> Finding:
    slowest = float(np.linalg.eigvals(fit.coupling.A).real.max())
    if slowest < 0:
        return Finding("stability at rest", slowest, "1/s", Level.FINE, "Activity returns to rest by itself, at least at this rate.")
    advice = "Without inputs, activity would grow without end: effects have no equilibrium; check the largest connections."
    return Finding("stability at rest", slowest, "1/s", Level.BAD, advice)


def _learnt(fit: Fit) -> Finding:
    """tr(I - Cp C0^-1): how many directions of the prior the data have closed (MacKay 1992)."""
    free = fit.prior.free
    prior, posterior = fit.prior.cov[np.ix_(free, free)], fit.posterior.cov[np.ix_(free, free)]
    number = float(free.sum() - np.trace(np.linalg.solve(prior, posterior)))
    samples = sum(session.residuals.size for session in fit.sessions)
    level = _below(number, LEARNT)
    what = f"of {free.sum()} free ones, from {samples} samples"
    if level is not Level.FINE:
        return Finding("effective parameters", number, "", level, f"{what}: the data say next to nothing; the posterior is the prior.")
    if number * SAMPLES > samples:
        return Finding("effective parameters", number, "", Level.LOOK, f"{what}: few samples for so many; simplify the model.")
    return Finding("effective parameters", number, "", Level.FINE, f"{what}.")


def _uninformed(fit: Fit) -> Finding:
    kept = [i for i in np.flatnonzero(fit.prior.free) if fit.posterior.cov[i, i] > (1 - SHRINKAGE) * fit.prior.cov[i, i]]
    names = [fit.prior.names[i] for i in kept]
    if not names:
        return Finding("not informed", 0.0, "parameters", Level.FINE, "The data narrowed every parameter.")
    connections = [name for name in names if name in fit.model.edge_names]
    level = Level.LOOK if connections else Level.FINE
    advice = f"Known from the prior alone: {_listed(connections + [name for name in names if name not in connections])}."
    return Finding("not informed", float(len(names)), "parameters", level, advice)


def _correlation(fit: Fit) -> Finding:
    names = [name for name, free in zip(fit.posterior.names, fit.posterior.free, strict=True) if free]
    rows, columns = np.triu_indices(len(names), 1)
    values = fit.posterior.correlation[rows, columns]
    if not len(values):
        return Finding("posterior correlation", 0.0, "", Level.FINE, "There is one parameter.")
    order = np.argsort(-np.abs(values))
    level = _above(abs(float(values[order[0]])), CORRELATION)
    pairs = [f"{names[rows[k]]} with {names[columns[k]]} ({values[k]:+.2f})" for k in order if abs(values[k]) >= CORRELATION[0]]
    advice = "No two parameters stand in for one another."
    if pairs:
        advice = f"The data tell only a combination of these apart: {_listed(pairs, 3)}; read neither alone."
    return Finding("posterior correlation", float(values[order[0]]), "", level, advice)


def _edge(fit: Fit) -> Finding:
    """Parameters of the observation and the synapses, whose priors are physiology; connections are meant to leave theirs."""
    free = fit.prior.free & ~np.isin(fit.prior.names, fit.model.edge_names)
    away = np.zeros(len(free))
    away[free] = np.abs(fit.posterior.mean - fit.prior.mean)[free] / fit.prior.sd[free]
    level = _above(float(away.max(initial=0.0)), EDGE)
    if level is Level.FINE:
        return Finding(
            "edge of prior", float(away.max(initial=0.0)), "prior sds", level, "Haemodynamics stay within what their prior expects."
        )
    names = [fit.prior.names[i] for i in np.argsort(-away) if away[i] >= EDGE[0]]
    advice = f"Beyond the usual haemodynamics, so they may make up for something else: {_listed(names)}; check timing, delays and inputs."
    return Finding("edge of prior", float(away.max()), "prior sds", level, advice)
