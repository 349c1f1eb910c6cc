"""Networks of ncps 1.0.1 itself, brought over: the same outputs, the same gradients."""

import numpy as np
import pytest
import torch

from ltc_causal.networks.ncps import cfc_from_ncps, ltc_from_ncps

ncps = pytest.importorskip("ncps")
from ncps.torch import LTC, CfC  # noqa: E402
from ncps.wirings import AutoNCP, FullyConnected  # noqa: E402

INPUTS = 5


def run(seed, batch=3, steps=7):
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.standard_normal((batch, steps, INPUTS)), dtype=torch.float32), torch.tensor(
        rng.uniform(0.3, 1.5, (batch, steps)), dtype=torch.float32
    )


def wiring(kind):
    return FullyConnected(32, 8) if kind == "dense" else AutoNCP(64, 8, seed=3)


def worst(one, other):
    return float((one - other).abs().max() / other.abs().max())


@pytest.mark.parametrize("kind", ["dense", "policy"])
@pytest.mark.parametrize("irregular", [False, True])
def test_an_ltc_gives_what_it_gave(kind, irregular):
    torch.manual_seed(0)
    theirs = LTC(INPUTS, wiring(kind), batch_first=True)
    ours = ltc_from_ncps(theirs.state_dict())
    x, dt = run(1, batch=1 if irregular else 3)  # its LTC takes time spans of one sequence only
    out = theirs(x, timespans=dt)[0] if irregular else theirs(x)[0]
    found = ours(x, dt)[0] if irregular else ours(x, 1.0)[0]
    torch.testing.assert_close(found, out, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["dense", "policy"])
def test_its_gradient_in_the_input_is_the_same(kind):
    """To 1e-5 of the largest; those in the parameters are in other coordinates, and those in the input pass through all of them."""
    torch.manual_seed(0)
    theirs = LTC(INPUTS, wiring(kind), batch_first=True)
    ours = ltc_from_ncps(theirs.state_dict())
    x, _ = run(2)
    grads = []
    for network in (lambda one: theirs(one)[0], lambda one: ours(one, 1.0)[0]):
        one = x.clone().requires_grad_()
        network(one).square().sum().backward()
        grads.append(one.grad)
    assert worst(grads[1], grads[0]) < 1e-5


@pytest.mark.parametrize("mode", ["default", "no_gate", "pure"])
def test_a_cfc_gives_what_it_gave(mode):
    torch.manual_seed(0)
    theirs = CfC(INPUTS, 20, proj_size=3, mode=mode, batch_first=True)
    state = theirs.state_dict()
    x, dt = run(3, batch=1)
    out = theirs(x, timespans=dt)[0]
    found = cfc_from_ncps(state, mode)(x, dt)[0]
    torch.testing.assert_close(found, out, rtol=0, atol=1e-5)
