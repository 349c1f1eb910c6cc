"""
What if a connection were cut?
==============================

A prediction with its band: V1 -> V5 cut halfway through the run. Nobody did this, so it is what the model says, not what is known.
"""

import matplotlib.pyplot as plt

import ltc_causal as lc
from ltc_causal.plotting.interventions import plot_intervention

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

usual = lc.predict(fit, seed=0)
cut = lc.predict(fit, do=[lc.Cut("V1", "V5", start=400.0)], seed=0)
plot_intervention(usual, cut, plt.figure(figsize=(8, 6)), span=(300.0, 600.0))
print(cut.summary())
