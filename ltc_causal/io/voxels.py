"""One series from the many voxels of a region: their mean, or SPM's first eigenvariate.

Lives here: arrays in, arrays out. Does not live here: images and which voxels a region has (`nifti`).
"""

import numpy as np
from numpy.typing import NDArray

from ltc_causal.errors import InputError, one_of
from ltc_causal.numerics.least_squares import fitted

Array = NDArray[np.float64]

SUMMARIES = ("mean", "eigenvariate")


def first_eigenvariate(y: Array) -> Array:
    """The first principal component of voxel series of shape (time, voxel), with SPM's sign and scale, shape (time,).

    With y = U S V', it is u s / sqrt(voxels) of the first component, with the sign in which the voxels' weights v add up to more than zero
    (SPM's spm_regions; Friston et al. 2006 for its use). Of identical voxels it is their series. The voxels' means are not removed here.
    """
    U, s, Vt = np.linalg.svd(y, full_matrices=False)
    sign = 1.0 if Vt[0].sum() >= 0 else -1.0
    return sign * U[:, 0] * s[0] / np.sqrt(y.shape[1])


def summarised(y: Array, summary: str, percent: bool, confounds: Array | None, region: str) -> Array:
    """One series of a region's voxels (time, voxel), shape (time,).

    summary : "mean", or "eigenvariate" of the voxels without their means
    percent : as change in percent of the mean over time and voxels; otherwise in the voxels' own unit (a mean then keeps its level)
    confounds : shape (time, confound), taken out of every voxel with a constant; None for none

    Raises `InputError` for a region whose mean is not above zero where percent is asked for.
    """
    level = float(y.mean())
    if percent and not level > 0:
        raise InputError(
            f"The voxels of region {region!r} have the mean {level:.3g}, so there is no change in percent of it: give an image that keeps its mean, "
            "or percent=False."
        )
    if confounds is not None:
        y = y - fitted(np.column_stack([np.ones(len(y)), confounds]), y)
    elif percent or summary == "eigenvariate":
        y = y - y.mean(axis=0)
    series = y.mean(axis=1) if one_of("summary", summary, SUMMARIES) == "mean" else first_eigenvariate(y)
    return 100 * series / level if percent else series
