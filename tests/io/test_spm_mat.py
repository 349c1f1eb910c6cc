"""MATLAB files: any value comes back as it was, from v7, v7.3 and Octave; damaged and foreign files are refused in a sentence."""

import sys
import warnings

import numpy as np
import pytest
import scipy.sparse
import spm_files
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat
from scipy.io.matlab import MatlabFunction

import ltc_causal as lc
from ltc_causal.io.spm.mat import read_mat, write_mat


@given(value=spm_files.VALUES)
@settings(max_examples=100)
def test_any_value_comes_back_as_it_was(value, tmp_path_factory):
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    write_mat(path, {"x": value})
    assert spm_files.unequal(read_mat(path), {"x": value}) == []


def test_numbers_are_stored_as_matlab_reads_them(tmp_path):
    """A last dimension of one is dropped, Python's own numbers are 1 x 1 doubles, and what was a struct without fields is one again."""
    write_mat(tmp_path / "a.mat", {"b": np.ones((3, 3, 1)), "n": 3.0, "yes": True, "empty": {}, "long": {"f" * 63: 1.0}})
    expected = {
        "b": np.ones((3, 3)), "n": np.array([[3.0]]), "yes": np.array([[True]]), "empty": {}, "long": {"f" * 63: np.array([[1.0]])},
    }  # fmt: skip
    assert spm_files.unequal(read_mat(tmp_path / "a.mat"), expected) == []


def test_one_variable_alone(tmp_path):
    write_mat(tmp_path / "a.mat", {"x": 1.0, "y": 2.0})
    assert list(read_mat(tmp_path / "a.mat", only="y")) == ["y"]


def file_with_handles(path):
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = "fx"
    savemat(path, {"M": {"f": cell, "n": 3.0, "list": spm_files.row("a", cell)}}, do_compression=False)
    spm_files.add_function_handle(path, 0)
    spm_files.add_function_handle(path, 1)
    return path


def test_function_handles_are_read_and_left_out_with_a_warning_when_written(tmp_path):
    content = read_mat(file_with_handles(tmp_path / "a.mat"))
    assert isinstance(content["M"]["f"], MatlabFunction) and isinstance(content["M"]["list"][0, 1], MatlabFunction)
    with pytest.warns(UserWarning, match=r"b.mat is written without M.f, M.list\{2\}: function handles"):
        write_mat(tmp_path / "b.mat", content)
    expected = {"M": {"n": np.array([[3.0]]), "list": spm_files.row("a", np.zeros((0, 0)))}}
    assert spm_files.unequal(read_mat(tmp_path / "b.mat"), expected) == []


def test_what_has_no_place_in_a_matlab_file(tmp_path):
    with pytest.raises(lc.InputError, match="cannot be written as a MATLAB file"):
        write_mat(tmp_path / "a.mat", {"x": {"f" * 64: 1.0}})
    assert list(tmp_path.iterdir()) == []


# --- what is not a MATLAB file ------------------------------------------------------------------------------------------------------------


FOREIGN = {
    "empty": b"",
    "text": b"V1,V5\n1,2\n",
    "bytes": bytes(range(256)) * 8,
    "hdf5": b"\x89HDF\r\n\x1a\n" + b"\0" * 100,
    "header": b"MATLAB 5.0 MAT-file" + b" " * 105 + b"\x00\x01IM" + b"\xff" * 99,
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files(tmp_path, name):
    (tmp_path / "a.mat").write_bytes(FOREIGN[name])
    with pytest.raises(lc.InputError, match=r"a.mat cannot be read as a MATLAB file, .* \(\w+\): save it again\.$"):
        read_mat(tmp_path / "a.mat")


def test_no_file(tmp_path):
    with pytest.raises(lc.InputError, match="There is no MATLAB file at"):
        read_mat(tmp_path / "a.mat")


@given(data=st.data(), compressed=st.booleans())
@settings(max_examples=60)
def test_cut_short(data, compressed, tmp_path_factory):
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    dcm, *_ = spm_files.estimated("bilinear3_1")
    savemat(path, {"DCM": dcm}, do_compression=compressed)
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(lc.InputError) as caught:
            lc.read_spm(path)
    assert str(caught.value).endswith(".") and str(path) in str(caught.value)


# --- v7.3 ---------------------------------------------------------------------------------------------------------------------------------


class Version73:
    """A writer of MATLAB's v7.3 layout, for tests."""

    CLASSES = {
        "f8": "double", "f4": "single", "b1": "logical", "c16": "double", "i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64",
        "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64",
    }  # fmt: skip

    def __init__(self, path, variables):
        import h5py

        self.h5py, self.count = h5py, 0
        with h5py.File(path, "w", userblock_size=512, track_order=False) as self.file:
            self.references = self.file.create_group("#refs#")
            for name, value in variables.items():
                self.write(self.file, name, value)
        with path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")

    def write(self, group, name, value):
        if isinstance(value, dict):
            item = self.write_struct(group, name, value)
        elif isinstance(value, str):
            codes = np.array([[ord(character) for character in value]], dtype="u2") if value else np.zeros((0, 0), dtype="u2")
            item = self.write_array(group, name, codes, "char")
        elif scipy.sparse.issparse(value):
            item = self.write_sparse(group, name, value)
        elif value.dtype.kind == "U":
            item = self.write_array(group, name, np.array([[ord(c) for c in line] for line in value], dtype="u2"), "char")
        elif value.dtype.names:
            item = self.write_struct_array(group, name, value)
        elif value.dtype == object:
            item = self.write_array(group, name, self.referred(value), "cell")
        else:
            item = self.write_array(group, name, value, self.CLASSES[value.dtype.str[1:]])
        return item

    def write_array(self, group, name, value, kind):
        if value.size == 0:
            item = group.create_dataset(name, data=np.array(value.shape, dtype="u8"))
            item.attrs["MATLAB_empty"] = np.uint8(1)
        else:
            if value.dtype.kind == "c":
                parts = np.zeros(value.shape, dtype=[("real", "f8"), ("imag", "f8")])
                parts["real"], parts["imag"] = value.real, value.imag
                value = parts
            item = group.create_dataset(name, data=(value.astype("u1") if value.dtype == bool else value).T)
        item.attrs["MATLAB_class"] = np.bytes_(kind)
        return item

    def write_struct(self, group, name, value):
        item = group.create_group(name)
        for field, part in value.items():
            self.write(item, field, part)
        item.attrs["MATLAB_class"] = np.bytes_("struct")
        self.name_fields(item, list(value))
        return item

    def write_struct_array(self, group, name, value):
        if value.size == 0:
            item = self.write_array(group, name, value, "struct")
        else:
            item = group.create_group(name)
            for field in value.dtype.names:
                item.create_dataset(field, data=self.referred(value[field]).T)
            item.attrs["MATLAB_class"] = np.bytes_("struct")
        self.name_fields(item, list(value.dtype.names))
        return item

    def name_fields(self, item, fields):
        names = np.empty(len(fields), dtype=object)
        for place, field in enumerate(fields):
            names[place] = np.array([c.encode() for c in field], dtype="S1")
        item.attrs.create("MATLAB_fields", names, dtype=self.h5py.vlen_dtype(np.dtype("S1")))

    def write_sparse(self, group, name, value):
        item = group.create_group(name)
        item.attrs["MATLAB_class"], item.attrs["MATLAB_sparse"] = np.bytes_("double"), np.uint64(value.shape[0])
        item["jc"] = value.indptr.astype("u8")
        if value.nnz:
            item["ir"], item["data"] = value.indices.astype("u8"), value.data
        return item

    def referred(self, value):
        references = np.empty(value.shape, dtype=self.h5py.ref_dtype)
        for index in np.ndindex(value.shape):
            self.count += 1
            references[index] = self.write(self.references, str(self.count), value[index]).ref
        return references


@given(value=spm_files.VALUES)
@settings(max_examples=60)
def test_any_value_of_version_73(value, tmp_path_factory):
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    Version73(path, {"x": value, "other": np.ones((1, 1))})
    assert spm_files.unequal(read_mat(path, only="x"), {"x": value}) == []


@pytest.mark.parametrize("name", ["bilinear3_1", "nonlinear3_1", "twostate3_1"])
def test_a_dcm_of_version_73(tmp_path, name):
    dcm, model, _, d = spm_files.estimated(name)
    write_mat(tmp_path / "a.mat", {"DCM": dcm})  # only to have every field as an array
    Version73(tmp_path / "b.mat", read_mat(tmp_path / "a.mat"))
    read = lc.read_spm(tmp_path / "b.mat")
    assert np.array_equal(read.posterior.mean, d["posterior_mean"]) and read.model.to_spec() == model.to_spec()
    lc.write_spm(read, tmp_path / "c.mat")
    assert spm_files.unequal(read_mat(tmp_path / "c.mat"), read_mat(tmp_path / "a.mat")) == []


def test_version_73_without_its_reader(tmp_path, monkeypatch):
    Version73(tmp_path / "a.mat", {"x": np.ones((1, 1))})
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        lc.InputError, match=r"a.mat is a MATLAB file of version 7.3, .* pip install 'ltc_causal\[neuro\]', or save the file"
    ):
        read_mat(tmp_path / "a.mat")
