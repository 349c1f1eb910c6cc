"""
A liquid network on a sequence, and what is inside
==================================================

Train a small circuit on irregularly sampled data, then ask for its time constants and its graph.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import ltc_causal as lc
from ltc_causal.core.sequences import Sequences
from ltc_causal.networks.circuit import Circuit
from ltc_causal.networks.interpret import graph, time_constants
from ltc_causal.networks.ltc import LTC

rng = np.random.default_rng(0)
inputs = rng.standard_normal((48, 24, 2))
dt = rng.uniform(0.2, 1.0, (48, 24))
targets = np.cumsum(inputs[..., :1] * dt[..., None], axis=1) / np.cumsum(dt, axis=1)[..., None]
data = Sequences(inputs, targets, dt)
network = LTC(Circuit.policy(n_input=2, units=12, n_output=1, seed=0), seed=0)
fit = lc.fit(network, data, lc.GradientTraining(steps=60, learning_rate=0.02, restarts=1, batch=16, validation=0.25))

figure, ax = plt.subplots(figsize=(6, 2.6))
ax.plot(np.cumsum(dt[0]), targets[0, :, 0], "o-", color="0.6", label="target")
ax.plot(np.cumsum(dt[0]), fit.predict(data)[0, :, 0], "C3", label="network")
ax.set(xlabel="time", ylabel="running mean of the input")
ax.legend(frameon=False)
figure.tight_layout()

# %%
# Time constants move with the input, within the range that the synapses allow:

tau = time_constants(fit.network, torch.tensor(inputs[:1]), torch.tensor(dt[:1]))
print(np.c_[np.ravel(tau.shortest), np.ravel(tau.longest)][:4].round(2))
print(graph(fit.network))
