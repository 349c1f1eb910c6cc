"""What SPM's integrator for gated coupling computes: python case_studies/spm_nonlinear/run.py [folder] (half a minute; writes figure.svg)."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from figure import draw
from schemes import SECONDS, STEPS, closed_form_errors, doubled, predictions

import ltc_causal as lc

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1] / "tests"))  # SPM's own results are kept with the tests
import spm_reference  # noqa: E402

SPM = lc.VariationalLaplace(differences="spm")
DOUBLED = "flow, A and C doubled"
LINEAR = f"{DOUBLED}, linear blood"
PAIRS = [
    ("SPM", "flow"), ("SPM, short steps", "flow"), ("local", "flow"), ("local, short steps", "flow"), ("SPM", DOUBLED),
    ("SPM", LINEAR), ("SPM, short steps", LINEAR),
]  # fmt: skip
KINDS = ("SPM's step", "stated flow", "stated flow, doubled prior")


def rms(values):
    return np.sqrt(np.mean(values**2))


def table_of_predictions(cases):
    """Rms of each difference relative to the rms of the first of the two, at SPM's posterior mean."""
    courses = [predictions(model, recording, spm["posterior_mean"]) for model, recording, spm in cases]
    for one, (_, _, spm) in zip(courses, cases, strict=True):
        print(f"largest difference from the prediction that SPM stored: {np.abs(one['SPM'] - spm['prediction']).max():.1e}")
    for left, right in PAIRS:
        shares = [100 * rms(one[left] - one[right]) / rms(one[left]) for one in courses]
        print(f"{left + ' - ' + right:60s}", *(f"{share:8.2f} %" for share in shares))
    return courses


def fits(model, recording):
    """Every fit by (kind, whether gated), and the bilinear one."""
    found = {"bilinear": lc.fit(replace(model, gating={}, neuronal="bilinear", flow="bilinear", prior=None), recording)}
    for gated, one in ((False, replace(model, gating={}, prior=None)), (True, model)):
        models = one, one.with_flow("true"), replace(one, flow="true", prior=doubled(one.prior))
        for kind, which in zip(KINDS, models, strict=True):
            found[kind, gated] = lc.fit(which, recording, SPM if which.flow == "spm" else None)
    return found


def table_of_fits(found):
    start = found["bilinear"].free_energy
    print(f"{'bilinear':30s} F {start:9.2f}")
    for kind in KINDS:
        without, with_it = (found[kind, gated].free_energy for gated in (False, True))
        print(
            f"{kind:30s} F {without:9.2f} without, {with_it:9.2f} with gating: {without - start:6.2f} and {with_it - without:5.2f} nats more"
        )
    columns = [found[kind, True].posterior for kind in KINDS]
    columns.insert(1, doubled(columns[0]))
    print(f"{'posterior mean (sd)':22s} SPM's step      its double      stated flow     stated flow, doubled prior")
    for p, name in enumerate(columns[0].names):
        print(f"{name:22s}", *(f"{one.mean[p]:7.3f} ({one.sd[p]:.3f})" for one in columns))


if __name__ == "__main__":
    cases = [spm_reference.case(name) for name in spm_reference.NONLINEAR]
    courses = table_of_predictions(cases)
    for model, recording, spm in cases:
        print(f"\nSPM itself: F {float(spm['free_energy']):.2f}")
        found = fits(model, recording)
        table_of_fits(found)
    error = closed_form_errors()
    print("\nstep (s)", *(f"{SECONDS / n:9.4f}" for n in STEPS))
    for name, values in error.items():
        print(f"{name:26s}", *(f"{value:9.1e}" for value in values))
    gains = {kind: [found[kind, gated].free_energy - found["bilinear"].free_energy for gated in (False, True)] for kind in KINDS}
    bold = {"stated flow": courses[-1]["flow"], "SPM's step": courses[-1]["SPM"], "stated flow, A and C doubled": courses[-1][DOUBLED]}
    draw(error, gains, bold, cases[-1][1].series.times, Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
