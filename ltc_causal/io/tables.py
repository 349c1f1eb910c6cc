"""Tables to files: CSV, TSV and Parquet.

Lives here: the one way a table is written, and the coupling table. Does not live here: what stands in a table (`to_frame` of each result),
reading one (`columns`).
"""

from pathlib import Path
from typing import Any

import pandas as pd

from ltc_causal.core.reduction import Reduction
from ltc_causal.core.result import Fit
from ltc_causal.io.writing import file_path, optional, whole_file


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table without its index, whole or not at all; numbers are written so that they read back exactly.

    The suffix says how: .parquet; .tsv with n/a for what is missing, as BIDS has it; CSV otherwise. Text is in UTF-8.

    Raises `InputError` if the system refuses, or if Parquet is asked for without pyarrow (extra `export`).
    """
    suffix = file_path(path).suffix.lower()
    with whole_file(path) as temporary:
        if suffix == ".parquet":
            optional("pyarrow", "export", f"Writing {path}")
            frame.to_parquet(temporary, index=False)
        else:
            layout: dict[str, Any] = {"sep": "\t", "na_rep": "n/a"} if suffix == ".tsv" else {}
            frame.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n", **layout)


def write_coupling(result: Fit | Reduction, path: str | Path, probability: float = 0.9) -> None:
    """Write the coupling of a fit or a reduction in Hz, one row a connection, with intervals of that probability."""
    write_table(result.to_frame(probability), path)
