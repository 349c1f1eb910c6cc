"""What a study found, in plain sentences, and how it was done, as a paragraph to paste.

Lives here: words. Does not live here: tables and pages (`report`), numbers (`study`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.reduction import Reduction
from ltc_causal.core.result import Fit, Status
from ltc_causal.experiments.study import Answer, Results, intervention_frame, records, usable
from ltc_causal.group.model_selection import EVIDENCE_WORDS
from ltc_causal.plotting.coupling import connection_label

MINUS = "\N{MINUS SIGN}"
SATURATION = "log_kappa"
CLEAR = 0.95  # probability of a sign from which on a sentence calls it clear

FRISTON_2003 = "Friston K. J., Harrison L., Penny W. (2003). Dynamic causal modelling. NeuroImage 19, 1273–1302."
FRISTON_2007 = (
    "Friston K., Mattout J., Trujillo-Barreto N., Ashburner J., Penny W. (2007). Variational free energy and the Laplace approximation. "
    "NeuroImage 34, 220–234."
)
BUXTON_1998 = (
    "Buxton R. B., Wong E. C., Frank L. R. (1998). Dynamics of blood flow and oxygenation changes during brain activation: the balloon "
    "model. Magnetic Resonance in Medicine 39, 855–864."
)
STEPHAN_2007 = (
    "Stephan K. E., Weiskopf N., Drysdale P. M., Robinson P. A., Friston K. J. (2007). Comparing hemodynamic models with DCM. "
    "NeuroImage 38, 387–401."
)
HASANI_2021 = (
    "Hasani R., Lechner M., Amini A., Rus D., Grosu R. (2021). Liquid time-constant networks. Proceedings of the AAAI Conference on "
    "Artificial Intelligence 35, 7657–7666."
)
KASS_1995 = "Kass R. E., Raftery A. E. (1995). Bayes factors. Journal of the American Statistical Association 90, 773–795."
PEARL_2009 = "Pearl J. (2009). Causality: models, reasoning, and inference, 2nd edition. Cambridge University Press."
MOOIJ_2013 = (
    "Mooij J. M., Janzing D., Schölkopf B. (2013). From ordinary differential equations to structural causal models: the deterministic "
    "case. Proceedings of the 29th Conference on Uncertainty in Artificial Intelligence, 440–448."
)


def number(value: float, digits: int = 2, signed: bool = False) -> str:
    """A number as it is read: fixed decimals, a true minus sign, never a negative zero."""
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed else ''}.{digits}f}".replace("-", MINUS)


def share(value: float) -> str:
    """A relative error as it is read: in percent, or that it has no limit."""
    return f"{number(100 * value, 2 if value < 1 else 0)} %" if np.isfinite(value) else "without limit"


def interval(lower: float, upper: float, digits: int = 2) -> str:
    """An interval as it is read: `[0.10, 0.35]`."""
    return f"[{number(lower, digits)}, {number(upper, digits)}]"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))


def verdict(results: Results) -> list[str]:
    """The study's findings, a sentence or two each, the most general first."""
    found = [_convergence(results), _explained(results)]
    found += _evidence(results)
    if results.inquiry is None:
        found.append(f"The fit of {results.config.causal.model} has no usable numbers, so nothing further was asked of it.")
        return found
    found += _saturation(results)
    found.append(f"Reduced to the matrices of a DCM: {results.inquiry.reduction.certificate.verdict}")
    warning = reduction_warning(results.inquiry.reduction)
    found += [warning] if warning else _connections(results, results.inquiry.reduction)
    return found + _interventions(results)


def _convergence(results: Results) -> str:
    failed = results.unconverged
    if failed:
        return f"The fit of {listed(failed)} did not converge: what is said below of it is not to be relied on."
    uninformed = [name for name, fit in results.fits.items() if fit.status is Status.NOT_INFORMED]
    if uninformed:
        return f"The data do not inform the fit of {listed(uninformed)}, which says hardly more than its prior."
    return {1: "The fit converged.", 2: "Both fits converged."}.get(len(results.fits), f"All {len(results.fits)} fits converged.")


def _evidence(results: Results) -> list[str]:
    """Each model against the first."""
    comparison = results.comparison
    if comparison is None:
        return [f"The models were not compared. {results.not_compared}"]
    first = comparison.names[0]
    sentences = []
    for name, factor in zip(comparison.names[1:], comparison.log_bayes_factors[1:], strict=True):
        size = f"log Bayes factor {name} {MINUS} {first}: {number(factor, 2, True)} nats"
        if abs(factor) <= EVIDENCE_WORDS[0][0]:
            sentences.append(f"The data do not tell the {name} model from the {first} model ({size}).")
        else:
            words = next(words for limit, words in EVIDENCE_WORDS if abs(factor) <= limit)
            better, worse = (name, first) if factor > 0 else (first, name)
            sentences.append(f"There is {words} evidence for the {better} model against the {worse} model ({size}).")
    return sentences


def _saturation(results: Results) -> list[str]:
    """How far the synapses of the model asked saturate, if it has such a parameter."""
    fit, probability = results.asked, results.config.predictions.interval
    if SATURATION not in fit.posterior.names:
        return []
    (now, now_sides), (before, before_sides) = (_kappa(distribution, probability) for distribution in (fit.posterior, fit.prior))
    return [f"The saturation κ of its synapses is {now} {now_sides}; before the data it was {before} {before_sides}."]


def _kappa(distribution: Gaussian, probability: float) -> tuple[str, str]:
    one = distribution.marginal([SATURATION])
    lower, upper = one.interval(probability)
    return number(np.exp(one.mean[0])), interval(np.exp(lower[0]), np.exp(upper[0]))


def _explained(results: Results) -> str:
    name, fit = results.config.causal.model, results.asked
    if not usable(fit):
        return f"The {name} model predicts nothing that could be compared with the signal."
    shares = zip(fit.recording.regions, fit.variance_explained, strict=True)
    parts = [f"{100 * share:.0f} % of {region}" for region, share in shares]
    return f"The {name} model explains {listed(parts)}, of the variance that the confounds leave."


def reduction_warning(reduction: Reduction) -> str:
    """What stands above all that is read off a reduction which its certificate refuses; nothing otherwise."""
    if not reduction.certificate.refused:
        return ""
    return (
        "The certificate refuses the reduction to A, B and C, so the graph and the total effects, which are read off it, do not describe the "
        "fitted model; the predicted interventions do, since they are made with the model itself."
    )


def _connections(results: Results, reduction: Reduction) -> list[str]:
    rows = records(reduction.to_frame(results.config.predictions.interval))
    between = [row for row in rows if row["matrix"] == "A" and row["source"] != row["target"]]
    parts = [f"{_arrow(row)} ({number(row['mean'], signed=True)} Hz)" for row in between if _sign(row) != 0]
    first = (
        f"Connections with a clear sign (probability {CLEAR:g} or more): {listed(parts)}." if parts else "No connection has a clear sign."
    )
    return [first, *(_modulation(row) for row in rows if row["matrix"] == "B")]


def _arrow(row: Mapping[str, Any]) -> str:
    return connection_label(row["source"], row["target"])


def _sign(row: Mapping[str, Any]) -> int:
    """1 or -1 where the sign is clear, 0 where it stays open."""
    return int(row["probability_positive"] >= CLEAR) - int(row["probability_positive"] <= 1 - CLEAR)


def _modulation(row: Mapping[str, Any]) -> str:
    size = f"{number(row['mean'], signed=True)} Hz per unit of input, {interval(row['lower'], row['upper'])}"
    if _sign(row) == 0:
        return f"Whether the input {row['by']} changes {_arrow(row)} stays open ({size})."
    return f"The input {row['by']} {'raises' if _sign(row) > 0 else 'lowers'} {_arrow(row)} ({size})."


def _interventions(results: Results) -> list[str]:
    if results.inquiry is None:
        return []
    changes = records(intervention_frame(results.inquiry))
    return [f"{one.title}: {_change(results, one, changes)}." for one in results.inquiry.answers]


def _change(results: Results, one: Answer, changes: list[dict[str, Any]]) -> str:
    if one.change is None:
        return "no posterior draw stayed stable under it, so nothing is predicted"
    clear = [row for row in changes if row["intervention"] == one.title and (row["lower"] > 0 or row["upper"] < 0)]
    if not clear:
        return "predicted to change no region's mean signal clearly"
    parts = [f"{row['region']} by {number(row['mean_change'], 3, True)} {interval(row['lower'], row['upper'], 3)}" for row in clear]
    return f"predicted to change the mean signal of {listed(parts)} ({results.recording.series.unit})"


def methods(results: Results, version: str) -> str:
    """What was done, for a methods section."""
    config, recording = results.config, results.recording
    kinds = {fit.model.neuronal for fit in results.fits.values()}
    structure = config.structure
    sentences = [
        f"Time series of {listed(recording.regions)} ({len(recording.series.values)} scans of {recording.series.dt:g} s) were analysed "
        f"with dynamic causal models (Friston et al. 2003) in ltc_causal {version}. Neuronal states were coupled as listed above"
        + (", with each input's mean removed" if structure.centre_inputs else "")
        + "; BOLD signals were generated by the balloon model (Buxton et al. 1998) with the signal equation of Stephan et al. (2007)."
    ]
    if "liquid" in kinds:
        sentences.append(
            "In the liquid model each synapse saturates as in a liquid time-constant network (Hasani et al. 2021); its one saturation "
            "parameter, estimated with the rest, makes the bilinear model the limit at zero."
        )
    flows = {fit.model.flow for fit in results.fits.values()}
    if "true" in flows:
        sentences.append("The differential equations were integrated as stated" + (" (models marked true)." if len(flows) > 1 else "."))
    if "bilinear" in flows:
        sentences.append("Models marked bilinear flow were integrated by their expansion about rest.")
    derivatives = {"exact": "exact derivatives of the prediction", "spm": "forward differences as in SPM"}[config.fit.differences]
    sentences.append(f"Models were inverted by variational Laplace (Friston et al. 2007) with {derivatives}; confounds had a flat prior.")
    if results.comparison is not None:
        sentences.append(
            "Models were compared by differences of free energy, an approximation of the log Bayes factor (Kass and Raftery 1995)."
        )
    if results.inquiry is not None:
        sentences.append(
            f"Interventions (Pearl 2009) act on neuronal activity and are seen through the unchanged haemodynamics; their effects are "
            f"differences between courses from the same {config.predictions.draws} draws of the posterior. Total effects are those at "
            f"equilibrium (Mooij et al. 2013) of the model reduced to A, B and C, by {results.inquiry.reduction.certificate.method}. Intervals "
            f"hold {100 * config.predictions.interval:g} % "
            f"of the posterior."
        )
    return " ".join(sentences)


def citations(results: Results) -> list[str]:
    """The works that `methods` cites, by name."""
    liquid = [HASANI_2021] if any(fit.model.neuronal == "liquid" for fit in results.fits.values()) else []
    compared = [KASS_1995] if results.comparison is not None else []
    asked = [MOOIJ_2013, PEARL_2009] if results.inquiry is not None else []
    return sorted([BUXTON_1998, FRISTON_2003, FRISTON_2007, STEPHAN_2007, *liquid, *compared, *asked])


def prior_rows(fit: Fit) -> list[tuple[str, str, int, float, float]]:
    """The prior by kind of parameter: symbol, meaning, how many, mean, standard deviation (in the parameters' own scale)."""
    counts: dict[tuple[str, str, float, float], int] = {}
    for name, mean, sd in zip(fit.prior.names, fit.prior.mean, fit.prior.sd, strict=True):
        key = (*_parameter_kind(name), float(mean), float(sd))
        counts[key] = counts.get(key, 0) + 1
    return [(symbol, meaning, count, mean, sd) for (symbol, meaning, mean, sd), count in counts.items()]


def _parameter_kind(name: str) -> tuple[str, str]:
    kind, _, inside = name.partition("[")
    source, _, target = inside.rstrip("]").rpartition(": ")[2].partition("->")
    if kind == "A":
        return ("A, diagonal", "self-connections, log scale") if source == target else ("A", "connections between regions, Hz")
    meanings = {
        "B": "modulation by inputs, Hz per unit",
        "C": "driving inputs, sixteenths of Hz per unit",
        "transit": "log transit time of blood, each region",
        "decay": "log decay of the vasodilatory signal",
        "epsilon": "log ratio of intra- to extravascular signal",
        "log_kappa": "log saturation of the synapses",
    }
    return kind, meanings.get(kind, "")
