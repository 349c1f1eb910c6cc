"""Causal analysis of dynamical systems: fit a model, reduce it, draw its causal graph, and predict what an intervention does.

Lives here: the list of public names. Does not live here: any code of theirs.

The vocabulary (`core`) is imported at once. Everything that would bring a compiler, a plotting or a network library with it is
imported on first use, so that `import ltc_causal` stays quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ltc_causal import datasets
from ltc_causal.core.coupling import Coupling
from ltc_causal.core.data import Inputs, Recording, TimeSeries
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.intervention import Clamp, Cut, SetInput
from ltc_causal.core.model import NoisePrior
from ltc_causal.core.reduction import Certificate, Reduction
from ltc_causal.core.result import Fit, Prediction, Status
from ltc_causal.errors import InputError

if TYPE_CHECKING:  # for editors and type checkers; `_ON_FIRST_USE` says the same to Python
    from ltc_causal.causal.effects import total_effect
    from ltc_causal.causal.graph import causal_graph
    from ltc_causal.causal.predict import predict
    from ltc_causal.core.calibration import Calibration
    from ltc_causal.core.diagnosis import Diagnosis
    from ltc_causal.experiments.calibration import calibrate
    from ltc_causal.group.connection_probability import connection_probabilities
    from ltc_causal.group.model_reduction import reduce_model
    from ltc_causal.group.model_selection import compare
    from ltc_causal.group.pruning import prune
    from ltc_causal.group.structure import drop_connections
    from ltc_causal.inference.fit import fit
    from ltc_causal.inference.gradient import GradientTraining
    from ltc_causal.inference.laplace import VariationalLaplace
    from ltc_causal.io.archive import load, save
    from ltc_causal.io.spm.first_level import read_spm_inputs, read_voi
    from ltc_causal.io.spm.read import read_spm
    from ltc_causal.io.spm.write import write_spm
    from ltc_causal.models.dcm import DCM
    from ltc_causal.models.liquid import LiquidNetwork
    from ltc_causal.models.simulate import simulate
    from ltc_causal.models.source_network import SourceNetwork
    from ltc_causal.models.synaptic import SynapticNetwork
    from ltc_causal.reduction.autodiff import coupling_of
    from ltc_causal.reduction.certificate import certify
    from ltc_causal.reduction.linearise import Taylor
    from ltc_causal.reduction.project import Projection
    from ltc_causal.reduction.reduce import reduce_to_dcm
    from ltc_causal.reduction.refit import Refit
    from ltc_causal.reduction.symbolic import symbolic_coupling, symbolic_flow
    from ltc_causal.reduction.to_liquid import from_synaptic, to_liquid, to_synaptic

_ON_FIRST_USE = {
    "DCM": "ltc_causal.models.dcm",
    "SynapticNetwork": "ltc_causal.models.synaptic",
    "fit": "ltc_causal.inference.fit",
    "VariationalLaplace": "ltc_causal.inference.laplace",
    "GradientTraining": "ltc_causal.inference.gradient",
    "LiquidNetwork": "ltc_causal.models.liquid",
    "simulate": "ltc_causal.models.simulate",
    "SourceNetwork": "ltc_causal.models.source_network",
    "reduce_to_dcm": "ltc_causal.reduction.reduce",
    "Taylor": "ltc_causal.reduction.linearise",
    "to_liquid": "ltc_causal.reduction.to_liquid",
    "to_synaptic": "ltc_causal.reduction.to_liquid",
    "from_synaptic": "ltc_causal.reduction.to_liquid",
    "symbolic_flow": "ltc_causal.reduction.symbolic",
    "symbolic_coupling": "ltc_causal.reduction.symbolic",
    "coupling_of": "ltc_causal.reduction.autodiff",
    "Projection": "ltc_causal.reduction.project",
    "Refit": "ltc_causal.reduction.refit",
    "certify": "ltc_causal.reduction.certificate",
    "causal_graph": "ltc_causal.causal.graph",
    "predict": "ltc_causal.causal.predict",
    "calibrate": "ltc_causal.experiments.calibration",
    "Calibration": "ltc_causal.core.calibration",
    "Diagnosis": "ltc_causal.core.diagnosis",
    "total_effect": "ltc_causal.causal.effects",
    "compare": "ltc_causal.group.model_selection",
    "connection_probabilities": "ltc_causal.group.connection_probability",
    "reduce_model": "ltc_causal.group.model_reduction",
    "prune": "ltc_causal.group.pruning",
    "drop_connections": "ltc_causal.group.structure",
    "save": "ltc_causal.io.archive",
    "load": "ltc_causal.io.archive",
    "read_spm": "ltc_causal.io.spm.read",
    "write_spm": "ltc_causal.io.spm.write",
    "read_voi": "ltc_causal.io.spm.first_level",
    "read_spm_inputs": "ltc_causal.io.spm.first_level",
}

__all__ = [
    "DCM",
    "Calibration",
    "Certificate",
    "Clamp",
    "Coupling",
    "Cut",
    "Diagnosis",
    "Fit",
    "Gaussian",
    "GradientTraining",
    "InputError",
    "Inputs",
    "LiquidNetwork",
    "NoisePrior",
    "Prediction",
    "Projection",
    "Recording",
    "Reduction",
    "Refit",
    "SetInput",
    "SourceNetwork",
    "Status",
    "SynapticNetwork",
    "Taylor",
    "TimeSeries",
    "VariationalLaplace",
    "calibrate",
    "causal_graph",
    "certify",
    "compare",
    "connection_probabilities",
    "coupling_of",
    "datasets",
    "drop_connections",
    "fit",
    "from_synaptic",
    "load",
    "predict",
    "prune",
    "read_spm",
    "read_spm_inputs",
    "read_voi",
    "reduce_model",
    "reduce_to_dcm",
    "save",
    "simulate",
    "symbolic_coupling",
    "symbolic_flow",
    "to_liquid",
    "to_synaptic",
    "total_effect",
    "write_spm",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ON_FIRST_USE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return __all__
