"""Networks fitted to BOLD at a repetition time of 2 s: every connection between regions may be there, the inputs' ways in are searched.

Scans at a signal-to-noise ratio of 3 do not tell which regions are connected, so no connection is taken out: priors of different width stand
side by side, and their predictions are pooled. What must be searched is which regions the inputs drive. With a drive of every region left in,
activity is explained without any connection, and every cut and lesion is predicted to change nothing. Regions are thought to decay at 1.5 to 2.5
Hz: what is wrong about that is hardly seen in BOLD, and a decay that is too slow makes the effect of every intervention too large. Transit and
decay of the blood differ between regions by what the data's own description says.

Lives here: these models and their fits. Does not live here: what is kept of them (`networks.Member`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from networks import Member, told
from numpy.typing import NDArray
from systems import Training

import ltc_causal as lc

METHOD = lc.VariationalLaplace(max_iterations=24)
BLOOD = {"transit": 0.2, "decay": 0.1}  # sd of their logarithms
DOUBT = 1.0  # posterior sd that a connection must be away from 0 before an input may modulate it


@dataclass(frozen=True)
class Width:
    """Prior sd of A and B in Hz, mean of the log self-inhibition, and saturation per unit of what drives the blood (None: bilinear)."""

    a: float
    b: float
    self_inhibition: float
    kappa: float | None = None


WIDTHS = {"wide": Width(0.2, 0.2, 1.6, 10.0), "narrow": Width(0.1, 0.15, 1.2, 5.0)}
FIRST = Width(0.2, 0.0, 1.2)
DRIVE_PRICE = 3.0  # nats that a drive must be worth


def members(training: Training, progress: Callable[[str], None]) -> Iterator[Member]:
    """All models of a system: first a bilinear one whose drives are searched, and from that the liquid ones."""
    recording, n, m = training.scans(), len(training.regions), len(training.inputs)
    everywhere, none = np.ones((n, m), bool), np.zeros((m, n, n), bool)
    full = lc.fit(model(training, none, everywhere, FIRST), recording, METHOD)
    fixed_point = replace(METHOD, path="fixed_point")
    before = lc.prune(full, matrices="C", method=fixed_point, tolerance=DRIVE_PRICE, max_inversions=50).fit
    driving, modulatory = before.model.driving, np.repeat(_sure(before, training)[None], m, axis=0)
    progress(f"{training.name}: {int(driving.sum())} of {n * m} drives kept")
    for label, width in WIDTHS.items():
        before = lc.fit(model(training, modulatory, driving, width), recording, METHOD, start=before)
        yield told(label, before, progress)


def _sure(fit: lc.Fit, training: Training) -> NDArray[np.bool_]:
    """Connections (target, source) at least `DOUBT` posterior sd away from 0."""
    z = fit.posterior.mean / np.maximum(fit.posterior.sd, 1e-12)
    of = dict(zip(fit.posterior.names, np.abs(z), strict=True))
    regions = training.regions
    return np.array([[s != t and of[f"A[{s}->{t}]"] > DOUBT for s in regions] for t in regions])


def model(training: Training, modulatory: NDArray[np.bool_], driving: NDArray[np.bool_], width: Width) -> lc.DCM:
    """The DCM of a width, in which every region is joined to every other one."""
    n, regions = len(training.regions), training.regions
    prior = {f"A[{s}->{t}]": (0.0, width.a) if s != t else (width.self_inhibition, 0.2) for s in regions for t in regions}
    prior |= {f"B[{training.inputs[k]}: {regions[j]}->{regions[i]}]": (0.0, width.b) for k, i, j in np.argwhere(modulatory)}
    prior |= {f"C[{training.inputs[k]}->{regions[i]}]": (0.0, 2.0) for i, k in np.argwhere(driving)}
    prior |= {f"transit[{r}]": (0.0, BLOOD["transit"]) for r in regions} | {"decay": (0.0, BLOOD["decay"])}
    if width.kappa:
        prior["log_kappa"] = (float(np.log(width.kappa)), 0.5)
    # No scaling of the signal: an effect is asked for in percent, and the blood's equations are not linear.
    return lc.DCM(
        list(regions), list(training.inputs), np.ones((n, n), bool), modulatory, driving,
        neuronal="liquid" if width.kappa else "bilinear", prior=prior, signal_range=None, noise=lc.NoisePrior(3.0, 4.0),
    )  # fmt: skip
