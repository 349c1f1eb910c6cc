"""One small network of every kind, for the tests of what they share."""

import torch

from ltc_causal.networks.baselines import CTRNN, GRU, LSTM, ODERNN, NeuralODE
from ltc_causal.networks.cfc import CfC
from ltc_causal.networks.circuit import Circuit
from ltc_causal.networks.liquid_s4 import KernelS4, LiquidS4
from ltc_causal.networks.ltc import LTC
from ltc_causal.networks.solvers import Adaptive, Exponential, RungeKutta

KINDS = {
    "ltc policy": lambda: LTC(Circuit.policy(3, 10, 2)),
    "ltc full": lambda: LTC(Circuit.full(3, 5, 2)),
    "ltc exponential": lambda: LTC(Circuit.sparse(3, 8, 2, 0.3), Exponential(2)),
    "ltc memory": lambda: LTC(Circuit.full(3, 4, 2), mixed_memory=True),
    "cfc": lambda: CfC(3, 5),
    "cfc no gate": lambda: CfC(3, 5, 2, "no_gate", backbone_units=8, backbone_layers=2),
    "cfc pure": lambda: CfC(3, 5, 2, "pure", backbone_units=8),
    "cfc memory": lambda: CfC(3, 5, 2, backbone_layers=0, mixed_memory=True),
    "ct-rnn": lambda: CTRNN(3, 5, 2),
    "neural ode": lambda: NeuralODE(3, 5, 2),
    "ode-rnn": lambda: ODERNN(3, 5, 2),
    "lstm": lambda: LSTM(3, 5, 2),
    "gru": lambda: GRU(3, 5, 2, sees_dt=True),
    "liquid s4": lambda: LiquidS4(3, 4, 2, n_state=3, layers=2),
    "kernel s4 kb": lambda: KernelS4(3, 4, 2, "kb", 3, n_state=3),
    "kernel s4 pb": lambda: KernelS4(3, 4, 2, "pb", 2, n_state=3, layers=2),
}
# Systems whose course does not depend on how a stretch of constant input is cut into steps.
CONTINUOUS = {
    "ltc": lambda: LTC(Circuit.policy(3, 10, 2), Adaptive(1e-9, 1e-11)),
    "ct-rnn": lambda: CTRNN(3, 5, 2, Adaptive(1e-9, 1e-11)),
    "neural ode": lambda: NeuralODE(3, 5, 2, RungeKutta(40)),
}


def generic(network, seed=0):
    """The network in float64, its parameters moved off whatever special values they begin at."""
    network = network.double()
    generator = torch.Generator().manual_seed(seed)
    for one in network.parameters():
        one.data.add_(0.1 * torch.randn(one.shape, generator=generator, dtype=torch.float64))
    return network


def sequence(batch=4, time=7, n_input=3, seed=0):
    """Inputs and times between samples, above zero."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(batch, time, n_input, generator=generator, dtype=torch.float64)
    return inputs, 0.1 + torch.rand(batch, time, generator=generator, dtype=torch.float64)
