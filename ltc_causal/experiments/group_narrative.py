"""What a group's study found, in plain sentences, and how it was done, as a paragraph to paste.

Lives here: words of groups. Does not live here: words of one subject's study (`narrative`), tables and pages (`group_report`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ltc_causal.experiments.group_study import Findings, GroupResults, effect_frame
from ltc_causal.experiments.narrative import (
    BUXTON_1998,
    CLEAR,
    FRISTON_2003,
    FRISTON_2007,
    HASANI_2021,
    STEPHAN_2007,
    interval,
    listed,
    number,
)
from ltc_causal.experiments.study import records
from ltc_causal.group.design import MEAN
from ltc_causal.plotting.coupling import connection_label

FRISTON_2016 = (
    "Friston K. J., Litvak V., Oswal A., Razi A., Stephan K. E., van Wijk B. C. M., Ziegler G., Zeidman P. (2016). Bayesian model reduction and "
    "empirical Bayes for group (DCM) studies. NeuroImage 128, 413–431."
)
STEPHAN_2009 = (
    "Stephan K. E., Penny W. D., Daunizeau J., Moran R. J., Friston K. J. (2009). Bayesian model selection for group studies. "
    "NeuroImage 46, 1004–1017."
)
RIGOUX_2014 = (
    "Rigoux L., Stephan K. E., Friston K. J., Daunizeau J. (2014). Bayesian model selection for group studies - revisited. "
    "NeuroImage 84, 971–985."
)
NAMED = 5  # subjects that a sentence names


def verdict(results: GroupResults) -> list[str]:
    """The findings, a sentence or two each, the most general first."""
    found = [_fitted(results), *_explained(results), *_compared(results)]
    if results.findings is None:
        return [*found, f"Nothing was asked of the group. {results.no_findings}"]
    findings = results.findings
    return [*found, *findings.group.doubts, _mean(results, findings), *_effects(results, findings), *map(str, findings.predictions)]


def _fitted(results: GroupResults) -> str:
    n, failed = len(results.asked), results.failures
    if not failed:
        return f"All {n} subjects were fitted."
    return f"{n - len(failed)} of {n} subjects were fitted; {some(list(failed))} could not be, and {'is' if len(failed) == 1 else 'are'} left out."


def some(names: list[str]) -> str:
    """The first few names, and how many more."""
    return listed(names) if len(names) <= NAMED else f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"


def _explained(results: GroupResults) -> list[str]:
    shares = results.asked.filter(like="explained_")
    if shares.empty or shares.isna().all(axis=None):
        return []
    middle = [f"{100 * shares[column].median():.0f} % of {column.removeprefix('explained_')}" for column in shares]
    return [f"In the median subject the model explains {listed(middle)}, of the variance that the confounds leave."]


def _compared(results: GroupResults) -> list[str]:
    """The first sentences of the comparison, without its table."""
    if results.comparison is None:
        return [] if len(results.config.models) < 2 else [f"The models were not compared. {results.not_compared}"]
    return [line for line in str(results.comparison).splitlines()[1:] if line.startswith("If ")]


def _mean(results: GroupResults, findings: Findings) -> str:
    rows = records(findings.coupling.to_frame(results.config.group.interval))
    parts = [
        f"{connection_label(row['source'], row['target'])} ({number(row['mean'], signed=True)} Hz, between subjects ± {number(row['between_sd'])})"
        for row in rows
        if row["matrix"] == "A" and row["source"] != row["target"] and _is_clear(row)
    ]
    at = results.config.group.at
    who = "of " + listed([f"{name} {_value(value)}" for name, value in at.items()]) if at else "of the group"
    return f"Connections {who} with a clear sign (probability {CLEAR:g} or more): {listed(parts) if parts else 'none'}."


def _is_clear(row: Mapping[str, Any]) -> bool:
    return max(row["probability_positive"], 1 - row["probability_positive"]) >= CLEAR


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _effects(results: GroupResults, findings: Findings) -> list[str]:
    """One sentence a covariate: on which connections it acts."""
    rows, sentences = records(effect_frame(findings, results.config.group.interval)), []
    for covariate in findings.group.design.names:
        if covariate == MEAN:
            continue
        own = [row for row in rows if row["covariate"] == covariate]
        acts = [row for row in own if (row["exists"] >= CLEAR if findings.search is not None else _is_clear(row))]
        parts = [
            f"{connection(row['parameter'])} ({number(row['mean'], 3, True)} {interval(row['lower'], row['upper'], 3)})" for row in acts
        ]
        kind = "an effect" if findings.search is not None else "a sign"
        sentences.append(
            f"{covariate} acts on {listed(parts)}, with a probability of {kind} of {CLEAR:g} or more."
            if parts
            else f"On no connection is {'an effect' if findings.search is not None else 'the sign of an effect'} of {covariate} {CLEAR:g} probable or more."
        )
    return sentences


def connection(parameter: str) -> str:
    """A parameter as it is read: `V1 → V5`, `V1 → V5 by attention`; what is no connection by its name."""
    matrix, _, inside = parameter.partition("[")
    by, _, pair = inside.rstrip("]").rpartition(": ")
    source, arrow, target = pair.partition("->")
    return connection_label(source, target, by) if matrix in "ABCD" and arrow else parameter


def methods(results: GroupResults, version: str) -> str:
    """What was done, for a methods section."""
    config, asked = results.config, results.asked
    n = len(asked) - len(results.failures)
    scans = asked["scans"].dropna() if "scans" in asked else asked["why"].iloc[:0]
    length = "" if scans.empty else f" ({_range(scans)} scans of {_range(asked['dt'].dropna())} s)"
    models = "a dynamic causal model" if len(config.models) == 1 else f"{len(config.models)} dynamic causal models"
    sentences = [
        f"Time series of {listed(config.structure.regions)} of {n} subjects{length} were analysed with {models} (Friston et al. 2003) in "
        f"ltc_causal {version}, each subject alone: neuronal states were coupled as listed above, BOLD signals were generated by the balloon model "
        "(Buxton et al. 1998) with the signal equation of Stephan et al. (2007), and models were inverted by variational Laplace (Friston et al. "
        "2007); confounds had a flat prior."
    ]
    if _liquid(results):
        sentences.append("In the liquid model each synapse saturates as in a liquid time-constant network (Hasani et al. 2021).")
    if results.comparison is not None:
        sentences.append(
            "Models were compared over subjects with fixed and with random effects (Stephan et al. 2009), exceedance probabilities protected by the "
            "Bayesian omnibus risk (Rigoux et al. 2014)."
        )
    if results.findings is not None:
        sentences += _group_methods(results, results.findings)
    return " ".join(sentences)


def _group_methods(results: GroupResults, findings: Findings) -> list[str]:
    asked, group = results.config.group, findings.group
    between = "a variance between subjects of its own" if asked.components == "parameter" else "variances between subjects of one factor"
    sentences = [
        f"{len(group.parameters)} parameters of the model {results.config.asked} were taken to a hierarchical model (parametric empirical Bayes, "
        f"Friston et al. 2016) of the form parameter = mean + covariates × effects + deviation, each with {between}. {group.design.describe()}"
    ]
    if findings.search is not None:
        sentences.append(
            "Whether an effect exists was judged over hierarchical models that lack it or have it, by Bayesian model reduction."
        )
    if findings.predictions:
        sentences.append("Each subject's covariate was predicted from its own fit by the hierarchical model of the others.")
    return [*sentences, f"Intervals hold {100 * asked.interval:g} % of the posterior."]


def _range(values: Any) -> str:
    low, high = np.min(values), np.max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _liquid(results: GroupResults) -> bool:
    return any(model.neuronal == "liquid" for model in results.config.models.values())


def citations(results: GroupResults) -> list[str]:
    """The works that `methods` cites, by name."""
    works = [BUXTON_1998, FRISTON_2003, FRISTON_2007, STEPHAN_2007]
    works += [HASANI_2021] if _liquid(results) else []
    works += [STEPHAN_2009, RIGOUX_2014] if results.comparison is not None else []
    works += [FRISTON_2016] if results.findings is not None else []
    return sorted(works)
