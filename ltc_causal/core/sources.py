"""A recording as a network of sources sees it.

Lives here: that container. Does not live here: the network (`models.source_network`), its fit (`inference.sources`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Standardised(NamedTuple):
    """signal = confounds + z scale.

    z : shape (time, region), mean 0 and standard deviation 1
    confounds : shape (time, region), what the confounds explain, and the mean
    scale : shape (region,), standard deviation of the rest
    """

    z: Array
    confounds: Array
    scale: Array
