"""
A causal graph with loops
=========================

The same fit as a graph under two conditions. Loops are normal; an input that changes a connection points at it.
"""

import matplotlib.pyplot as plt

import ltc_causal as lc
from ltc_causal.plotting.graphs import plot_graph

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

figure, axes = plt.subplots(2, 1, figsize=(8, 6), layout="constrained")
for ax, inputs, title in zip(axes, ({}, {"motion": 1.0, "attention": 1.0}), ("nothing moves", "attention to motion"), strict=True):
    plot_graph(lc.causal_graph(fit, inputs=inputs), ax)
    ax.set_title(title)

# %%
# What a loop does, and by which way V1 reaches SPC:

print(lc.feedback_loops(fit, inputs={"motion": 1.0})[["loop", "gain", "lower", "upper", "kind"]])
print(lc.path_effects(fit, "V1", "SPC", inputs={"motion": 1.0}))
