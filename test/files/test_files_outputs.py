"""Output files: refused early, written whole."""

from __future__ import annotations

import os

import pytest

from hetnet_ros.errors import InputError
from hetnet_ros.whole_files import check_output_file, check_output_folder, write_file

unless_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")


def test_folders_are_made_and_files_replaced_without_leftovers(tmp_path):
    path = tmp_path / "new" / "deep" / "result.json"
    check_output_file(path)
    write_file(path, "old")
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in path.parent.iterdir()] == ["result.json"]
    assert path.stat().st_mode & 0o444 == 0o444  # others may read it


def test_text_is_stored_as_utf_8(tmp_path):
    write_file(tmp_path / "a.txt", "Größe")
    assert (tmp_path / "a.txt").read_bytes() == "Größe".encode()


def test_none_is_no_output(tmp_path):
    check_output_file(None)
    check_output_folder(None)


def test_a_folder_in_place_of_a_file_and_the_reverse_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="it is a folder; give a file name"):
        check_output_file(tmp_path)
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="choose another place"):
            check_output_folder(path)
    with pytest.raises(InputError, match="choose another place"):
        check_output_file(tmp_path / "file" / "result.json")


@unless_root
def test_a_write_protected_folder_or_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "file").chmod(0o444)
    with pytest.raises(InputError, match="write-protected"):
        check_output_file(tmp_path / "file")
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(InputError, match="choose another place"):
            check_output_folder(tmp_path / "new")
    finally:
        tmp_path.chmod(0o755)


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_file(path, "old")

    def full(*_):
        raise OSError(28, "the disk is full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="the disk is full"):
        write_file(path, "new")
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1
