"""The fused step of liquid membranes over whole sequences, and its adjoint, compiled; sequences lie side by side in lanes.

Arrays are contiguous, their last axis `lanes_of` sequences. `synapses` is a tuple (first, source, slope, offset, drive, weight) of lists sorted by
target: those that enter i lie from first[i] to first[i + 1], and are open by s = 1 / (1 + 2^y), y = slope x + offset. One substep of h seconds
from v to v',

    n_i = n0_i + sum drive s(v_source),  d_i = d0_i + sum weight s(v_source),  r = 1 / (c + h d),  v' = v + h r (n - d v),

is the linearly implicit Euler step (c v / h + n) / (c / h + d), written so that h = 0 leaves v. Backwards, from g = dJ/dv',

    dJ/dn = h r g,  dJ/dd = -h r g v',  dJ/dv = c r g + what comes through s,  dJ/dc = -r g (v' - v),  dJ/dh = c r g (v' - v) / h,
    dJ/dy = -log 2 s (1 - s) (drive dJ/dn + weight dJ/dd).

v and r of every substep are kept and s is worked out again, so that memory goes with units, not with synapses.
Sums over lanes are left to the caller, as summing a register costs as much as all else.

Lives here: sums over synapses, the course, and both adjoints. Does not live here: packing into lanes and torch (`networks.compiled`).
"""

import math
from typing import Any

import numba

from ltc_causal.numerics.lanes import load, sigmoid_of_halvings, spread, store

FAST: Any = dict(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
LOG2 = math.log(2)


@numba.njit(**FAST)
def open_synapses(x, synapses, n0, d0, n, d):
    """Sums over synapses into n and d, shape (row, target, lane), from sources x (row, source, lane) and from n0 and d0 (target,)."""
    first, source, slope, offset, drive, weight = synapses
    n_target, n_source = len(n0), x.shape[1]
    for row in range(x.shape[0]):
        for i in range(n_target):
            a, b = spread(n0[i]), spread(d0[i])
            for k in range(first[i], first[i + 1]):
                s = sigmoid_of_halvings(load(x, row * n_source + source[k]) * slope[k] + offset[k])
                a, b = a + s * drive[k], b + s * weight[k]
            store(n, row * n_target + i, a)
            store(d, row * n_target + i, b)


@numba.njit(**FAST)
def _pull(i, g_n, g_d, synapses, x, at, by_x, to, by_synapse):
    """Back through the synapses that enter i: sources in x from row `at` on, their gradient added to by_x from row `to` on."""
    first, source, slope, offset, drive, weight = synapses
    for k in range(first[i], first[i + 1]):
        j = source[k]
        v = load(x, at + j)
        s = sigmoid_of_halvings(v * slope[k] + offset[k])
        t = (g_n * drive[k] + g_d * weight[k]) * ((s * s - s) * LOG2)
        store(by_x, to + j, load(by_x, to + j) + t * slope[k])
        store(by_synapse, 4 * k, load(by_synapse, 4 * k) + t * v)
        store(by_synapse, 4 * k + 1, load(by_synapse, 4 * k + 1) + t)
        store(by_synapse, 4 * k + 2, load(by_synapse, 4 * k + 2) + s * g_n)
        store(by_synapse, 4 * k + 3, load(by_synapse, 4 * k + 3) + s * g_d)


@numba.njit(**FAST)
def open_synapses_back(x, synapses, by_n, by_d, by_x, by_synapse):
    """From dJ/dn and dJ/dd to dJ/dx and to that in slope, offset, drive and weight, by_synapse (synapse, 4, lane); both are added to."""
    n_target, n_source = by_n.shape[1], x.shape[1]
    for row in range(x.shape[0]):
        for i in range(n_target):
            at = row * n_source
            _pull(i, load(by_n, row * n_target + i), load(by_d, row * n_target + i), synapses, x, at, by_x, at, by_synapse)


@numba.njit(**FAST)
def course(h, n0, d0, capacitance, synapses, unfolds, kept, v, r, hidden):
    """States after every step into hidden (step, unit, lane).

    h : shape (step, lane), seconds of one substep; n0, d0 : shape (step, unit, lane); capacitance : shape (unit,)
    kept : whether v (step * unfolds + 1, unit, lane) and r (step * unfolds, unit, lane) keep all substeps, or (unfolds + 1, ...) one step's
    v : starts with the initial state
    """
    first, source, slope, offset, drive, weight = synapses
    units = len(capacitance)
    for step in range(h.shape[0]):
        seconds, begin = load(h, step), (step * unfolds * units if kept else 0)
        for unfold in range(unfolds):
            at = begin + unfold * units
            for i in range(units):
                n, d = load(n0, step * units + i), load(d0, step * units + i)
                for k in range(first[i], first[i + 1]):
                    s = sigmoid_of_halvings(load(v, at + source[k]) * slope[k] + offset[k])
                    n, d = n + s * drive[k], d + s * weight[k]
                now = load(v, at + i)
                reach = 1.0 / (seconds * d + capacitance[i])
                store(v, at + units + i, now + seconds * reach * (n - d * now))
                store(r, at + i, reach)
        for i in range(units):
            reached = load(v, begin + unfolds * units + i)
            store(hidden, step * units + i, reached)
            if not kept:
                store(v, i, reached)


@numba.njit(**FAST)
def course_back(h, capacitance, synapses, unfolds, v, r, by_hidden, by_v, by_n, by_d, by_h, by_c, by_synapse):
    """From dJ/dhidden to all else, added to what is there; v and r as `course` kept them.

    by_v : shape (2, unit, lane); that in the initial state is left in by_v[0]
    by_n, by_d : shape (step, unit, lane); by_h : shape (step, lane); by_c : shape (unit, lane); by_synapse : shape (synapse, 4, lane)
    """
    units = len(capacitance)
    old, new = 0, units  # the rows of by_v at which this substep's end and its beginning start
    for step in range(h.shape[0] - 1, -1, -1):
        seconds = load(h, step)
        for i in range(units):
            store(by_v, old + i, load(by_v, old + i) + load(by_hidden, step * units + i))
        for unfold in range(unfolds - 1, -1, -1):
            at = (step * unfolds + unfold) * units
            for i in range(units):
                store(by_v, new + i, load(r, at + i) * load(by_v, old + i) * capacitance[i])
            for i in range(units):
                gain, here = load(by_v, old + i) * load(r, at + i), step * units + i
                after = load(v, at + units + i)
                moved = gain * (after - load(v, at + i))
                g_n = seconds * gain
                g_d = 0.0 - g_n * after
                store(by_c, i, load(by_c, i) - moved)
                store(by_h, step, load(by_h, step) + moved * capacitance[i])
                store(by_n, here, load(by_n, here) + g_n)
                store(by_d, here, load(by_d, here) + g_d)
                _pull(i, g_n, g_d, synapses, v, at, by_v, new, by_synapse)
            old, new = new, old
    if old:
        by_v[0] = by_v[1]


@numba.njit(**FAST)
def course_across(h, n0, d0, capacitance, entries, unfolds, v, hidden):
    """The states of one sequence, with lanes of targets, into hidden (step, unit).

    h : shape (step,); n0, d0 : shape (step, unit); capacitance : shape (unit,); units are filled up to whole rows of lanes
    entries : (first, source, slope, offset, drive, weight), all that one source does to a row of targets: those of a row of targets
        lie from first[row] to first[row + 1], numbers have shape (entry, lane), with weight and drive 0 where there is no synapse
    v : shape (2, unit), starts with the initial state in v[0]
    """
    first, source, slope, offset, drive, weight = entries
    rows = len(first) - 1
    old, new = 0, 1
    for step in range(len(h)):
        for _ in range(unfolds):
            for i in range(rows):
                n, d = load(n0, step * rows + i), load(d0, step * rows + i)
                for k in range(first[i], first[i + 1]):
                    s = sigmoid_of_halvings(load(slope, k) * v[old, source[k]] + load(offset, k))
                    n, d = n + s * load(drive, k), d + s * load(weight, k)
                now = load(v, old * rows + i)
                store(v, new * rows + i, now + h[step] * (n - d * now) / (d * h[step] + load(capacitance, i)))
            old, new = new, old
        for i in range(rows):
            store(hidden, step * rows + i, load(v, old * rows + i))
