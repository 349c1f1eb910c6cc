"""SPM's files built by hand: an estimated DCM out of the reference numbers, random MATLAB values, and equality of them to the last bit."""

import struct

import numpy as np
import scipy.sparse
import spm_reference
from hypothesis import strategies as st
from scipy.io import savemat

import ltc_causal as lc

FIELDS = ("A", "B", "C", "D", "transit", "decay", "epsilon")


def row(*names):
    """A 1 x n cell."""
    cells = np.empty((1, len(names)), dtype=object)
    for place, name in enumerate(names):
        cells[0, place] = name
    return cells


def vector(fields):
    """Fields in SPM's order, each column by column."""
    return np.concatenate([np.asarray(fields[name], dtype=float).ravel(order="F") for name in FIELDS])


def like_fields(values, n, m, gates=0):
    """A vector in SPM's order as fields; `gates` regions gate."""
    sizes = {"A": (n, n), "B": (n, n, m), "C": (n, m), "D": (n, n, gates), "transit": (n, 1), "decay": (1, 1), "epsilon": (1, 1)}
    parts = np.split(values, np.cumsum([int(np.prod(sizes[name])) for name in FIELDS])[:-1])
    return {name: part.reshape(sizes[name], order="F") for name, part in zip(FIELDS, parts, strict=True)}


def estimated(name, **changes):
    """The DCM that SPM left of a reference case, and the case's model, recording and numbers: built without the code under test."""
    model, recording, d = spm_reference.case(name)
    n, m, v = d["y"].shape[1], d["u"].shape[1], len(d["y"])
    two_state, nonlinear = name in spm_reference.TWO_STATE, name in spm_reference.NONLINEAR
    b = d["b"].transpose(1, 2, 0).astype(float)
    gating = d["d"].transpose(1, 2, 0).astype(float) if nonlinear else np.zeros((n, n, 0))
    masks = {"A": d["a"], "B": b, "C": d["c"], "D": gating}
    free = vector(masks | {"transit": np.ones(n), "decay": 1, "epsilon": 1}) > 0
    rest_mean, rest_variance = ({"transit": np.full(n, value), "decay": value, "epsilon": value} for value in (0.0, 1 / 256))
    pE = vector({**{key: 0.0 * mask for key, mask in masks.items()}, **rest_mean, "A": 32 * (d["a"] - 1.0) if two_state else d["a"] / 128})
    variances = {"A": 1 / 16, "B": 1 / 4, "C": 4, "D": 1 / 4} if two_state else {"A": 1 / 64, "B": 1, "C": 1, "D": 1}
    pC = vector({key: variances[key] * mask for key, mask in masks.items()} | rest_variance)
    Ep, Cp = np.where(free, 0.0, pE), np.zeros((len(free), len(free)))
    Ep[free] = d["posterior_mean"]
    Cp[np.ix_(free, free)] = d["posterior_cov"]
    gates = gating.shape[2]
    M = {"IS": "spm_int", "x": scipy.sparse.csc_array((n, 6 if two_state else 5)), "pE": like_fields(pE, n, m, gates), "pC": np.diag(pC)}
    M |= {"hE": np.full((n, 1), 6.0), "hC": scipy.sparse.csc_array(np.eye(n) / 128), "n": (6.0 if two_state else 5.0) * n, "l": float(n)}
    if nonlinear:
        M |= {"IS": "spm_int_D", "nsteps": {2.0: 2.0, 3.22: 3.0}[float(d["dt"])], "states": np.arange(1.0, n + 1)[None]}
    y = d["y"] - d["y"].mean(axis=0)
    scale = 4 / max(y.max() - y.min(), 4)
    y = y * scale
    u = d["u"] - d["u"].mean(axis=0) if d["centre"] else d["u"]
    R = y - d["prediction"]
    dcm = {
        "a": d["a"].astype(float), "b": b, "c": d["c"].astype(float), "d": gating,
        "U": {"u": scipy.sparse.csc_array(u), "dt": float(d["udt"]), "name": row(*model.inputs)},
        "Y": {"y": y, "dt": float(d["dt"]), "X0": d["X0"], "name": row(*model.regions), "Q": row(*[np.eye(2)] * n), "scale": scale},
        "n": float(n), "v": float(v), "TE": 0.04, "delays": d["delays"][:, None],
        "options": {
            "nonlinear": float(nonlinear), "two_state": float(two_state), "stochastic": 0.0, "centre": float(d["centre"]), "maxit": 128.0,
            "hE": 6.0, "hC": 1 / 128,
        },
        "M": M, "Ep": like_fields(Ep, n, m, gates), "Cp": Cp, "Ce": d["noise_variance"][:, None], "y": d["prediction"],
        "R": R - d["X0"] @ np.linalg.pinv(d["X0"]) @ R, "H1": np.ones((64, n, m)), "T": 0.0, "F": float(d["free_energy"]),
    }  # fmt: skip
    return {name: value for name, value in (dcm | changes).items() if value is not None}, model, recording, d


def specified(**changes):
    """A DCM before estimation: two regions, one input."""
    rng = np.random.default_rng(0)
    dcm = {
        "a": np.ones((2, 2)), "b": np.array([[0.0, 0.0], [1.0, 0.0]]), "c": np.array([[1.0], [0.0]]), "d": np.zeros((2, 2, 0)),
        "U": {"u": rng.integers(0, 2, (320, 1)).astype(float), "dt": 0.125, "name": "photic"},
        "Y": {"y": rng.normal(size=(20, 2)), "dt": 2.0, "name": row("V1", "V5"), "X0": np.ones((20, 1))},
        "n": 2.0, "v": 20.0, "TE": 0.04, "delays": np.array([[1.0, 0.5]]), "options": {"centre": 1.0},
    }  # fmt: skip
    return {name: value for name, value in (dcm | changes).items() if value is not None}


def changed(part, **changes):
    """A struct of the DCM before estimation with changes in it, None taking a field away; as an argument of `specified`."""
    return {part: {name: value for name, value in (specified()[part] | changes).items() if value is not None}}


def read_changed(folder, **changes):
    """The DCM before estimation with changes, as it is read from a file."""
    return lc.read_spm(saved(folder / "a.mat", specified(**changes)))


def saved(path, dcm, variable="DCM", **others):
    """A file that holds a DCM, as MATLAB would write it, and its path."""
    results = {name: dcm[name] for name in ("F", "Ep", "Cp") if name in dcm}
    savemat(path, {variable: dcm, **results, **others}, do_compression=True)
    return path


def add_function_handle(path, place):
    """Turn a 1 x 1 cell of an uncompressed file, counted among all its cells, into a function handle; scipy writes none."""
    content = path.read_bytes()
    cell, handle = struct.pack("<III", 6, 8, 1), struct.pack("<III", 6, 8, 16)
    parts = content.split(cell)
    path.write_bytes(cell.join(parts[: place + 1]) + handle + cell.join(parts[place + 1 :]))


# --- any MATLAB value ---------------------------------------------------------------------------------------------------------------------

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,30}", fullmatch=True)
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="\x7f"), min_size=1, max_size=8)
CLASSES = ["f8", "f4", "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "c16"]


@st.composite
def arrays(draw):
    """Numbers of any class in two to four dimensions, none of which may be there; the last of more than two is not one."""
    shape = draw(st.lists(st.integers(0, 3), min_size=2, max_size=4))
    shape = tuple(shape[:2] + [size + (size == 1) for size in shape[2:]])
    kind = draw(st.sampled_from(CLASSES if 0 not in shape else CLASSES[:-1]))  # MATLAB has no complex number where there is none
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    values = rng.integers(0, 100, shape).astype(kind)
    return values + (rng.normal(size=shape) * (1j if kind == "c16" else 1)).astype(kind) if kind[0] in "fc" else values


@st.composite
def sparse_arrays(draw):
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    return scipy.sparse.csc_array(rng.normal(size=shape) * (rng.random(shape) < 0.4))


@st.composite
def struct_arrays(draw, values):
    """A struct array, which may be empty, but not 1 x 1: that is a dict."""
    fields = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    shape = draw(st.sampled_from([(0, 0), (1, 2), (2, 1), (2, 2)]))
    array = np.zeros(shape, dtype=[(field, object) for field in fields])
    for index in np.ndindex(shape):
        for field in fields:
            array[field][index] = draw(values)
    return array


@st.composite
def cells(draw, values):
    shape = draw(st.sampled_from([(0, 0), (1, 0), (1, 1), (1, 3), (2, 2)]))
    array = np.empty(shape, dtype=object)
    for index in np.ndindex(shape):
        array[index] = draw(values)
    return array


CHARACTERS = st.sampled_from([np.array([["a", "b"], ["c", " "]]), np.array([["x"], ["y"], ["z"]])])


def values(text=TEXT):
    """Any MATLAB value that can be written."""
    leaves = st.one_of(arrays(), text, st.just(""), CHARACTERS, sparse_arrays())
    return st.recursive(
        leaves, lambda inner: st.one_of(st.dictionaries(NAMES, inner, max_size=4), struct_arrays(inner), cells(inner)), max_leaves=8
    )


VALUES = values()
# Octave keeps characters beyond these as several bytes each, and then counts them wrongly.
ASCII_VALUES = values(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=8))
UNKNOWN = NAMES.map(lambda name: f"x_{name}"[:31])  # fields that SPM does not have


def unequal(a, b, place=""):
    """The places at which two plain values differ in type, class, size, order of fields or any number."""
    if type(a) is not type(b):
        return [f"{place}: {type(a).__name__} and {type(b).__name__}"]
    if isinstance(a, dict):
        if list(a) != list(b):
            return [f"{place}: fields {list(a)} and {list(b)}"]
        return [found for name in a for found in unequal(a[name], b[name], f"{place}.{name}")]
    if scipy.sparse.issparse(a):
        return unequal(a.toarray(), b.toarray(), place)
    if not isinstance(a, np.ndarray):
        return [] if a == b else [f"{place}: {a!r} and {b!r}"]
    if a.dtype != b.dtype or a.shape != b.shape:
        return [f"{place}: {a.dtype} {a.shape} and {b.dtype} {b.shape}"]
    if not a.dtype.hasobject:
        return [] if np.array_equal(a, b, equal_nan=a.dtype.kind in "fc") else [f"{place}: {a} and {b}"]
    parts = [(f"{place}.{name}", a[name], b[name]) for name in a.dtype.names or ()] or [(place, a, b)]
    return [
        found for inner, x, y in parts for i in np.ndindex(a.shape) for found in unequal(x[i], y[i], f"{inner}{i}")
    ]  # fmt: skip
