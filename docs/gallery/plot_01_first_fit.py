"""
One fit, and what it says
=========================

Fit a DCM to the bundled recording of one subject watching moving dots, and look at it before believing it.
"""

import matplotlib.pyplot as plt

import ltc_causal as lc
from ltc_causal.plotting.coupling import plot_coupling
from ltc_causal.plotting.signals import plot_fit

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
plot_fit(fit, plt.figure(figsize=(8, 5)))

# %%
# The couplings, with 90 % intervals:

plot_coupling({"bilinear": fit}, ax=plt.figure(figsize=(8, 5), layout="constrained").subplots())

# %%
# What to look at first: whether it converged, how much it explains, and what the data were silent about.

print(fit.diagnose())
