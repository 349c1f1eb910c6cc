"""A small BIDS data set on disk: images whose regions follow a simulated DCM, events, sidecars, and fMRIPrep's output beside them."""

import json

import made
import nibabel
import nifti_images
import numpy as np
import pandas as pd

N_SCAN, TR, TE = 120, 2.0, 0.03
LABELS = {"V1": 10, "V5": 20}
TIMING = [0.0, 1.0, 0.25, 1.25, 0.5, 1.5, 0.75, 1.75]  # seconds, interleaved, of the 8 slices


def onsets(course, dt):
    """(onset, duration) of the stretches where a course is 1."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], course, [0]])))
    return [(dt * first, dt * (last - first)) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def events():
    """Those that `made.inputs` stands for."""
    its = made.inputs(N_SCAN)
    rows = [(onset, length, name) for name in its.names for onset, length in onsets(its.column(name), its.dt)]
    return pd.DataFrame(sorted(rows), columns=["onset", "duration", "trial_type"])


def write_json(path, **content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_tsv(path, frame):
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, sep="\t", index=False, na_rep="n/a")


def image(path, seed=0, dtype=np.float32, noise=0.0):
    """A run of the simulated DCM as an image; gives the signal that is in it."""
    series = made.simulated(seed, N_SCAN).series.values
    atlas = nifti_images.labels(2)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nifti_images.bold(series, atlas, noise=noise, dt=TR, dtype=dtype), path)
    return series


def confounds(seed=0):
    """Columns of fMRIPrep's table; derivatives and framewise displacement have no value in the first row."""
    rng = np.random.default_rng(seed)
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    frame = pd.DataFrame(0.01 * rng.standard_normal((N_SCAN, 6)), columns=names)
    for name in names:
        frame[f"{name}_derivative1"] = frame[name].diff()
    frame["framewise_displacement"] = frame[names].diff().abs().sum(axis=1, min_count=6)
    t = (np.arange(N_SCAN) + 0.5) / N_SCAN
    for k in (1, 2):
        frame[f"cosine{k - 1:02d}"] = np.cos(np.pi * k * t)
    frame["motion_outlier00"] = (np.arange(N_SCAN) == 17).astype(float)
    frame["global_signal"] = 500 + rng.standard_normal(N_SCAN)
    return frame


def write(folder, subjects=("01",), runs=(1,)):
    """The raw data set; sidecars are inherited from the root, the echo time from the subject."""
    write_json(folder / "dataset_description.json", Name="Two regions", BIDSVersion="1.9.0")
    write_json(folder / "task-motion_bold.json", RepetitionTime=TR, EchoTime=0.05, SliceTiming=TIMING, TaskName="motion")
    nibabel.save(nifti_images.labels(2), folder / "atlas.nii.gz")
    for subject in subjects:
        write_json(folder / f"sub-{subject}" / f"sub-{subject}_task-motion_bold.json", EchoTime=TE)
        for run in runs:
            stem = f"sub-{subject}_task-motion" + (f"_run-{run:02d}" if len(runs) > 1 else "")
            image(folder / f"sub-{subject}" / "func" / f"{stem}_bold.nii.gz", seed=run - 1)
            write_tsv(folder / f"sub-{subject}" / "func" / f"{stem}_events.tsv", events())
    return folder


def write_derivatives(folder, subject="01", spaces=("MNI152NLin2009cAsym",), start=0.975):
    """fMRIPrep's output of the only run, in one space or more."""
    func = folder / f"sub-{subject}" / "func"
    write_json(folder / "dataset_description.json", Name="fMRIPrep", BIDSVersion="1.4.0", DatasetType="derivative")
    for number, space in enumerate(spaces):
        stem = f"sub-{subject}_task-motion_space-{space}_desc-preproc_bold"
        image(func / f"{stem}.nii.gz", seed=number)
        write_json(func / f"{stem}.json", RepetitionTime=TR, SliceTimingCorrected=True, StartTime=start)
    write_tsv(func / f"sub-{subject}_task-motion_desc-confounds_timeseries.tsv", confounds())
    write_json(func / f"sub-{subject}_task-motion_desc-confounds_timeseries.json", cosine00={})
    return folder
