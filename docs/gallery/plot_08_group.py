"""
Patients and controls
=====================

Twenty simulated subjects, one connection weaker in half of them: a second level finds which.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import ltc_causal as lc
from ltc_causal.plotting.forest import plot_forest

model = lc.DCM(
    ["V1", "V5"], ["photic", "motion"], [("V1", "V5"), ("V5", "V1")], {"motion": [("V1", "V5")]}, [("photic", "V1")],
    signal_range=None, noise=lc.NoisePrior(4, 4),
)  # fmt: skip
rng = np.random.default_rng(0)
inputs = lc.Inputs(np.repeat((rng.random((40, 2)) < 0.5).astype(float), 96, axis=0), 0.125, ["photic", "motion"])
who, recordings = [], {}
for number in range(20):
    patient = number % 2 == 1
    own = {"A[V1->V5]": (0.2 if patient else 0.5) + 0.08 * rng.standard_normal(), "A[V5->V1]": -0.2 + 0.05 * rng.standard_normal()}
    truth = own | {"B[motion: V1->V5]": 0.3, "C[photic->V1]": 5.0}
    recordings[f"sub-{number:02d}"] = lc.simulate(model, truth, inputs, dt=2.0, snr=4.0, seed=number)
    who.append("patient" if patient else "control")

fits = {name: lc.fit(model, run) for name, run in recordings.items()}
group = lc.peb(fits, pd.DataFrame({"group": who}, index=list(fits)))
print(group)
plot_forest(group, "A[V1->V5]", by="group", ax=plt.figure(figsize=(7, 6), layout="constrained").subplots())
