"""
Do synapses saturate?
=====================

The liquid model has the bilinear one as its limit, so the evidence can say whether saturation is needed. Here it is simulated, and known.
"""

import matplotlib.pyplot as plt
import numpy as np

import ltc_causal as lc
from ltc_causal.plotting.coupling import plot_coupling

bilinear = lc.DCM(
    ["V1", "V5"], ["photic", "motion"], [("V1", "V5"), ("V5", "V1")], {"motion": [("V1", "V5")]}, [("photic", "V1")],
    flow="true", signal_range=None,
)  # fmt: skip
liquid = bilinear.with_neuronal("liquid")
rng = np.random.default_rng(0)
blocks = np.repeat((rng.random((40, 2)) < 0.5).astype(float), 96, axis=0)
inputs = lc.Inputs(blocks, 0.125, ["photic", "motion"])
truth = {"A[V1->V5]": 0.6, "A[V5->V1]": -0.2, "B[motion: V1->V5]": 0.5, "C[photic->V1]": 6.0}

for kappa in (0.01, 6.0):
    run = lc.simulate(liquid, truth | {"log_kappa": np.log(kappa)}, inputs, dt=2.0, snr=5.0, seed=1)
    fits = [lc.fit(one, run) for one in (bilinear, liquid)]
    print(f"saturation {kappa:g}:", lc.compare(fits, ["bilinear", "liquid"]))

# %%
# Where it is needed, the bilinear couplings are those of a system that was not there:

plot_coupling({"bilinear": fits[0], "liquid": fits[1]}, ax=plt.figure(figsize=(8, 4), layout="constrained").subplots())
