"""Recordings from MNE's objects: continuous signals, epochs and averages of channels or of sources extracted to labels.

MNE itself is not imported: anything with `get_data()`, `ch_names` and `info["sfreq"]` will do.

Lives here: `from_mne`. Does not live here: tables (`recording`), images (`nifti`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltc_causal.core.data import Inputs, Recording, TimeSeries
from ltc_causal.errors import InputError, finite_array, known_name, positive, unique_names
from ltc_causal.io.events import read_events

Array = NDArray[np.float64]


def from_mne(
    instance: Any,
    *,
    regions: Sequence[str] | None = None,
    conditions: Sequence[str] | None = None,
    inputs: Inputs | None = None,
    scale: float = 1.0,
    unit: str = "V",
) -> Any:
    """A `Recording` of an `mne.io.Raw` or `mne.Evoked`, or a list of them of `mne.Epochs`, one an epoch.

    regions : channels, in this order; None for all but those of kind stim and those marked bad
    conditions : which of the events are inputs, in this order. Of a Raw they are descriptions of its annotations, 1 while one lasts; of Epochs
        names of `event_id`, an impulse of area 1 at time 0 of the epochs of that kind. Annotations of 0 s are impulses too. None for no inputs
    inputs : instead of conditions, `Inputs` that every epoch has
    scale : the data are multiplied by it (1e6 takes V to µV)
    unit : of the result

    The inputs' grid is that of the samples, and regions are sampled as a sample begins (delays of 0).

    Raises `InputError` for what is no such object, for unknown names, and for everything that `Recording` refuses.
    """
    values, names, dt = _read(instance)
    chosen = _chosen(instance, names, regions)
    values = scale * values[..., [names.index(name) for name in chosen], :]
    if inputs is not None and conditions is not None:
        raise InputError("from_mne is given inputs and conditions: give one of the two.")
    if values.ndim == 2:
        own = inputs or _of_annotations(instance, conditions, values.shape[1] * dt, dt)
        return _recording(values, chosen, dt, own, unit)
    every = [inputs] * len(values) if inputs is not None else _of_epochs(instance, conditions, values.shape, dt)
    return [_recording(epoch, chosen, dt, own, unit) for epoch, own in zip(values, every, strict=True)]


def _read(instance: Any) -> tuple[Array, list[str], float]:
    """Data (..., channel, time), the channels' names, and seconds between samples."""
    try:
        values, names, rate = np.asarray(instance.get_data(), dtype=float), list(instance.ch_names), instance.info["sfreq"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f'from_mne needs an object with get_data(), ch_names and info["sfreq"], as Raw, Epochs and Evoked have, got {type(instance).__name__} '
            f"({error})."
        ) from None
    if values.ndim not in (2, 3) or values.shape[-2] != len(names):
        raise InputError(
            f"The data must have shape ({len(names)} channels, time), with epochs before them if there are any, got {values.shape}."
        )
    return values, names, 1.0 / positive('info["sfreq"]', rate, "Hz")


def _chosen(instance: Any, names: list[str], regions: Sequence[str] | None) -> tuple[str, ...]:
    if regions is not None:
        for name in unique_names("from_mne regions", regions):
            known_name("channel", name, names, "the data")
        return tuple(regions)
    kinds = instance.get_channel_types() if hasattr(instance, "get_channel_types") else [""] * len(names)
    bad = instance.info.get("bads", [])
    return tuple(name for name, kind in zip(names, kinds, strict=True) if kind != "stim" and name not in bad)


def _recording(values: Array, names: tuple[str, ...], dt: float, inputs: Inputs, unit: str) -> Recording:
    return Recording(TimeSeries(values.T, dt, names, unit), inputs, delays=0.0)


def _none(n_time: int, dt: float) -> Inputs:
    return Inputs(np.zeros((n_time, 0)), dt, ())


def _of_annotations(instance: Any, conditions: Sequence[str] | None, duration: float, dt: float) -> Inputs:
    if conditions is None:
        return _none(int(round(duration / dt)), dt)
    notes = getattr(instance, "annotations", None)
    if notes is None:
        raise InputError(f"{type(instance).__name__} has no annotations, so it has no conditions: give inputs= instead.")
    table = pd.DataFrame({"onset": notes.onset, "duration": notes.duration, "trial_type": notes.description})
    # Annotations with a date count from the recording's begin, of which the data may be a later part.
    start = float(getattr(instance, "first_time", 0.0)) if getattr(notes, "orig_time", None) is not None else 0.0
    return read_events(table, duration, dt, conditions, start)


def _of_epochs(instance: Any, conditions: Sequence[str] | None, shape: tuple[int, ...], dt: float) -> list[Inputs]:
    n_epoch, _, n_time = shape
    if conditions is None:
        return [_none(n_time, dt)] * n_epoch
    ids = dict(instance.event_id)
    for name in unique_names("from_mne conditions", conditions):
        known_name("condition", name, list(ids), "event_id")
    codes = finite_array("The events of the epochs", np.asarray(instance.events), 2, "(epoch, 3)")[:, 2]
    times = np.asarray(instance.times, dtype=float)
    at = int(np.argmin(np.abs(times)))
    if abs(times[at]) > dt / 2:
        raise InputError(
            f"The epochs go from {times[0]:g} to {times[-1]:g} s, so time 0 is not in them: give inputs= instead of conditions."
        )
    blank = Inputs(np.zeros((n_time, len(conditions))), dt, tuple(conditions))
    return [_impulse(blank, [k for k, name in enumerate(conditions) if ids[name] == code], at) for code in codes]


def _impulse(blank: Inputs, columns: list[int], at: int) -> Inputs:
    values = blank.values.copy()
    values[at, columns] = 1 / blank.dt
    return replace(blank, values=values)
