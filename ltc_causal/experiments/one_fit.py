"""One model fitted to one recording, from a study's config file or from an SPM file.

Lives here: what `ltc-causal fit` does. Does not live here: a whole study (`runner`).
"""

from pathlib import Path

from ltc_causal.core.data import Recording
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError
from ltc_causal.inference.fit import fit
from ltc_causal.inference.laplace import VariationalLaplace
from ltc_causal.models.dcm import DCM


def fit_one(source: str | Path, name: str | None = None) -> Fit:
    """Fit the model that a file specifies to the recording that it names or holds.

    source : a study's config.toml, or a DCM file of SPM (.mat), estimated or not
    name : which of the study's models; the one that its questions go to unless given

    Raises `InputError` for a file that cannot be used, an unknown model, or an SPM file without data.
    """
    model, recording, method = _from_spm(Path(source), name) if Path(source).suffix == ".mat" else _from_study(Path(source), name)
    return fit(model, recording, method)


def _from_study(path: Path, name: str | None) -> tuple[DCM, Recording, VariationalLaplace]:
    # Imported here, as below: each of the two readers brings libraries that the other can do without.
    from ltc_causal.experiments import settings
    from ltc_causal.experiments.config import read_config

    config = read_config(path)
    return settings.build_model(config, name or config.causal.model), settings.read_data(config), settings.method(config)


def _from_spm(path: Path, name: str | None) -> tuple[DCM, Recording, VariationalLaplace]:
    from ltc_causal.io.spm.read import read_spm

    dcm = read_spm(path)
    if isinstance(dcm, list):
        raise InputError(f"{path} is a GCM file of several models: give a file of one DCM.")
    if name is not None:
        raise InputError(f"{path} holds one model, so there is none to choose: leave --model out.")
    if dcm.recording is None:
        raise InputError(f"{path} holds no data (DCM.Y, DCM.U), so there is nothing to fit: give a DCM with its time series.")
    return dcm.model, dcm.recording, VariationalLaplace(differences="spm" if dcm.model.flow == "spm" else "exact")
