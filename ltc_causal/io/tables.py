"""Tables as CSV.

Lives here: the one way a table is written, and the coupling table. Does not live here: what stands in a table (`to_frame` of each result).
"""

from pathlib import Path

import pandas as pd

from ltc_causal.core.reduction import Reduction
from ltc_causal.core.result import Fit
from ltc_causal.files import atomic_write


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as CSV in UTF-8, without its index, whole or not at all; numbers are written so that they read back exactly."""
    with atomic_write(path) as temporary:
        frame.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n")


def write_coupling(result: Fit | Reduction, path: str | Path, probability: float = 0.9) -> None:
    """Write the coupling of a fit or a reduction in Hz, one row a connection, with intervals of that probability."""
    write_table(result.to_frame(probability), path)
