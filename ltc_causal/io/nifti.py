"""Region time series from a four-dimensional NIfTI image, with an atlas of labels or spheres.

Images are read with nibabel and brought onto the recording's grid with nilearn, both of the extra `neuro`.

Lives here: `from_nifti`; which voxels a region has, and when they were sampled. Does not live here: one series from many voxels (`voxels`),
the files of a data set (`bids`).
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ltc_causal.core.data import TimeSeries
from ltc_causal.errors import InputError, finite_array, known_name, one_of, positive, unique_names
from ltc_causal.io.columns import columns, read_columns
from ltc_causal.io.voxels import SUMMARIES, summarised
from ltc_causal.io.writing import file_path, optional

Array = NDArray[np.float64]
Places = NDArray[np.int64]  # of voxels in the flattened grid, in C order

TIME_UNITS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
BACKGROUND = ("background", "0")
DEFLATED = 1032  # by what a gzip file can grow, at most
SAME_GRID = 1e-4  # mm by which two grids may differ and still be one


def from_nifti(
    image: Any,
    *,
    atlas: Any = None,
    spheres: Mapping[str, Sequence[float]] | None = None,
    labels: Any = None,
    radius: float = 8.0,
    summary: str = "mean",
    percent: bool = True,
    mask: Any = None,
    confounds: ArrayLike | None = None,
    dt: float | None = None,
) -> TimeSeries:
    """The series of the regions of an atlas, or of spheres, one column a region.

    image : path of a four-dimensional NIfTI file, or a nibabel image
    atlas : path or image of whole-number labels, 0 being no region; or what nilearn's `fetch_atlas_...` gives. Brought onto the image's grid
        by nearest neighbour where it is on another
    spheres : {region: (x, y, z)}, centres in mm of the image's space; a voxel belongs to a sphere if its centre does
    labels : names of the atlas's regions: {name: value} for those wanted, a list in the order of the values, or a table with columns index and
        name (BIDS's `dseg.tsv`); "region<value>" unless given
    radius : of the spheres, mm
    summary : "mean", or "eigenvariate", the first principal component with SPM's sign and scale (`voxels.first_eigenvariate`)
    percent : as change in percent of the region's mean, the unit that a DCM of BOLD is made for; False keeps the image's unit, as SPM does
    mask : path or image, not zero where voxels may be used
    confounds : shape (time, confound), taken out of the voxels before they are summarised, with a constant, as SPM adjusts a region; a DCM can
        also take them as `Recording.confounds`
    dt : seconds between scans; None for what the image's header says

    Voxels that never change or are not finite are left out.

    Raises `InputError` for what is no such image, for a region without voxels, for unknown names, and where the header gives no scan time.
    """
    img = read_image(image, 4, "image")
    places = region_voxels(img, atlas=atlas, spheres=spheres, labels=labels, radius=radius, mask=mask)
    return series_of(img, places, summary, percent, confounds, dt)


def series_of(
    img: Any, places: Mapping[str, Places], summary: str = "mean", percent: bool = True, confounds: Any = None, dt: float | None = None
) -> TimeSeries:
    """The series of regions whose voxels are known; arguments as of `from_nifti`."""
    one_of("summary", summary, SUMMARIES)
    voxels = _values(img).reshape(-1, img.shape[3])
    if confounds is not None:
        confounds = finite_array("from_nifti confounds", confounds, 2, "(time, confound)")
        if len(confounds) != img.shape[3]:
            raise InputError(f"from_nifti confounds must have one row a scan ({img.shape[3]}), got {len(confounds)}.")
    values = []
    for region, where in places.items():
        y = voxels[where].T.astype(float)
        y = y[:, np.isfinite(y).all(axis=0)]
        y = y[:, np.ptp(y, axis=0) > 0]
        if not y.shape[1]:
            raise InputError(f"No voxel of region {region!r} holds a signal that changes: check that it lies within the image.")
        values.append(summarised(y, summary, percent, confounds, region))
    return TimeSeries(np.column_stack(values), scan_time(img, dt), tuple(places), "% signal change" if percent else "a.u.")


def scan_time(img: Any, dt: float | None = None) -> float:
    """Seconds between scans: what is given, or else what the header says."""
    if dt is not None:
        return positive("from_nifti dt", dt, "seconds")
    found = header_time(img)
    if found is None:
        raise InputError(f"The header of {_name(img)} gives no scan time with a unit: give dt= in seconds.")
    return found


def header_time(img: Any) -> float | None:
    """Seconds between scans as the header says it, to the six digits of its precision; None where it says nothing of use."""
    try:
        unit, step = img.header.get_xyzt_units()[1], float(img.header.get_zooms()[3])
    except (KeyError, IndexError, AttributeError):  # a unit that is none, or another format
        return None
    return float(f"{step * TIME_UNITS[unit]:.6g}") if unit in TIME_UNITS and 0 < step < np.inf else None


def region_voxels(
    img: Any,
    *,
    atlas: Any = None,
    spheres: Mapping[str, Sequence[float]] | None = None,
    labels: Any = None,
    radius: float = 8.0,
    mask: Any = None,
) -> dict[str, Places]:
    """Which voxels of the image's grid each region has; arguments as of `from_nifti`."""
    if (atlas is None) == (spheres is None):
        raise InputError("Regions come from an atlas or from spheres: give atlas= or spheres=, one of the two.")
    inside = np.ones(int(np.prod(img.shape[:3])), dtype=bool) if mask is None else _on_grid(mask, img, "mask").ravel() != 0
    if spheres is not None:
        places = _in_spheres(img, spheres, positive("from_nifti radius", radius, "mm"))
    else:
        places = _in_atlas(img, atlas, labels)
    places = {region: where[inside[where]] for region, where in places.items()}
    for region, where in places.items():
        if not len(where):
            raise InputError(
                f"Region {region!r} has no voxel in {_name(img)}: check that atlas or coordinates are in its space, or take a larger radius."
            )
    return places


def _in_spheres(img: Any, spheres: Mapping[str, Sequence[float]], radius: float) -> dict[str, Places]:
    grid = np.indices(img.shape[:3]).reshape(3, -1)
    positions = img.affine[:3, :3] @ grid + img.affine[:3, 3:]
    places = {}
    for region in unique_names("from_nifti spheres", spheres):
        centre = finite_array(f"The centre of sphere {region!r}", spheres[region], 1, "(x, y, z) in mm")
        if len(centre) != 3:
            raise InputError(f"The centre of sphere {region!r} must be (x, y, z) in mm, got {len(centre)} numbers.")
        distance = np.linalg.norm(positions - centre[:, None], axis=0)
        places[region] = np.flatnonzero(distance <= radius)
    return places


def _in_atlas(img: Any, atlas: Any, labels: Any) -> dict[str, Places]:
    if labels is None:
        labels = getattr(atlas, "labels", None)  # of nilearn's own atlases, which hold both
    whole = read_image(getattr(atlas, "maps", atlas), 3, "atlas")
    own = _values(whole)
    if not np.array_equal(own, np.round(own)):
        raise InputError(f"The atlas {_name(whole)} must hold whole-number labels: give one of labels, not of probabilities.")
    wanted = _labelled(labels, [int(value) for value in np.unique(own) if value != 0])
    on_grid = _on_grid(whole, img, "atlas").ravel()
    return {region: np.flatnonzero(on_grid == value) for region, value in wanted.items()}


def _labelled(labels: Any, values: Sequence[int]) -> dict[str, int]:
    """{name: value} of the regions wanted, of an atlas of these values."""
    if labels is None:
        return {f"region{value}": value for value in values}
    if isinstance(labels, Mapping):
        wanted = {name: int(value) for name, value in labels.items()}
    elif isinstance(labels, str | Path):
        frame = read_columns(labels)
        known_name("column", "name", list(frame.columns), str(labels))
        numbers = columns(frame, ["index"], labels)[:, 0].astype(int)
        names = unique_names(f"The names in {labels}", frame["name"])
        wanted = {name: value for name, value in zip(names, numbers.tolist(), strict=True) if value != 0}
    else:
        names = [str(name) for name in labels if str(name).lower() not in BACKGROUND]
        if len(names) != len(values):
            raise InputError(
                f"The atlas has {len(values)} labels but {len(names)} names are given: give one a label, or {{name: value}} for those wanted."
            )
        wanted = dict(zip(unique_names("from_nifti labels", names), values, strict=True))
    for name, value in wanted.items():
        if value not in values:
            raise InputError(f"The atlas has no label {value} (of region {name!r}): its labels are {_some(values)}.")
    return wanted


def _some(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:10])) + (f" ... {values[-1]}" if len(values) > 10 else "")


def _on_grid(image: Any, img: Any, what: str) -> NDArray:
    """A three-dimensional image's values on the grid of the first, by nearest neighbour."""
    whole = read_image(image, 3, what)
    if whole.shape == img.shape[:3] and np.abs(whole.affine - img.affine).max() < SAME_GRID:
        return _values(whole)
    nilearn_image = optional("nilearn.image", "neuro", f"Bringing the {what} onto the image's grid")
    nibabel = optional("nibabel", "neuro", "Reading NIfTI images")
    values = _values(whole)
    # Labels as 32-bit whole numbers: nilearn refuses 64 bits, and floats could be blended.
    source = nibabel.Nifti1Image(values.astype(np.int32), whole.affine)
    target = nibabel.Nifti1Image(np.zeros(img.shape[:3], dtype=np.int8), img.affine)
    try:
        found = nilearn_image.resample_to_img(source, target, interpolation="nearest", force_resample=True, copy_header=True)
    except (ValueError, ArithmeticError, MemoryError, np.linalg.LinAlgError):  # above all where the two have no place in common
        raise InputError(f"The {what} has no place in common with {_name(img)}: bring both into one space.") from None
    return np.asanyarray(found.dataobj)


def read_image(image: Any, ndim: int, what: str) -> Any:
    """An image of so many dimensions, from a path or as it is, its values not yet read; a last axis of length 1 more is dropped."""
    if isinstance(image, str | Path):
        nibabel = optional("nibabel", "neuro", "Reading NIfTI images")
        if not file_path(image).is_file():
            raise InputError(f"There is no {what} at {image}: check the path.")
        try:
            found = nibabel.load(image)
        except Exception as error:  # nibabel has many kinds of its own
            raise _unreadable(image, type(error).__name__) from None
        if not _is_plausible(found, Path(image)):
            raise _unreadable(image, "its header does not fit its content")
        image = found
    if not (hasattr(image, "dataobj") and hasattr(image, "affine")):
        raise InputError(f"The {what} must be a path or a nibabel image, got {type(image).__name__}.")
    if len(image.shape) == ndim + 1 and image.shape[-1] == 1:
        image = image.slicer[..., 0]
    if len(image.shape) != ndim:
        raise InputError(f"The {what} {_name(image)} must have {ndim} dimensions, got shape {tuple(image.shape)}.")
    return image


def _is_plausible(image: Any, path: Path) -> bool:
    """Whether a file can hold as many values as its header says, before memory is asked for, and they have a place in space."""
    largest = path.stat().st_size * (DEFLATED if path.suffix == ".gz" else 1)
    size = math.prod(image.shape) * image.get_data_dtype().itemsize
    return 0 < size <= largest and min(image.shape) > 0 and bool(np.isfinite(image.affine).all()) and np.linalg.det(image.affine) != 0


def _values(image: Any) -> NDArray:
    """All of an image's values; a file that is cut short has a whole header, and shows it only here."""
    try:
        return np.asanyarray(image.dataobj)
    except Exception as error:  # as above
        raise _unreadable(_name(image), type(error).__name__) from None


def _unreadable(path: Any, why: str) -> InputError:
    return InputError(f"{path} cannot be read as a NIfTI image ({why}): check that it is one and whole.")


def _name(image: Any) -> str:
    return str(getattr(image, "get_filename", lambda: None)() or "the image")


def slice_delays(img: Any, places: Mapping[str, Places], timing: ArrayLike, direction: str = "k") -> Array:
    """When each region is sampled, seconds after a scan's onset: the mean over its voxels of their slices' times, shape (region,).

    timing : of each slice, seconds; direction : the axis of the slices, i, j or k; with a minus ("k-") the times are in reverse (BIDS)
    """
    axis = "ijk".index(one_of("SliceEncodingDirection", direction, ("i", "j", "k", "i-", "j-", "k-"))[0])
    times = finite_array("SliceTiming", timing, 1, "(slice,)")
    if len(times) != img.shape[axis]:
        raise InputError(f"SliceTiming gives {len(times)} times, but {_name(img)} has {img.shape[axis]} slices: give delays= instead.")
    times = times[::-1] if direction.endswith("-") else times
    return np.array([times[np.unravel_index(where, img.shape[:3])[axis]].mean() for where in places.values()])
