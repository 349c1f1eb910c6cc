"""The sampling convention, against the words that define it in exact arithmetic."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ltc_causal.numerics.schedule import sample_bins


@given(
    n_scan=st.integers(10, 400),
    bins_a_scan=st.integers(1, 40),
    extra=st.integers(0, 5),
    delay=st.integers(0, 16),
    udt=st.sampled_from([0.1, 0.25, 3.22 / 16]),
)
def test_follows_the_words(n_scan, bins_a_scan, extra, delay, udt):
    n_bin = n_scan * bins_a_scan + extra
    scan_time = n_bin * udt / n_scan
    seconds = delay / 16 * scan_time
    read = sample_bins(n_bin, n_scan, [seconds], udt)[:, 0]
    delay_bins = max(floor(seconds / udt + 0.5), 1)
    # Counted from 1, bin b holds the state after b - 1 bins.
    assert read.tolist() == [ceil(Fraction(k * n_bin, n_scan)) + delay_bins - 1 for k in range(n_scan)]
    assert (np.diff(read) >= 0).all()
    assert 0 <= read[0] and read[-1] <= n_bin


def test_attention_grid_is_read_at_mid_scan():
    read = sample_bins(16 * 360, 360, np.full(3, 1.61), 3.22 / 16)
    assert (read == 16 * np.arange(360)[:, None] + 7).all()


def test_a_delay_of_nothing_reads_the_state_at_the_scan_onset():
    read = sample_bins(160, 10, [0.0, 2.0], 0.125)
    assert (read[:, 0] == 16 * np.arange(10)).all()
    assert (read[:, 1] == 16 * np.arange(1, 11) - 1).all()
