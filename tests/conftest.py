"""What holds for every test: one thread, no display, seeded examples, and no use of numpy's global random state."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

# Derandomised: the same examples each time. No deadline: the first example may wait for a compiler.
settings.register_profile("house", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("house")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Hold linear algebra to one thread: numbers repeat to the last bit, and tests that run side by side do not fight."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(autouse=True)
def _no_global_randomness():
    """Fail a test whose code draws from numpy's global generator: everything random takes a seed."""
    before = np.random.get_state()
    yield
    after = np.random.get_state()
    assert np.array_equal(before[1], after[1]) and before[2] == after[2], "numpy's global random state was used: pass a seed instead"
