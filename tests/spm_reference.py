"""The reference cases of SPM as recordings and models."""

from pathlib import Path
from typing import Any

import numpy as np

import ltc_causal as lc
from ltc_causal.models.spectral_dcm import SpectralDCM

FOLDER = Path(__file__).parent / "reference" / "spm"
BILINEAR = ["bilinear3_1", "bilinear3_2", "attention_forward", "uncentred4_selfmod_1", "bilinear5_full_1"]
NONLINEAR = ["nonlinear3_1", "attention_nonlinear"]
TWO_STATE = ["twostate3_1"]


def arrays(name: str) -> dict[str, Any]:
    """Everything that is stored of one case."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def case(name: str) -> tuple[lc.DCM, lc.Recording, dict[str, Any]]:
    """Model, recording and SPM's results of one case."""
    d = arrays(name)
    regions = [f"R{i}" for i in range(d["y"].shape[1])]
    inputs = [f"u{k}" for k in range(d["u"].shape[1])]
    recording = lc.Recording(
        lc.TimeSeries(d["y"], float(d["dt"]), regions), lc.Inputs(d["u"], float(d["udt"]), inputs), d["X0"], delays=d["delays"]
    )
    kind: dict[str, Any] = {}
    if name in NONLINEAR:
        kind = dict(gating=d["d"], neuronal="nonlinear", flow="spm")
    elif name in TWO_STATE:
        kind = dict(neuronal="two_state")
    model = lc.DCM(regions, inputs, d["a"], d["b"], d["c"], centre_inputs=bool(d["centre"]), **kind)
    return model, recording, d


def spectral_case() -> tuple[SpectralDCM, lc.Recording, dict[str, Any]]:
    """Model, recording and SPM's results of the case at rest."""
    d = arrays("spectral4_1")
    regions = [f"R{i}" for i in range(d["y"].shape[1])]
    recording = lc.Recording(lc.TimeSeries(d["y"], float(d["dt"]), regions), lc.Inputs(np.zeros((len(d["y"]), 0)), float(d["dt"]), ()))
    return SpectralDCM(regions, variant="spm"), recording, d
