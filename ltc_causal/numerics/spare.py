"""Large arrays that are used again.

Fresh memory comes page by page from the system, and for arrays of a hundred megabytes that takes as long as what is then done with them.
Lives here: a store of such arrays. Does not live here: what they hold.
"""

import weakref

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Spare:
    """Gives out arrays, and gives the same memory out again once the array itself is gone; so hold the array, and not merely a view of it."""

    def __init__(self):
        self._free: list[Array] = []

    def empty(self, shape: tuple[int, ...]) -> Array:
        """An array of that shape with anything in it."""
        size = int(np.prod(shape))
        fitting = [k for k, memory in enumerate(self._free) if memory.size == size]
        memory = self._free.pop(fitting[0]) if fitting else np.empty(size)
        given = memory.reshape(shape)
        weakref.finalize(given, self._free.append, memory).atexit = False
        return given
