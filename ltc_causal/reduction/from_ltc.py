"""A trained liquid time-constant network as the toolkit's own: the same flow in numpy, to be reduced, drawn and intervened on.

    leak gl / cm, bias gl vl / cm, weight w / cm, slope sigma, threshold mu, reversal e; and of an input x behind u = input_weight x + input_bias
    the slope sigma input_weight and the threshold (mu - input_bias) / input_weight

Lives here: `from_ltc`. Does not live here: the network (`networks.ltc`), its reduction to A, B and C (`reduce`).
"""

import numpy as np
from numpy.typing import NDArray

from ltc_causal.errors import InputError
from ltc_causal.models.synaptic import SynapticNetwork
from ltc_causal.networks.ltc import LTC


def from_ltc(network: LTC) -> SynapticNetwork:
    """The network's equation; its units are the regions, in the circuit's order, its outputs a linear map of the first ones.

    What a fused step computes is near that equation and not on it (see `networks.solvers.Fused`). No input gates a synapse, so B between
    different regions is zero at rest; inputs act through sensory synapses.

    Raises `InputError` for a network with mixed memory, which has other states than potentials, and for an input of weight 0.
    """
    if network.memory is not None:
        raise InputError(
            "An LTC with mixed_memory has other states than its membranes' potentials: reduce one without (mixed_memory=False)."
        )
    circuit = network.circuit
    leak, rest, capacitance = (_numbers(one) for one in network.membranes())
    gain, shift = _numbers(network.input_weight), _numbers(network.input_bias)
    if (gain == 0).any():
        raise InputError(
            f"The LTC's input_weight of {circuit.inputs[int(np.argmin(np.abs(gain)))]!r} is 0: leave that input out of the circuit."
        )
    n, k = len(circuit.units), circuit.sensory_source
    between = {name: _numbers(one) for name, one in network.between.numbers().items()}
    sensory = {name: _numbers(one) for name, one in network.sensory.numbers().items()}
    between["weight"] /= capacitance[circuit.target]
    sensory["weight"] /= capacitance[circuit.sensory_target]
    sensory |= {"slope": sensory["slope"] * gain[k], "threshold": (sensory["threshold"] - shift[k]) / gain[k]}
    dense = {name: _dense(values, circuit.target, circuit.source, (n, n)) for name, values in between.items()}
    ways_in = {f"sensory_{name}": _dense(values, circuit.sensory_target, k, (n, len(gain))) for name, values in sensory.items()}
    return SynapticNetwork(circuit.units, circuit.inputs, leak / capacitance, bias=leak * rest / capacitance, **dense, **ways_in)


def _numbers(values) -> NDArray[np.float64]:
    return values.double().numpy(force=True).copy()


def _dense(values: NDArray, target: NDArray, source: NDArray, shape: tuple[int, int]) -> NDArray[np.float64]:
    matrix = np.zeros(shape)
    matrix[target, source] = values
    return matrix
