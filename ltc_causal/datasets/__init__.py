"""Recordings that ship with the package, each a function that returns one.

Lives here: the bundled files and how they become a `Recording`; README.md beside this file says where each comes from.
Does not live here: reading the user's own files (`io`).
"""

from importlib.resources import files

import numpy as np

from ltc_causal.core.data import Inputs, Recording, TimeSeries

__all__ = ["attention"]


def attention() -> Recording:
    """Attention to visual motion, one subject: V1, V5 and SPC, 360 scans of 3.22 s (Büchel and Friston 1997).

    Inputs photic, motion and attention on a grid of a sixteenth of a scan (0.20125 s); 19 confounds; echo time 0.04 s; every region
    is sampled 3.22 s after its scan's onset. The signal is in arbitrary units with mean 0. No licence is stated for these data: see
    README.md in this package before passing them on.
    """
    with files(__name__).joinpath("attention.npz").open("rb") as file, np.load(file) as data:
        series = TimeSeries(data["bold"], float(data["TR"]), tuple(data["regions"]))
        inputs = Inputs(data["u"], float(data["u_dt"]), tuple(name.lower() for name in data["u_names"]))
        return Recording(series, inputs, confounds=data["X0"], echo_time=float(data["TE"]), delays=data["delays"])
