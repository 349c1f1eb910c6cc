"""The sampling convention, against the words that define it in exact arithmetic."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ltc_causal.numerics.schedule import cut_into_steps, sample_bins


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


@given(seed=st.integers(0, 10_000), n_region=st.integers(1, 4), levels=st.integers(1, 4), also=st.booleans())
def test_the_steps_replay_the_run(seed, n_region, levels, also):
    """Laid end to end, the steps have the input of every bin, and each region is read when it should be."""
    rng = np.random.default_rng(seed)
    n_scan, bins_a_scan = int(rng.integers(2, 12)), int(rng.integers(1, 9))
    inputs = rng.integers(-1, levels, (n_scan * bins_a_scan, 2)) * rng.choice([0.0, -0.0, 0.3], (n_scan * bins_a_scan, 2))
    bins = sample_bins(len(inputs), n_scan, rng.uniform(0, bins_a_scan * 0.5, n_region), 0.5)
    extra = rng.integers(0, len(inputs), 3) if also else None
    steps = cut_into_steps(inputs, 0.5, bins, extra)
    now, read = 0, np.full_like(bins, -1)
    ends = []
    for pair, scans in zip(steps.step_pair, steps.read_scan, strict=True):
        if pair >= 0:
            length = steps.pair_bins[pair]
            assert length > 0 and (inputs[now : now + length] == steps.values[steps.pair_value[pair]]).all()
            now += length
        ends.append(now)
        for region, scan in enumerate(scans):
            if scan >= 0:
                read[scan, region] = now
    np.testing.assert_array_equal(read, bins)
    assert now == bins.max() and (extra is None or set(extra[extra < bins.max()]) - {0} <= set(ends))
    assert len(np.unique(steps.values, axis=0)) == len(steps.values)
    assert len(set(zip(steps.pair_value, steps.pair_bins, strict=True))) == len(steps.pair_bins)
