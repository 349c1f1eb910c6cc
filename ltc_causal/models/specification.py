"""A model's specification as plain JSON values.

Lives here: what every model's `to_spec` needs. Does not live here: the models, files (`io.archive`).
"""

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Arrays and tuples as lists, all else as it is."""
    return value.tolist() if isinstance(value, np.ndarray) else list(value) if isinstance(value, tuple) else value
