"""Small NIfTI images with known series in known voxels."""

import nibabel
import numpy as np

AFFINE = np.array([[-3.0, 0, 0, 30], [0, 3, 0, -30], [0, 0, 4, -20], [0, 0, 0, 1]])
SHAPE = (12, 13, 8)


def labels(regions=3):
    """A block of voxels for each label 1, 2, ..., with a hole, at 10 x their number."""
    values = np.zeros(SHAPE, dtype=np.int16)
    for number in range(regions):
        values[2 + 3 * number : 4 + 3 * number, 3:8, 2:6] = 10 * (number + 1)
    values[3, 4, 3] = 0
    return nibabel.Nifti1Image(values, AFFINE)


def bold(series, atlas, noise=1.0, level=500.0, dt=2.0, seed=0, dtype=np.float64):
    """An image whose voxels follow their region's column of `series` (time, region), mean removed, in percent of the region's level, plus noise.

    Each voxel has a level of its own, within about a tenth; their mean over a region is `level`.
    """
    rng = np.random.default_rng(seed)
    values = level * (1 + 0.1 * rng.standard_normal(SHAPE))[..., None] + noise * rng.standard_normal((*SHAPE, len(series)))
    where = np.asarray(atlas.dataobj)
    for column, value in enumerate(v for v in np.unique(where) if v):
        inside = where == value
        own = values[inside]
        values[inside] = own + level - own.mean() + level * (series[:, column] - series[:, column].mean()) / 100
    image = nibabel.Nifti1Image(values.astype(dtype), AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((3.0, 3.0, 4.0, dt))
    return image
