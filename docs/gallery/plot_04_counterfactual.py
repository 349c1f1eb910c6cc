"""
This very run, without attention
================================

A counterfactual keeps what the model did not explain of the run; only what attention did is taken out.
"""

import matplotlib.pyplot as plt

import ltc_causal as lc

recording = lc.datasets.attention()
model = lc.DCM(
    regions=["V1", "V5", "SPC"],
    inputs=["photic", "motion", "attention"],
    intrinsic=[("V1", "V5"), ("V5", "V1"), ("V5", "SPC"), ("SPC", "V5")],
    modulatory={"motion": [("V1", "V5")], "attention": [("V1", "V5")]},
    driving=[("photic", "V1")],
    flow="true",
)
fit = lc.fit(model, recording)

without = lc.counterfactual(fit, do=[lc.SetInput("attention", 0.0)], seed=0)
figure, ax = plt.subplots(figsize=(8, 2.6))
ax.plot(recording.series.times, recording.series.values[:, 1], color="0.6", label="what was measured")
ax.plot(without.times, without.mean[:, 1], color="C3", label="without attention")
ax.set(xlim=(100, 400), xlabel="seconds", ylabel="BOLD of V5")
ax.legend(loc="upper right", frameon=False)
figure.tight_layout()
