"""The bridge between liquid networks and DCMs, measured: python case_studies/bridge/run.py [--slow] (ten minutes; an hour with --slow)."""

import sys

import evidence
import exact
import numpy as np
import worlds

import ltc_causal as lc

SEEDS = range(20)
KAPPAS = np.array([0.05, 0.1, 0.2])


def line(label, text):
    print(f"{label:58s} {text}", flush=True)


def table_without_data():
    line("derivatives, against automatic differentiation", f"{max(map(exact.derivative_error, SEEDS)):.0e}")
    line("liquid DCM to raw synapses and back", f"{max(map(exact.bijection_error, SEEDS)):.0e}")
    errors = np.array([exact.embedding_errors(seed, KAPPAS) for seed in SEEDS])
    orders = [np.polyfit(np.log(KAPPAS), np.log(row), 1)[0] for row in errors]
    line("embedding of a DCM at kappa .1", f"median {np.median(errors[:, 1]):.1e}, worst {errors[:, 1].max():.1e}")
    line("order of that error in kappa", f"median {np.median(orders):.2f}, {min(orders):.2f} to {max(orders):.2f}")
    ratios = np.array([exact.bound_ratio(seed) for seed in range(200)])
    line("bound over true error, 200 models", f"least {np.nanmin(ratios):.2f}, median {np.nanmedian(ratios):.2f}")


def table_of_projections():
    kinds = {
        "saturating": [exact.liquid_source(seed) for seed in SEEDS],
        "with thresholds": [exact.liquid_source(seed, bends=0.3) for seed in SEEDS],
        "raw synapses": [one for one in map(exact.gated_source, range(30)) if one is not None],
        "raw synapses, gated by regions": [one for one in (exact.gated_source(seed, 0.5) for seed in range(30)) if one is not None],
    }
    for name, sources in kinds.items():
        for words, method in (("with D", lc.Projection(draws=20)), ("without D", exact.WithoutGating(draws=20))):
            rho, middle, worst = np.median([exact.effects_reduced(one, method) for one in sources], axis=0)
            line(f"projection {words}: {name} ({len(sources)})", f"rho {rho:.3f}  effects {middle:.3f}  worst {worst:.3f}")


def table_of_activity(kappa):
    rows = [worlds.activity_errors(seed, kappa) for seed in SEEDS]
    for name in rows[0]:
        medians = {key: np.median([row[name][key] for row in rows]) for key in rows[0][name]}
        line(f"activity, kappa {kappa:g}: {name}", "  ".join(f"{key} {value:.3f}" for key, value in medians.items()))


def table_of_evidence():
    settings = [{"kappa": kappa} for kappa in (0.0, 1.0, 2.0, 4.0, 10.0)]
    settings += [{"drive": drive, "signal_range": 4.0} for drive in (1.5, 2.0, 3.0, 4.0)]
    for one in settings:
        rows = [evidence.gain(seed, **one) for seed in SEEDS]
        gain, kappa, bilinear, liquid, span = (np.array([row[key] for row in rows]) for key in rows[0])
        line(
            "BOLD, " + ", ".join(f"{key} {value:g}" for key, value in one.items()),
            f"gain {np.median(gain):6.2f} ({gain.min():.1f} to {gain.max():.1f})  > 3 in {100 * np.mean(gain > 3):3.0f} %  kappa {np.median(kappa):5.2f}"
            f"  new inputs {np.median(bilinear):.3f} and {np.median(liquid):.3f}  span {np.median(span):.1f}",
        )


def table_of_free_energies(label, rows):
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        best = np.mean([max(row, key=row.get) == name for row in rows])
        text = f"{np.median(values):7.1f} ({values.min():.1f} to {values.max():.1f})  > 3 in {100 * np.mean(values > 3):3.0f} %"
        line(f"{label}: {name}", f"{text}  highest in {100 * best:3.0f} %")


def table_of_pruning():
    from recovery.test_pruning import agnostic, recovered

    for label, model, snr, driven, sizes in (
        ("three regions", agnostic(3), 5, {"stimulus": "R0"}, (3, 2)),
        ("three regions", agnostic(3), 3, {"stimulus": "R0"}, (3, 2)),
        ("six regions", agnostic(6), 5, {"stimulus": "R0", "task": "R3"}, (8, 3)),
    ):
        medians, above_right, _ = recovered(model, snr, driven, *sizes)
        line(f"pruned, {label}, signal to noise {snr}", "  ".join(f"{key} {value:.3f}" for key, value in medians.items()))
        line("", f"within 3 nats of the right structure in {100 * np.mean(above_right >= -3):.0f} %")


if __name__ == "__main__":
    table_without_data()
    table_of_projections()
    table_of_activity(0.0)
    table_of_activity(2.0)
    table_of_evidence()
    table_of_free_energies("liquid fit, truth kappa 10", [evidence.by_start(seed) for seed in SEEDS])
    for kind, more in evidence.TRUTHS.items():
        table_of_free_energies(f"{kind} truth", [evidence.contest(seed, kind, **more) for seed in SEEDS])
    if "--slow" in sys.argv:
        table_of_pruning()
