"""
Do 90 % intervals hold 90 % of truths?
======================================

Simulate from the prior, fit, and count: a model and a design can be tried before anyone is scanned.
"""

import matplotlib.pyplot as plt
import numpy as np

import ltc_causal as lc
from ltc_causal.plotting.calibration import plot_coverage

model = lc.DCM(
    ["V1", "V5"], ["photic", "motion"], [("V1", "V5")], {"motion": [("V1", "V5")]}, [("photic", "V1")],
    noise=lc.NoisePrior(4, 4), signal_range=None,
)  # fmt: skip
rng = np.random.default_rng(0)
inputs = lc.Inputs(np.repeat((rng.random((30, 2)) < 0.5).astype(float), 96, axis=0), 0.125, ["photic", "motion"])
calibration = lc.calibrate(model, inputs, dt=2.0, n=60)
print(calibration)
plot_coverage(calibration, plt.figure(figsize=(4, 4), layout="constrained").subplots())
