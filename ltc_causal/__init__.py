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
from ltc_causal.core.result import Fit, Prediction, Reduction, Status
from ltc_causal.errors import InputError

if TYPE_CHECKING:  # for editors and type checkers; `_ON_FIRST_USE` says the same to Python
    from ltc_causal.causal.effects import total_effect
    from ltc_causal.causal.graph import causal_graph
    from ltc_causal.causal.predict import predict
    from ltc_causal.core.calibration import Calibration
    from ltc_causal.core.diagnosis import Diagnosis
    from ltc_causal.experiments.calibration import calibrate
    from ltc_causal.group.model_selection import compare
    from ltc_causal.inference.fit import fit
    from ltc_causal.inference.laplace import VariationalLaplace
    from ltc_causal.io.archive import load, save
    from ltc_causal.io.spm.first_level import read_spm_inputs, read_voi
    from ltc_causal.io.spm.read import read_spm
    from ltc_causal.io.spm.write import write_spm
    from ltc_causal.models.dcm import DCM
    from ltc_causal.models.simulate import simulate
    from ltc_causal.reduction.linearise import Taylor, reduce_to_dcm

_ON_FIRST_USE = {
    "DCM": "ltc_causal.models.dcm",
    "fit": "ltc_causal.inference.fit",
    "VariationalLaplace": "ltc_causal.inference.laplace",
    "simulate": "ltc_causal.models.simulate",
    "reduce_to_dcm": "ltc_causal.reduction.linearise",
    "Taylor": "ltc_causal.reduction.linearise",
    "causal_graph": "ltc_causal.causal.graph",
    "predict": "ltc_causal.causal.predict",
    "calibrate": "ltc_causal.experiments.calibration",
    "Calibration": "ltc_causal.core.calibration",
    "Diagnosis": "ltc_causal.core.diagnosis",
    "total_effect": "ltc_causal.causal.effects",
    "compare": "ltc_causal.group.model_selection",
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
    "Clamp",
    "Coupling",
    "Cut",
    "Diagnosis",
    "Fit",
    "Gaussian",
    "InputError",
    "Inputs",
    "NoisePrior",
    "Prediction",
    "Recording",
    "Reduction",
    "SetInput",
    "Status",
    "Taylor",
    "TimeSeries",
    "VariationalLaplace",
    "calibrate",
    "causal_graph",
    "compare",
    "datasets",
    "fit",
    "load",
    "predict",
    "read_spm",
    "read_spm_inputs",
    "read_voi",
    "reduce_to_dcm",
    "save",
    "simulate",
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
