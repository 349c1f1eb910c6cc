"""From a study's settings to the objects that they describe: recording, models, method.

Lives here: that translation. Does not live here: what is done with the objects (`study`), what the settings may say (`config`).
"""

from ltc_causal import datasets
from ltc_causal.core.data import Recording
from ltc_causal.core.model import NoisePrior
from ltc_causal.errors import known_name
from ltc_causal.experiments.config import Config, Structure
from ltc_causal.experiments.group_config import GroupConfig
from ltc_causal.inference.laplace import VariationalLaplace
from ltc_causal.io.recording import read_recording
from ltc_causal.models.dcm import DCM
from ltc_causal.models.priors import NOISE


def read_data(config: Config) -> Recording:
    """The study's recording, with the regions that its models are about."""
    if config.data.file is not None:
        recording = read_recording(config.data.file)
    else:
        recording = {"attention": datasets.attention}[str(config.data.dataset)]()
    return checked(recording, config.structure)


def checked(recording: Recording, structure: Structure) -> Recording:
    """A recording with the regions that the models are about; raises `InputError` if it lacks a region or an input."""
    for name in structure.inputs:
        known_name("input", name, recording.inputs.names, "the recording (structure.inputs)")
    for name in structure.regions:
        known_name("region", name, recording.regions, "the recording (structure.regions)")
    return recording.select(structure.regions)


def build_model(config: Config | GroupConfig, name: str) -> DCM:
    """One of the study's models; raises `InputError` if the study has no such model."""
    structure, model = config.structure, list(config.models.values())[known_name("model", name, list(config.models), "the study")]
    return DCM(
        **structure.model_dump(),
        neuronal=model.neuronal,
        flow=model.flow,
        gating=model.gating,
        per_edge=model.per_edge,
        prior=model.prior,
        noise=NOISE if model.noise is None else NoisePrior(**model.noise.model_dump()),
        signal_range=model.signal_range or None,
    )


def method(config: Config | GroupConfig) -> VariationalLaplace:
    """How the study's models are fitted."""
    return VariationalLaplace(**config.fit.model_dump(), seed=config.seed)
