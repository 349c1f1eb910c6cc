"""A file is there and whole, or not there."""

import os

import pytest

from ltc_causal.files import atomic_write, write_text


@pytest.mark.parametrize("stopped_by", [KeyboardInterrupt, ValueError])
def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, stopped_by):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(stopped_by), atomic_write(path) as temporary:
        temporary.write_text("half of the n")
        raise stopped_by
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "a.npz"
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert not path.exists() and temporary.suffix == ".npz"
    assert path.read_text() == "new" and list(path.parent.iterdir()) == [path]


def test_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").write_text("")
    write_text(tmp_path / "ours", "")
    assert os.stat(tmp_path / "ours").st_mode == os.stat(tmp_path / "usual").st_mode
