"""Networks to a file and back: the trained numbers as safetensors, and what the network is as JSON in the same file's header. No pickle.

Lives here: `save_network`, `load_network`. Does not live here: other programs' files (`ncps`), fits (`io.archive`).
"""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ltc_causal.errors import InputError
from ltc_causal.files import atomic_write
from ltc_causal.networks.baselines import CTRNN, GRU, LSTM, ODERNN, NeuralODE
from ltc_causal.networks.cfc import CfC
from ltc_causal.networks.liquid_s4 import KernelS4, LiquidS4
from ltc_causal.networks.ltc import LTC
from ltc_causal.networks.sequence import SequenceNetwork

KINDS: dict[str, Any] = {kind.__name__: kind for kind in (LTC, CfC, LiquidS4, KernelS4, CTRNN, NeuralODE, ODERNN, LSTM, GRU)}
HEADER, FORMAT = "ltc_causal", 1


def save_network(network: SequenceNetwork, path: str | Path) -> None:
    """Write a network, whole or not at all; raises `InputError` for one that is not of this package."""
    kind = type(network).__name__
    if KINDS.get(kind) is not type(network):
        raise InputError(f"A network to be saved is one of {', '.join(KINDS)}, got {kind}: save its parameters yourself.")
    header = json.dumps({"format": FORMAT, "kind": kind, "settings": network.settings})
    # Contiguous copies: safetensors refuses views of one storage.
    tensors = {name: one.detach().clone().contiguous() for name, one in network.state_dict().items()}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, {HEADER: header})


def load_network(path: str | Path) -> SequenceNetwork:
    """The network that was saved, on the CPU, of the dtype that it had; raises `InputError` if the file holds none."""
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - the handle is no mapping
        if header["format"] != FORMAT:
            raise InputError(
                f"{path} is of format {header['format']}, this version reads {FORMAT}: read it with the version that wrote it."
            )
        network = KINDS[header["kind"]](**header["settings"])
        network.to(next(iter(tensors.values())).dtype).load_state_dict(tensors)
    except InputError:
        raise
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError, StopIteration) as error:
        raise InputError(f"{path} cannot be read as a network saved by save_network ({error}): check the path.") from None
    return network
