"""From neuronal activity to BOLD in torch: the equations and constants of `haemodynamics`, to be differentiated.

Lives here: the balloon model's flow and the signal equation. Does not live here: the constants, the sources, the numpy form
(`haemodynamics`), integration (`liquid_course`). This file imports torch.
"""

import math

import torch

from ltc_causal.models.haemodynamics import (
    AUTOREGULATION,
    EXTRACTION,
    GRUBB,
    SIGNAL_DECAY,
    TRANSIT_TIME,
    VOLUME_FRACTION,
    signal_coefficients,
)

Tensor = torch.Tensor


def rates(transit: Tensor, decay: Tensor) -> tuple[Tensor, Tensor]:
    """Decay of the vasodilatory signal and inverse transit time in 1/s, of log-scale deviations of any shape."""
    return SIGNAL_DECAY * torch.exp(decay), torch.exp(-transit) / TRANSIT_TIME


def flow(h: Tensor, x: Tensor, signal_decay: Tensor, inverse_tau: Tensor) -> Tensor:
    """dh/dt, shape (..., 4, region), from h of that shape and activity x (..., region), in 1/s.

    signal_decay : (..., 1) and inverse_tau : (..., region), as `rates` gives them
    """
    s, log_f, log_v, log_q = h.unbind(-2)
    f = torch.exp(log_f)
    outflow = torch.exp(log_v * (1 / GRUBB - 1))
    oxygen = (1 - torch.exp(math.log(1 - EXTRACTION) / f)) / EXTRACTION
    return torch.stack(
        [
            x - signal_decay * s - AUTOREGULATION * (f - 1),
            s / f,
            (torch.exp(log_f - log_v) - outflow) * inverse_tau,
            (torch.exp(log_f - log_q) * oxygen - outflow) * inverse_tau,
        ],
        dim=-2,
    )


def bold(log_v: Tensor, log_q: Tensor, epsilon: Tensor, echo_time: float) -> Tensor:
    """BOLD signal change in percent, of the shape of the states; epsilon broadcasts with them."""
    k1 = signal_coefficients(0.0, echo_time)[0]
    ratio = torch.exp(epsilon)
    k2, k3 = ratio * signal_coefficients(0.0, echo_time)[1], 1 - ratio
    v, q = torch.exp(log_v), torch.exp(log_q)
    return VOLUME_FRACTION * (k1 * (1 - q) + k2 * (1 - q / v) + k3 * (1 - v))
