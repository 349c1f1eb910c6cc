"""What columns explain of signals by least squares.

Lives here: that projection. Does not live here: which columns are confounds (`core.data.Recording`), or any prior on their weights.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def fitted(X: Array, values: Array) -> Array:
    """X b with b the least-squares weights of least norm; X of shape (time, column), values (time, ...)."""
    return X @ np.linalg.lstsq(X, values, rcond=None)[0]
