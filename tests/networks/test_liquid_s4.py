"""Liquid-S4: the scan against the loop, kernels against their convolutions, and how far kernels stay from the recurrence."""

import numpy as np
import pytest
import torch
from sequence_networks import generic, sequence

import ltc_causal as lc
from ltc_causal.networks.liquid_s4 import Channels, KernelS4, LiquidS4, scan
from ltc_causal.networks.sequence import Clock


def channels_and_input(width=16, n_state=8, time=128, dtype=torch.float64):
    channels = generic(Channels(width, n_state, torch.Generator().manual_seed(0))).to(dtype)
    u = torch.randn(2, time, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    return channels, u, Clock(torch.ones(2, time, dtype=dtype), None)


def one_by_one(A, B, u):
    """x_k = (A + B u_k) x_{k-1} + B u_k, in numpy."""
    A, B, u = (one.detach().numpy() for one in (A, B, u))
    x, states = np.zeros(A.shape[2:], complex), []
    for k in range(u.shape[1]):
        x = (A[:, k] + B[:, k] * u[:, k, :, None]) * x + B[:, k] * u[:, k, :, None]
        states.append(x)
    return np.stack(states, 1)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("time", [1, 2, 37, 128])
def test_the_scan_is_the_recurrence(dtype, tolerance, time):
    channels, u, clock = channels_and_input(time=time, dtype=dtype)
    A, B = channels.discrete(clock.dt)
    driven = B * u.unsqueeze(-1)
    x = scan(A + driven, driven, torch.zeros_like(driven[:, 0])).detach().numpy()
    expected = one_by_one(A, B, u)
    assert np.abs(x - expected).max() <= tolerance * np.abs(expected).max()


def test_the_discretisation_is_the_bilinear_rule():
    """Against x_k by the trapezium rule on dx/dt = A x + B u, solved for x_k, and exact in the limit of short steps."""
    channels, _, _ = channels_and_input(3, 2)
    dt = torch.tensor([[0.5, 2.0]], dtype=torch.float64)
    A_, B_ = (one.detach().numpy() for one in channels.discrete(dt))
    A = -np.log1p(np.exp(channels.decay.detach().numpy())) + 1j * channels.frequency.detach().numpy()
    B = channels.B.detach().numpy() @ [1, 1j]
    h = dt.numpy()[..., None, None] * np.exp(channels.log_step.detach().numpy())[:, None]
    x, u = 0.3 - 0.2j, 1.7
    after = A_ * x + B_ * u
    np.testing.assert_allclose(after - x, h * (A * (after + x) / 2 + B * u), rtol=1e-12)


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("kind", ["kb", "pb"])
def test_kernels_are_their_convolutions(kind, degree):
    """y = sum_p sum_i K_p[i] u_{k-i} ... u_{k-i-p+1}, K_p[i] = 2 Re(C A^i B^p), A left out for p >= 2 of kind pb."""
    channels, u, clock = channels_and_input(4, 3, 40)
    network = KernelS4(4, 4, 1, kind, degree, n_state=3).double()
    y, _ = network.recurrence(channels, u, clock, tuple(one.detach() for one in network.initial_state(u)))
    A, B = (one.detach().numpy()[0, 0] for one in channels.discrete(clock.dt))
    C, values = channels.C.detach().numpy() @ [1, 1j], u.numpy()
    expected, product = values * channels.D.detach().numpy(), np.ones_like(values)
    for p in range(1, degree + 1):
        shifted = np.concatenate([np.zeros_like(values[:, : p - 1]), values[:, : values.shape[1] - p + 1]], 1)
        product = product * shifted
        for i in range(40):
            power = A**i if p == 1 or kind == "kb" else np.ones_like(A)
            K = 2 * (C * power * B**p).sum(-1).real
            expected[:, i:] += K * product[:, : 40 - i]
    np.testing.assert_allclose(y.detach(), expected, rtol=1e-10, atol=1e-12)


def test_kernels_stay_off_the_recurrence():
    """H 16, L 128, N 8, without D u: those of degree 2 and 3 come hardly nearer than plain S4 does, 12 % off."""
    channels, u, clock = channels_and_input()
    channels.D.data.zero_()
    liquid = LiquidS4(16, 16, 1).double()
    exact, _ = liquid.recurrence(channels, u, clock, (torch.zeros(2, 16, 8, dtype=torch.complex128),))
    gaps = {}
    for degree in (1, 2, 3):
        network = KernelS4(16, 16, 1, "kb", degree).double()
        y, _ = network.recurrence(channels, u, clock, network.initial_state(u)[:3])
        gaps[degree] = float((y - exact).detach().norm() / exact.detach().norm())
    assert gaps == pytest.approx({1: 0.1239, 2: 0.1227, 3: 0.1228}, abs=0.002)


def test_all_products_make_the_recurrence():
    """The terms of degree 2 that the kernels leave out are those of inputs that do not follow each other: exact for two steps."""
    channels, u, clock = channels_and_input(4, 3, 2)
    exact, _ = LiquidS4(4, 4, 1).double().recurrence(channels, u, clock, (torch.zeros(2, 4, 3, dtype=torch.complex128),))
    network = KernelS4(4, 4, 1, "kb", 2).double()
    rest = torch.zeros(2, 4, 3, dtype=torch.complex128)
    y, _ = network.recurrence(channels, u, clock, (rest, rest, torch.zeros(2, 1, 4, dtype=torch.float64)))
    torch.testing.assert_close(y, exact, rtol=1e-12, atol=1e-13)


def test_two_halves_of_a_step_are_nearly_the_step():
    """Bilinear steps compose up to their error in the third power of h; time is part of the model, not an input."""
    network, (inputs, dt) = generic(LiquidS4(3, 4, 2, n_state=3)), sequence(2, 6)
    dt = dt / 10
    whole, _ = network(inputs, dt)
    halves, _ = network(inputs.repeat_interleave(2, 1), (dt / 2).repeat_interleave(2, 1))
    torch.testing.assert_close(halves[:, 1::2], whole, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "build", [lambda: KernelS4(3, 4, 2, "ab"), lambda: KernelS4(3, 4, 2, degree=0), lambda: LiquidS4(3, 4, 2, layers=0)]
)
def test_wrong_settings_are_refused(build):
    with pytest.raises(lc.InputError):
        build()
