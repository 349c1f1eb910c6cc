"""One run of a BIDS data set, raw or preprocessed by fMRIPrep, as a recording.

The run's image, its events, its sidecars (which a data set inherits from folder to folder) and its confounds are found by the entities in their
names (Gorgolewski et al. 2016; Esteban et al. 2019 for fMRIPrep's derivatives).

Lives here: `read_bids`: which files a run has, and what is taken from each. Does not live here: reading an image (`nifti`), events (`events`) or
tables (`columns`); writing derivatives (`derivatives`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ltc_causal.core.data import Inputs, Recording
from ltc_causal.errors import InputError, known_name, positive
from ltc_causal.io import nifti
from ltc_causal.io.columns import numbers, read_columns
from ltc_causal.io.events import read_events
from ltc_causal.io.recording import BINS

Array = NDArray[np.float64]

MOVEMENT = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
USUAL_CONFOUNDS = (*MOVEMENT, "cosine*")
OF_DERIVATIVES = ("space", "res", "den", "desc", "cohort")  # entities that a raw file does not have
IMAGES = (".nii.gz", ".nii")
SAME_TIME = 0.01  # by what share sidecar and image header may differ


@dataclass(frozen=True)
class Name:
    """What a BIDS file's name says: entities such as {"sub": "01", "task": "rest"}, and the last word, such as bold."""

    entities: Mapping[str, str]
    suffix: str

    @classmethod
    def of(cls, path: Path) -> "Name":
        """Of a file, whatever its extension."""
        *pairs, suffix = path.name.partition(".")[0].split("_")
        return cls({key: value for key, _, value in (pair.partition("-") for pair in pairs)}, suffix)

    @property
    def raw(self) -> "Name":
        """The name of the raw file that a derivative comes from."""
        return Name({key: value for key, value in self.entities.items() if key not in OF_DERIVATIVES}, self.suffix)

    def applies_to(self, other: Mapping[str, str]) -> bool:
        """Whether everything that this name says holds for a file of the other entities (the principle of inheritance)."""
        return all(_same(other.get(key), value) for key, value in self.entities.items())


def read_bids(
    folder: str | Path,
    *,
    subject: str,
    task: str,
    session: str | None = None,
    run: int | str | None = None,
    space: str | None = None,
    entities: Mapping[str, str] | None = None,
    derivatives: str | Path | None = None,
    atlas: Any = None,
    spheres: Mapping[str, Sequence[float]] | None = None,
    labels: Any = None,
    radius: float = 8.0,
    summary: str = "mean",
    percent: bool = True,
    mask: Any = None,
    conditions: Sequence[str] | None = None,
    confounds: Sequence[str] | None = None,
    dt: float | None = None,
    echo_time: float | None = None,
    delays: ArrayLike | None = None,
    input_dt: float | None = None,
) -> Recording:
    """Read one run: regions from its image, inputs from its events, times from its sidecars, nuisance from its confounds.

    folder : of the data set
    subject, task, session, run, space : as in the files' names ("01" for sub-01); those that leave one image may stay away
    entities : others, such as {"acq": "fast", "echo": "2"}
    derivatives : folder of fMRIPrep's output; then its preprocessed image and its confounds are taken
    atlas, spheres, labels, radius, summary, percent, mask : which regions, and how each becomes one series, as of `from_nifti`. For
        eigenvariates the confounds are also taken out of the voxels, as SPM does
    conditions : of the events, those wanted, in this order; None for all. A run without events gives a recording at rest
    confounds : columns of fMRIPrep's table, also as patterns ("cosine*", "a_comp_cor_0[0-4]"); None for the six of movement and the cosines,
        () for none. A constant is put beside them, each is brought to mean 0 and sd 1, and values missing in the first rows, as of derivatives,
        take the first one known. No scan is left out: a censored one ("motion_outlier*") has a column of its own
    dt, echo_time, delays : what the sidecars say (RepetitionTime, EchoTime, SliceTiming), unless given
    input_dt : seconds a bin of the inputs' grid; a 16th of a scan unless given

    A region's delay is the mean time of its voxels' slices; where slices were brought to one time (SliceTimingCorrected), that is the delay
    (StartTime); else, on another grid than the scanner's, half a scan.

    Raises `InputError` where no image or more than one answers to the names, for a sidecar that lacks what is needed or contradicts the image,
    for confounds that are not there, and for everything that `from_nifti`, `read_events` and `Recording` refuse.
    """
    root = _folder(folder, "data set")
    place = root if derivatives is None else _folder(derivatives, "derivatives")
    wanted = {"sub": subject, "task": task, "ses": session, "run": run, "space": space, **(entities or {})}
    wanted = {key: str(value).removeprefix(f"{key}-") for key, value in wanted.items() if value is not None}
    path = _image(place, wanted if derivatives is None else wanted | {"desc": "preproc"})
    sidecar = _sidecar(root, path, Name.of(path).raw) | (_sidecar(place, path, Name.of(path)) if place != root else {})
    img = nifti.read_image(path, 4, "image")
    scan = _scan_time(img, sidecar, dt, path)
    columns = _confounds(place, path, confounds, derivatives is not None, img.shape[3])
    places = nifti.region_voxels(img, atlas=atlas, spheres=spheres, labels=labels, radius=radius, mask=mask)
    adjusted = columns if summary == "eigenvariate" and columns.shape[1] else None
    series = nifti.series_of(img, places, summary, percent, adjusted, scan)
    grid = scan / BINS if input_dt is None else positive("read_bids input_dt", input_dt, "seconds")
    inputs = _inputs(root, place, path, conditions, series.duration, grid)
    with_constant = np.column_stack([np.ones(len(columns)), columns])
    when = _delays(img, places, sidecar, scan, path) if delays is None else delays
    return Recording(series, inputs, with_constant, _echo_time(sidecar, echo_time, path), when)


# --- finding files --------------------------------------------------------------------------------------------------------------------


def _folder(folder: str | Path, what: str) -> Path:
    path = Path(folder) if isinstance(folder, str | Path) else None
    if path is None or not path.is_dir():
        raise InputError(f"There is no folder of a {what} at {folder}: check the path.")
    return path


def _same(one: str | None, other: str) -> bool:
    """Whether two values of an entity are the same: run 1 is run 01."""
    return one is not None and (one == other or (one.isdigit() and other.isdigit() and int(one) == int(other)))


def _image(place: Path, wanted: Mapping[str, str]) -> Path:
    """The one image that answers to the entities."""
    subject = f"sub-{wanted['sub']}"
    if not (place / subject).is_dir():
        known = sorted(found.name.removeprefix("sub-") for found in place.glob("sub-*") if found.is_dir())
        known_name("subject", wanted["sub"], known, str(place))
    every = sorted(path for path in (place / subject).rglob("*_bold.nii*") if path.name.endswith(IMAGES))
    found = [path for path in every if all(_same(Name.of(path).entities.get(key), value) for key, value in wanted.items())]
    if len(found) == 1:
        return found[0]
    words = ", ".join(f"{key}-{value}" for key, value in wanted.items())
    if not found:
        raise InputError(f"No image of {place} answers to {words}: {_few(every, 'the subject has {}', 'the subject has none at all')}.")
    differing = sorted(
        {key for path in found for key, value in Name.of(path).entities.items() if value != Name.of(found[0]).entities.get(key)}
    )
    raise InputError(f"{len(found)} images of {place} answer to {words} ({_few(found, '{}', '')}): say which by {', '.join(differing)}.")


def _few(paths: Sequence[Path], several: str, none: str) -> str:
    names = ", ".join(path.name for path in paths[:6]) + (f" and {len(paths) - 6} more" if len(paths) > 6 else "")
    return several.format(names) if paths else none


def _beside(root: Path, path: Path, name: Name, suffix: str, extension: str) -> Iterator[Path]:
    """The files of that kind that hold for an image: from the data set's root to its own folder, in each the most special last."""
    own = path.parent.relative_to(path.parents[_depth(path)])  # which may lie in another data set than the root, or in one within it
    for folder in (root, *(root / Path(*own.parts[: depth + 1]) for depth in range(len(own.parts)))):
        found = [(Name.of(one), one) for one in sorted(folder.glob(f"*{suffix}{extension}")) if one.name.partition(".")[2] == extension[1:]]
        fitting = [(len(its.entities), one) for its, one in found if its.suffix == suffix and its.applies_to(name.entities)]
        yield from (one for _, one in sorted(fitting))


def _depth(path: Path) -> int:
    """How many folders above an image its data set begins: sub-01/func/ or sub-01/ses-1/func/."""
    return next((depth for depth, folder in enumerate(path.parents) if folder.name.startswith("sub-")), 0) + 1


def _sidecar(root: Path, path: Path, name: Name) -> dict[str, Any]:
    """All that the image's JSON files say, what is nearer to it overriding what is farther."""
    result: dict[str, Any] = {}
    for one in _beside(root, path, name, name.suffix, ".json"):
        try:
            said = json.loads(one.read_text(encoding="utf-8-sig"))
        except (ValueError, OSError) as error:
            raise InputError(f"The sidecar {one} cannot be read as JSON ({str(error).partition(chr(10))[0]}): correct it.") from None
        if not isinstance(said, dict):
            raise InputError(f"The sidecar {one} must hold one JSON object, got a {type(said).__name__}: correct it.")
        result |= said
    return result


# --- what is taken from them ----------------------------------------------------------------------------------------------------------


def _number(sidecar: Mapping[str, Any], field: str, path: Path) -> float:
    value = sidecar[field]
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value) or value < 0:
        raise InputError(f"The sidecar of {path.name} says {field} {value!r}: it must be a number of seconds; correct it.")
    return float(value)


def _scan_time(img: Any, sidecar: Mapping[str, Any], dt: float | None, path: Path) -> float:
    if dt is not None:
        return positive("read_bids dt", dt, "seconds")
    if "RepetitionTime" not in sidecar:
        return nifti.scan_time(img)
    said = positive(f"RepetitionTime of {path.name}", _number(sidecar, "RepetitionTime", path), "seconds")
    found = nifti.header_time(img)
    if found is not None and abs(found - said) > SAME_TIME * said:
        raise InputError(
            f"The sidecar of {path.name} says a scan takes {said:g} s (RepetitionTime), the image's header {found:g} s: say which by dt=."
        )
    return said


def _echo_time(sidecar: Mapping[str, Any], echo_time: float | None, path: Path) -> float:
    if echo_time is not None:
        return echo_time
    if "EchoTime" not in sidecar:
        raise InputError(f"No sidecar of {path.name} gives its EchoTime, which the signal depends on: give echo_time= in seconds.")
    return _number(sidecar, "EchoTime", path)


def _delays(img: Any, places: Mapping[str, NDArray], sidecar: Mapping[str, Any], scan: float, path: Path) -> Array | None:
    """Of each region; None, which stands for half a scan, where nothing is known."""
    if sidecar.get("SliceTimingCorrected") is True:
        return np.full(len(places), _number(sidecar, "StartTime", path)) if "StartTime" in sidecar else None
    if "SliceTiming" not in sidecar or "space" in Name.of(path).entities:
        return None
    delays = nifti.slice_delays(img, places, sidecar["SliceTiming"], sidecar.get("SliceEncodingDirection", "k"))
    if not (delays.min() >= 0 and delays.max() <= scan):
        raise InputError(
            f"SliceTiming of {path.name} goes to {delays.max():g} s, but a scan takes {scan:g} s: times are in seconds from its onset; give delays= instead."
        )
    return delays


def _confounds(place: Path, path: Path, wanted: Sequence[str] | None, derived: bool, n_scan: int) -> Array:
    """The columns wanted, shape (time, confound), each of mean 0 and sd 1; columns that never change are left to the constant."""
    if isinstance(wanted, str):
        wanted = [wanted]
    if not derived:
        if wanted:
            raise InputError("Confounds are in fMRIPrep's output: give its folder by derivatives=, or leave confounds out.")
        return np.zeros((n_scan, 0))
    if wanted is not None and not len(wanted):
        return np.zeros((n_scan, 0))
    name = Name({**Name.of(path).raw.entities, "desc": "confounds"}, "timeseries")
    tables = [one for one in _beside(place, path, name, "timeseries", ".tsv") if Name.of(one).entities.get("desc") == "confounds"]
    if not tables:
        raise InputError(f"There is no table of confounds (desc-confounds_timeseries.tsv) beside {path}: give confounds=() for none.")
    frame = read_columns(tables[-1])
    if len(frame) != n_scan:
        raise InputError(
            f"{tables[-1]} has {len(frame)} rows, but {path.name} has {n_scan} scans: take both from the same run of fMRIPrep."
        )
    names = _matching(list(frame.columns), wanted, tables[-1])
    values = [_without_gap(numbers(frame, one, tables[-1], missing=True), one, tables[-1]) for one in names]
    changing = [one for one in values if np.ptp(one) > 0]
    return np.column_stack([(one - one.mean()) / one.std() for one in changing]) if changing else np.zeros((n_scan, 0))


def _matching(known: Sequence[str], wanted: Sequence[str] | None, table: Path) -> list[str]:
    """The columns that the names and patterns stand for, once each; of the usual patterns, one may stand for none."""
    names: dict[str, None] = {}
    for pattern in USUAL_CONFOUNDS if wanted is None else wanted:
        found = [name for name in known if fnmatchcase(name, pattern)]
        if not found and (wanted is not None or "*" not in pattern):
            known_name("confound", pattern, known, str(table))
        names |= dict.fromkeys(found)
    return list(names)


def _without_gap(values: Array, name: str, table: Path) -> Array:
    """Missing values of the first rows replaced by the first one known."""
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        raise InputError(f"Confound {name!r} of {table} has no value at all: leave it out.")
    values = np.where(np.arange(len(values)) < known[0], values[known[0]], values)
    if np.isnan(values).any():
        row = int(np.argmax(np.isnan(values))) + 1
        raise InputError(f"Confound {name!r} of {table} is missing in row {row}, after others that are there: leave it out, or correct it.")
    return values


def _inputs(root: Path, place: Path, path: Path, conditions: Sequence[str] | None, duration: float, dt: float) -> Inputs:
    """From the events nearest to the image, among the raw data or beside the derivative."""
    name = Name.of(path).raw
    tables = [*_beside(root, path, name, "events", ".tsv"), *(_beside(place, path, name, "events", ".tsv") if place != root else ())]
    if tables:
        return read_events(tables[-1], duration, dt, conditions)
    if conditions:
        raise InputError(f"There is no table of events for {path.name}, so there are no conditions {list(conditions)}: check the data set.")
    return Inputs(np.zeros((int(round(duration / dt)), 0)), dt, ())
