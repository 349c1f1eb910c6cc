"""Courses of a liquid network and its haemodynamics, many networks at once, with their gradient.

Classical Runge-Kutta steps, as `true_flow` takes them. The gradient is the adjoint of the very steps taken: backwards through a step with rates
k1 ... k4 at stages Y1 ... Y4 of width h, from L = dJ/dy at its end,

    dJ/dk4 = h/6 L,  dJ/dY4 = J(Y4)' dJ/dk4,  dJ/dk3 = h/3 L + h dJ/dY4,  dJ/dk2 = h/3 L + h/2 dJ/dY3,  dJ/dk1 = h/6 L + h/2 dJ/dY2,

and dJ/dy at its start is L + sum of dJ/dY. Compiled, one step of a network of 8 units takes microseconds, where torch takes a millisecond;
the same course in torch operations is kept as its reference.

Lives here: `Constants`, `course`, `course_in_torch`, the plan of steps. Does not live here: the parameters behind the constants (`liquid`).
This file imports torch.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from ltc_causal.models import blood
from ltc_causal.models.haemodynamics import N_STATE, flow_and_slopes
from ltc_causal.models.true_flow import ACTIVITY_BOUND, BOUND, FAST
from ltc_causal.numerics.schedule import Steps

Tensor = torch.Tensor


class Constants(NamedTuple):
    """A flow under each distinct input value; r counts networks, v values, s synapses, i units.

    gate : G (r, v, s); drive, leak : (r, v, i), what acts on a unit without its synapses, and its decay, in 1/s
    weight, threshold, reversal : (r, s)
    signal_decay : (r, 1); inverse_tau : (r, region), without columns where there is no haemodynamics

        dx_i/dt = drive_i - leak_i x_i + sum_s weight_s sigmoid(gate_s (x_source - threshold_s)) (reversal_s - x_i)
    """

    gate: Tensor
    drive: Tensor
    leak: Tensor
    weight: Tensor
    threshold: Tensor
    reversal: Tensor
    signal_decay: Tensor
    inverse_tau: Tensor


@dataclass(frozen=True, eq=False)
class Plan:
    """The steps of a run.

    inputs : shape (value, input), the distinct input values
    value, width : shape (step,), which of them is in force, and the step's seconds
    read : shape (scan, region), after how many steps each region is read
    echo_time : seconds
    """

    inputs: NDArray[np.float64]
    value: NDArray[np.int64]
    width: NDArray[np.float64]
    read: NDArray[np.int64]
    echo_time: float

    @classmethod
    def of(cls, steps: Steps, max_step: float, echo_time: float) -> "Plan":
        """Each stretch of constant input in equal steps of at most `max_step` seconds."""
        moves = steps.step_pair >= 0
        pair = np.where(moves, steps.step_pair, 0)
        length = steps.pair_bins[pair] * steps.dt
        count = np.where(moves, np.ceil(length / max_step - 1e-9), 0).astype(np.int64)
        elapsed = np.cumsum(count)
        read = np.zeros((steps.n_scan, steps.read_scan.shape[1]), dtype=np.int64)
        step, region = np.nonzero(steps.read_scan >= 0)
        read[steps.read_scan[step, region], region] = elapsed[step]
        return cls(steps.values, np.repeat(steps.pair_value[pair], count), np.repeat(length / np.maximum(count, 1), count), read, echo_time)


def course(constants: Constants, target: NDArray, source: NDArray, plan: Plan) -> tuple[Tensor, Tensor]:
    """States before and after every step, shape (r, step + 1, state), and which networks stayed within bounds, shape (r,).

    From rest. A state vector is x (unit), then s, log f, log v and log q, each (region). Differentiable once; what leaves the bounds is zero.
    """
    return _Course.apply(*constants, target, source, plan)  # pyright: ignore[reportReturnType]


class _Course(torch.autograd.Function):
    """The compiled course and its adjoint."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:  # noqa: D102
        constants, (target, source, plan) = arguments[:8], arguments[8:]
        arrays = [np.ascontiguousarray(one.detach().numpy()) for one in constants]
        bound = BOUND if arrays[-1].shape[1] else ACTIVITY_BOUND
        states, stable = _forward(*arrays, target, source, plan.value, plan.width, bound)  # pyright: ignore[reportCallIssue]
        ctx.kept = arrays, target, source, plan, states, stable
        stable = torch.from_numpy(stable)
        ctx.mark_non_differentiable(stable)
        return torch.from_numpy(states), stable

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple:  # noqa: D102
        arrays, target, source, plan, states, stable = ctx.kept
        by_state = np.ascontiguousarray(gradients[0].numpy())
        found = [np.zeros_like(one) for one in arrays]
        _backward(*arrays, target, source, plan.value, plan.width, states, stable, by_state, *found)  # pyright: ignore[reportCallIssue]
        return (*(torch.from_numpy(one) for one in found), None, None, None)


# --- compiled -------------------------------------------------------------------------------------------------------------------------


@numba.njit(**FAST)
def _rates(y, gate, drive, leak, weight, threshold, reversal, signal_decay, inverse_tau, target, source, rate):
    """The flow at y, into rate."""
    U, n = len(drive), len(inverse_tau)
    for i in range(U):
        rate[i] = drive[i] - leak[i] * y[i]
    for s in range(len(target)):
        i = target[s]
        rate[i] += weight[s] / (1.0 + math.exp(-gate[s] * (y[source[s]] - threshold[s]))) * (reversal[s] - y[i])
    for i in range(n):
        found = flow_and_slopes(y[U + i], y[U + n + i], y[U + 2 * n + i], y[U + 3 * n + i], y[i], signal_decay, inverse_tau[i])[0]
        for k in range(N_STATE):
            rate[U + k * n + i] = found[k]


@numba.njit(**FAST)
def _stages(y, width, flow, target, source, Y, k):
    """The four stages of a step from y and the rates there, into Y and k, each (4, state)."""
    for number in range(4):
        part = 0.0 if number == 0 else (width if number == 3 else 0.5 * width)
        for d in range(len(y)):
            Y[number, d] = y[d] + part * k[number - 1, d] if number else y[d]
        _rates(Y[number], *flow, target, source, k[number])  # pyright: ignore[reportCallIssue]


@numba.njit(**FAST)
def _forward(gate, drive, leak, weight, threshold, reversal, signal_decay, inverse_tau, target, source, value, width, bound):
    R, U, n, K = gate.shape[0], drive.shape[2], inverse_tau.shape[1], len(value)
    size = U + N_STATE * n
    states, stable = np.zeros((R, K + 1, size)), np.ones(R, dtype=np.bool_)
    Y, k = np.zeros((4, size)), np.zeros((4, size))
    for r in range(R):
        for step in range(K):
            v, h = value[step], width[step]
            flow = (gate[r, v], drive[r, v], leak[r, v], weight[r], threshold[r], reversal[r], signal_decay[r, 0], inverse_tau[r])
            _stages(states[r, step], h, flow, target, source, Y, k)
            largest = 0.0
            for d in range(size):
                now = states[r, step, d] + h / 6.0 * (k[0, d] + 2.0 * (k[1, d] + k[2, d]) + k[3, d])
                states[r, step + 1, d] = now
                if not abs(now) <= largest:  # a comparison that NaN fails
                    largest = abs(now)
            if not largest <= bound:
                stable[r] = False
                states[r] = 0.0
                break
    return states, stable


@numba.njit(**FAST)
def _pull(y, by_rate, gate, drive, leak, weight, threshold, reversal, signal_decay, inverse_tau, target, source, by_y, found):
    """From the gradient in the rate at y to that in y, overwritten, and to those in the constants, added."""
    by_gate, by_drive, by_leak, by_weight, by_threshold, by_reversal, by_decay, by_tau = found
    U, n = len(drive), len(inverse_tau)
    for i in range(U):
        t = by_rate[i]
        by_drive[i] += t
        by_leak[i] -= t * y[i]
        by_y[i] = -leak[i] * t
    for s in range(len(target)):
        i, j = target[s], source[s]
        d, V, t = y[j] - threshold[s], reversal[s] - y[i], by_rate[i]
        open_ = 1.0 / (1.0 + math.exp(-gate[s] * d))
        by_weight[s] += t * open_ * V
        by_reversal[s] += t * weight[s] * open_
        by_y[i] -= t * weight[s] * open_
        by_a = t * weight[s] * V * open_ * (1.0 - open_)
        by_gate[s] += by_a * d
        by_threshold[s] -= by_a * gate[s]
        by_y[j] += by_a * gate[s]
    for i in range(n):
        a, b, c, e = U + i, U + n + i, U + 2 * n + i, U + 3 * n + i
        rate, slopes = flow_and_slopes(y[a], y[b], y[c], y[e], y[i], signal_decay, inverse_tau[i])
        s_f, f_s, f_f, v_f, v_v, q_f, q_v, q_q = slopes
        by_y[i] += by_rate[a]
        by_y[a] = f_s * by_rate[b] - signal_decay * by_rate[a]
        by_y[b] = s_f * by_rate[a] + f_f * by_rate[b] + v_f * by_rate[c] + q_f * by_rate[e]
        by_y[c] = v_v * by_rate[c] + q_v * by_rate[e]
        by_y[e] = q_q * by_rate[e]
        by_decay[0] -= y[a] * by_rate[a]
        by_tau[i] += (rate[2] * by_rate[c] + rate[3] * by_rate[e]) / inverse_tau[i]


@numba.njit(**FAST)
def _backward(
    gate, drive, leak, weight, threshold, reversal, signal_decay, inverse_tau, target, source, value, width, states, stable, by_state,
    by_gate, by_drive, by_leak, by_weight, by_threshold, by_reversal, by_decay, by_tau,
):  # fmt: skip
    R, K, size = gate.shape[0], len(value), states.shape[2]
    Y, k, by_y, by_rate, now = np.zeros((4, size)), np.zeros((4, size)), np.zeros(size), np.zeros(size), np.zeros(size)
    for r in range(R):
        if not stable[r]:
            continue
        now[:] = by_state[r, K]
        for step in range(K - 1, -1, -1):
            v, h = value[step], width[step]
            flow = (gate[r, v], drive[r, v], leak[r, v], weight[r], threshold[r], reversal[r], signal_decay[r, 0], inverse_tau[r])
            found = (by_gate[r, v], by_drive[r, v], by_leak[r, v], by_weight[r], by_threshold[r], by_reversal[r], by_decay[r], by_tau[r])
            _stages(states[r, step], h, flow, target, source, Y, k)
            total = by_state[r, step].copy()
            for d in range(size):
                total[d] += now[d]
                by_rate[d] = h / 6.0 * now[d]
            for number in range(3, -1, -1):
                _pull(Y[number], by_rate, *flow, target, source, by_y, found)
                gain = h / 6.0 if number == 1 else h / 3.0
                part = h if number == 3 else 0.5 * h
                for d in range(size):
                    total[d] += by_y[d]
                    by_rate[d] = gain * now[d] + part * by_y[d]
            now[:] = total


# --- the same in torch ----------------------------------------------------------------------------------------------------------------


def flow_in_torch(constants: Constants, target: Tensor, source: Tensor, y: Tensor, value: int) -> Tensor:
    """dy/dt of state vectors (r, state) under one of the input values."""
    U, n = constants.drive.shape[-1], constants.inverse_tau.shape[-1]
    x = y[:, :U]
    open_ = torch.sigmoid(constants.gate[:, value] * (x[:, source] - constants.threshold))
    current = constants.weight * open_ * (constants.reversal - x[:, target])
    rate = constants.drive[:, value] - constants.leak[:, value] * x
    rate = rate.index_add(1, target, current)
    if not n:
        return rate
    h = blood.flow(y[:, U:].reshape(-1, N_STATE, n), x[:, :n], constants.signal_decay, constants.inverse_tau)
    return torch.cat([rate, h.flatten(1)], dim=1)


def course_in_torch(constants: Constants, target: NDArray, source: NDArray, plan: Plan) -> Tensor:
    """The states of `course` by torch operations alone: slow, differentiable any number of times, and without its bounds."""
    to, of = torch.from_numpy(target), torch.from_numpy(source)
    size = constants.drive.shape[-1] + N_STATE * constants.inverse_tau.shape[-1]
    y = constants.gate.new_zeros(len(constants.gate), size)
    states = [y]
    for value, h in zip(plan.value.tolist(), plan.width.tolist(), strict=True):
        k1 = flow_in_torch(constants, to, of, y, value)
        k2 = flow_in_torch(constants, to, of, y + h / 2 * k1, value)
        k3 = flow_in_torch(constants, to, of, y + h / 2 * k2, value)
        k4 = flow_in_torch(constants, to, of, y + h * k3, value)
        y = y + h / 6 * (k1 + 2 * (k2 + k3) + k4)
        states.append(y)
    return torch.stack(states, dim=1)
