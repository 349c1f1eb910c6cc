"""
Fifty regions at once
=====================

Regression DCM inverts region by region; fifty take a fraction of a second.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

import ltc_causal as lc

rng = np.random.default_rng(0)
n, inputs = 50, ["a", "b", "c", "d"]
regions = [f"R{i:02d}" for i in range(n)]
present = rng.random((n, n)) < 0.08
np.fill_diagonal(present, False)
u = lc.Inputs(np.repeat((rng.random((200, 4)) < 0.4).astype(float), 32, axis=0), 0.125, inputs)
model = lc.RegressionDCM(regions, inputs, intrinsic=present, driving=rng.random((n, 4)) < 0.3)
size = rng.choice([-1, 1], (n, n)) * rng.uniform(0.05, 0.15, (n, n)) * present
truth = {f"A[{regions[j]}->{regions[i]}]": size[i, j] for i, j in np.argwhere(present)}
truth |= {f"C[{inputs[k]}->{regions[i]}]": 1.0 for i, k in np.argwhere(model.driving)}
recording = lc.simulate(model, truth, u, dt=2.0, snr=5.0, seed=1)

began = time.perf_counter()
fit = lc.fit(model, recording)
print(f"{time.perf_counter() - began:.2f} s")

figure, ax = plt.subplots(figsize=(4, 4))
ax.plot(size[present], fit.coupling.A[present], ".", markersize=4)
ax.axline((0, 0), slope=1, color="0.7", zorder=0)
ax.set(xlabel="true connection (Hz)", ylabel="estimated (Hz)")
figure.tight_layout()
