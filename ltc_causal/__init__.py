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
from ltc_causal.core.intervention import Clamp, Cut, Drive, Lesion, Pulse, Scale, SetInput, SetParameter
from ltc_causal.core.model import NoisePrior
from ltc_causal.core.prediction import Prediction
from ltc_causal.core.reduction import Certificate, Reduction
from ltc_causal.core.result import Fit, Status
from ltc_causal.errors import InputError

if TYPE_CHECKING:  # for editors and type checkers; `_ON_FIRST_USE` says the same to Python
    from ltc_causal.causal.adjustment import Adjustment, adjustment_sets
    from ltc_causal.causal.baselines import baseline_scores, baseline_table
    from ltc_causal.causal.control import average_controllability, controllability_table, minimal_energy, response_energy, transfer_function
    from ltc_causal.causal.counterfactual import counterfactual
    from ltc_causal.causal.curves import effect_curve
    from ltc_causal.causal.design import rank_by_information, rank_by_separation
    from ltc_causal.causal.difference import differences
    from ltc_causal.causal.effects import connection_contribution, direct_effect, mediated_effect, sensitivity, total_effect
    from ltc_causal.causal.graph import causal_graph, edge_frame
    from ltc_causal.causal.graph_difference import GraphDifference, area_under_curve, average_precision
    from ltc_causal.causal.group_graph import group_graph
    from ltc_causal.causal.independence import Independence, check_independences, implied_independences
    from ltc_causal.causal.paths import PathEffects, feedback_loops, path_effects
    from ltc_causal.causal.predict import predict
    from ltc_causal.causal.query import ancestors, children, descendants, input_targets, mediators, parents, strongly_connected_parts
    from ltc_causal.causal.score import Score, score, score_table
    from ltc_causal.causal.separation import acyclified, separated
    from ltc_causal.causal.state_space import continuous_coupling
    from ltc_causal.causal.unrolled import summary_graph, unrolled_graph
    from ltc_causal.core.calibration import Calibration
    from ltc_causal.core.diagnosis import Diagnosis
    from ltc_causal.core.effect import Effect, EffectCurve, EffectStatus
    from ltc_causal.core.prediction import Difference
    from ltc_causal.core.spectra import CrossSpectra
    from ltc_causal.experiments.calibration import calibrate
    from ltc_causal.experiments.doctor import doctor
    from ltc_causal.experiments.fit_many import Fits, fit_many
    from ltc_causal.group.averaging import average_models, average_parameters
    from ltc_causal.group.comparison import compare_subjects
    from ltc_causal.group.connection_probability import connection_probabilities
    from ltc_causal.group.model_reduction import reduce_model
    from ltc_causal.group.model_selection import compare
    from ltc_causal.group.peb import EmpiricalBayes, GroupFit, peb
    from ltc_causal.group.prediction import leave_one_out
    from ltc_causal.group.pruning import prune
    from ltc_causal.group.search import search_effects
    from ltc_causal.group.structure import drop_connections
    from ltc_causal.inference.fit import fit
    from ltc_causal.inference.gradient import GradientTraining
    from ltc_causal.inference.laplace import VariationalLaplace
    from ltc_causal.inference.regression import Regression
    from ltc_causal.io.archive import load, save
    from ltc_causal.io.bids import read_bids
    from ltc_causal.io.datatree import to_arviz, to_datatree, write_netcdf
    from ltc_causal.io.derivatives import write_derivatives
    from ltc_causal.io.events import read_events
    from ltc_causal.io.graphs import read_graph, write_graph
    from ltc_causal.io.nifti import from_nifti
    from ltc_causal.io.recording import read_recording
    from ltc_causal.io.sensors import from_mne
    from ltc_causal.io.spm.first_level import read_spm_inputs, read_voi
    from ltc_causal.io.spm.read import read_spm
    from ltc_causal.io.spm.write import write_spm
    from ltc_causal.io.tables import write_table
    from ltc_causal.models.dcm import DCM
    from ltc_causal.models.liquid import LiquidNetwork
    from ltc_causal.models.regression_dcm import RegressionDCM
    from ltc_causal.models.simulate import simulate
    from ltc_causal.models.source_network import SourceNetwork
    from ltc_causal.models.spectral_dcm import SpectralDCM
    from ltc_causal.models.synaptic import SynapticNetwork
    from ltc_causal.reduction.autodiff import coupling_of
    from ltc_causal.reduction.certificate import certify
    from ltc_causal.reduction.linearise import Taylor
    from ltc_causal.reduction.project import Projection
    from ltc_causal.reduction.reduce import reduce_to_dcm
    from ltc_causal.reduction.refit import Refit
    from ltc_causal.reduction.subsystem import Subsystem, subsystem
    from ltc_causal.reduction.symbolic import symbolic_coupling, symbolic_flow
    from ltc_causal.reduction.to_liquid import from_synaptic, to_liquid, to_synaptic

_ON_FIRST_USE = {
    "Adjustment": "ltc_causal.causal.adjustment",
    "adjustment_sets": "ltc_causal.causal.adjustment",
    "baseline_scores": "ltc_causal.causal.baselines",
    "baseline_table": "ltc_causal.causal.baselines",
    "average_controllability": "ltc_causal.causal.control",
    "controllability_table": "ltc_causal.causal.control",
    "minimal_energy": "ltc_causal.causal.control",
    "response_energy": "ltc_causal.causal.control",
    "transfer_function": "ltc_causal.causal.control",
    "counterfactual": "ltc_causal.causal.counterfactual",
    "effect_curve": "ltc_causal.causal.curves",
    "rank_by_information": "ltc_causal.causal.design",
    "rank_by_separation": "ltc_causal.causal.design",
    "differences": "ltc_causal.causal.difference",
    "connection_contribution": "ltc_causal.causal.effects",
    "direct_effect": "ltc_causal.causal.effects",
    "mediated_effect": "ltc_causal.causal.effects",
    "sensitivity": "ltc_causal.causal.effects",
    "total_effect": "ltc_causal.causal.effects",
    "causal_graph": "ltc_causal.causal.graph",
    "edge_frame": "ltc_causal.causal.graph",
    "GraphDifference": "ltc_causal.causal.graph_difference",
    "area_under_curve": "ltc_causal.causal.graph_difference",
    "average_precision": "ltc_causal.causal.graph_difference",
    "group_graph": "ltc_causal.causal.group_graph",
    "Independence": "ltc_causal.causal.independence",
    "check_independences": "ltc_causal.causal.independence",
    "implied_independences": "ltc_causal.causal.independence",
    "PathEffects": "ltc_causal.causal.paths",
    "feedback_loops": "ltc_causal.causal.paths",
    "path_effects": "ltc_causal.causal.paths",
    "predict": "ltc_causal.causal.predict",
    "ancestors": "ltc_causal.causal.query",
    "children": "ltc_causal.causal.query",
    "descendants": "ltc_causal.causal.query",
    "input_targets": "ltc_causal.causal.query",
    "mediators": "ltc_causal.causal.query",
    "parents": "ltc_causal.causal.query",
    "strongly_connected_parts": "ltc_causal.causal.query",
    "Score": "ltc_causal.causal.score",
    "score": "ltc_causal.causal.score",
    "score_table": "ltc_causal.causal.score",
    "acyclified": "ltc_causal.causal.separation",
    "separated": "ltc_causal.causal.separation",
    "continuous_coupling": "ltc_causal.causal.state_space",
    "summary_graph": "ltc_causal.causal.unrolled",
    "unrolled_graph": "ltc_causal.causal.unrolled",
    "Calibration": "ltc_causal.core.calibration",
    "Diagnosis": "ltc_causal.core.diagnosis",
    "Effect": "ltc_causal.core.effect",
    "EffectCurve": "ltc_causal.core.effect",
    "EffectStatus": "ltc_causal.core.effect",
    "Difference": "ltc_causal.core.prediction",
    "CrossSpectra": "ltc_causal.core.spectra",
    "calibrate": "ltc_causal.experiments.calibration",
    "doctor": "ltc_causal.experiments.doctor",
    "Fits": "ltc_causal.experiments.fit_many",
    "fit_many": "ltc_causal.experiments.fit_many",
    "average_models": "ltc_causal.group.averaging",
    "average_parameters": "ltc_causal.group.averaging",
    "compare_subjects": "ltc_causal.group.comparison",
    "connection_probabilities": "ltc_causal.group.connection_probability",
    "reduce_model": "ltc_causal.group.model_reduction",
    "compare": "ltc_causal.group.model_selection",
    "EmpiricalBayes": "ltc_causal.group.peb",
    "GroupFit": "ltc_causal.group.peb",
    "peb": "ltc_causal.group.peb",
    "leave_one_out": "ltc_causal.group.prediction",
    "prune": "ltc_causal.group.pruning",
    "search_effects": "ltc_causal.group.search",
    "drop_connections": "ltc_causal.group.structure",
    "fit": "ltc_causal.inference.fit",
    "GradientTraining": "ltc_causal.inference.gradient",
    "VariationalLaplace": "ltc_causal.inference.laplace",
    "Regression": "ltc_causal.inference.regression",
    "load": "ltc_causal.io.archive",
    "save": "ltc_causal.io.archive",
    "read_bids": "ltc_causal.io.bids",
    "to_arviz": "ltc_causal.io.datatree",
    "to_datatree": "ltc_causal.io.datatree",
    "write_netcdf": "ltc_causal.io.datatree",
    "write_derivatives": "ltc_causal.io.derivatives",
    "read_events": "ltc_causal.io.events",
    "read_graph": "ltc_causal.io.graphs",
    "write_graph": "ltc_causal.io.graphs",
    "from_nifti": "ltc_causal.io.nifti",
    "read_recording": "ltc_causal.io.recording",
    "from_mne": "ltc_causal.io.sensors",
    "read_spm_inputs": "ltc_causal.io.spm.first_level",
    "read_voi": "ltc_causal.io.spm.first_level",
    "read_spm": "ltc_causal.io.spm.read",
    "write_spm": "ltc_causal.io.spm.write",
    "write_table": "ltc_causal.io.tables",
    "DCM": "ltc_causal.models.dcm",
    "LiquidNetwork": "ltc_causal.models.liquid",
    "RegressionDCM": "ltc_causal.models.regression_dcm",
    "simulate": "ltc_causal.models.simulate",
    "SourceNetwork": "ltc_causal.models.source_network",
    "SpectralDCM": "ltc_causal.models.spectral_dcm",
    "SynapticNetwork": "ltc_causal.models.synaptic",
    "coupling_of": "ltc_causal.reduction.autodiff",
    "certify": "ltc_causal.reduction.certificate",
    "Taylor": "ltc_causal.reduction.linearise",
    "Projection": "ltc_causal.reduction.project",
    "reduce_to_dcm": "ltc_causal.reduction.reduce",
    "Refit": "ltc_causal.reduction.refit",
    "Subsystem": "ltc_causal.reduction.subsystem",
    "subsystem": "ltc_causal.reduction.subsystem",
    "symbolic_coupling": "ltc_causal.reduction.symbolic",
    "symbolic_flow": "ltc_causal.reduction.symbolic",
    "from_synaptic": "ltc_causal.reduction.to_liquid",
    "to_liquid": "ltc_causal.reduction.to_liquid",
    "to_synaptic": "ltc_causal.reduction.to_liquid",
}

__all__ = [
    "Adjustment",
    "Calibration",
    "Certificate",
    "Clamp",
    "Coupling",
    "CrossSpectra",
    "Cut",
    "DCM",
    "Diagnosis",
    "Difference",
    "Drive",
    "Effect",
    "EffectCurve",
    "EffectStatus",
    "EmpiricalBayes",
    "Fit",
    "Fits",
    "Gaussian",
    "GradientTraining",
    "GraphDifference",
    "GroupFit",
    "Independence",
    "InputError",
    "Inputs",
    "Lesion",
    "LiquidNetwork",
    "NoisePrior",
    "PathEffects",
    "Prediction",
    "Projection",
    "Pulse",
    "Recording",
    "Reduction",
    "Refit",
    "Regression",
    "RegressionDCM",
    "Scale",
    "Score",
    "SetInput",
    "SetParameter",
    "SourceNetwork",
    "SpectralDCM",
    "Status",
    "Subsystem",
    "SynapticNetwork",
    "Taylor",
    "TimeSeries",
    "VariationalLaplace",
    "acyclified",
    "adjustment_sets",
    "ancestors",
    "area_under_curve",
    "average_controllability",
    "average_models",
    "average_parameters",
    "average_precision",
    "baseline_scores",
    "baseline_table",
    "calibrate",
    "causal_graph",
    "certify",
    "check_independences",
    "children",
    "compare",
    "compare_subjects",
    "connection_contribution",
    "connection_probabilities",
    "continuous_coupling",
    "controllability_table",
    "counterfactual",
    "coupling_of",
    "datasets",
    "descendants",
    "differences",
    "direct_effect",
    "doctor",
    "drop_connections",
    "edge_frame",
    "effect_curve",
    "feedback_loops",
    "fit",
    "fit_many",
    "from_mne",
    "from_nifti",
    "from_synaptic",
    "group_graph",
    "implied_independences",
    "input_targets",
    "leave_one_out",
    "load",
    "mediated_effect",
    "mediators",
    "minimal_energy",
    "parents",
    "path_effects",
    "peb",
    "predict",
    "prune",
    "rank_by_information",
    "rank_by_separation",
    "read_bids",
    "read_events",
    "read_graph",
    "read_recording",
    "read_spm",
    "read_spm_inputs",
    "read_voi",
    "reduce_model",
    "reduce_to_dcm",
    "response_energy",
    "save",
    "score",
    "score_table",
    "search_effects",
    "sensitivity",
    "separated",
    "simulate",
    "strongly_connected_parts",
    "subsystem",
    "summary_graph",
    "symbolic_coupling",
    "symbolic_flow",
    "to_arviz",
    "to_datatree",
    "to_liquid",
    "to_synaptic",
    "total_effect",
    "transfer_function",
    "unrolled_graph",
    "write_derivatives",
    "write_graph",
    "write_netcdf",
    "write_spm",
    "write_table",
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
