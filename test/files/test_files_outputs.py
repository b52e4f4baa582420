"""Output files: refused early, written whole."""

from __future__ import annotations

import os

import pytest

from hetnet_ros.errors import InputError
from hetnet_ros.whole_files import check_output_file, check_output_folder, whole_file, write_file

unless_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")


def test_folders_are_made_and_files_replaced_without_leftovers(tmp_path):
    path = tmp_path / "new" / "deep" / "result.json"
    check_output_file(path)
    write_file(path, "old")
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in path.parent.iterdir()] == ["result.json"]
    assert path.stat().st_mode & 0o444 == 0o444  # others may read it


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_file_that_is_replaced_hands_on_who_may_read_it(tmp_path, mode):
    path = tmp_path / "result.json"
    path.write_text("old")
    path.chmod(mode)
    seen = []
    with whole_file(path) as part:
        seen.append(part.stat().st_mode & 0o777)
        part.write_text("new")
    assert seen == [0o600] and path.stat().st_mode & 0o777 == mode and path.read_text() == "new"


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can give files away")
def test_a_file_of_somebody_else_stays_theirs(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")
    path.chmod(0o600)
    os.chown(path, 54321, 54322)
    write_file(path, "new")
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (54321, 54322, 0o600)


def test_a_new_file_is_as_private_as_the_user_asks_for(tmp_path):
    before = os.umask(0o077)
    try:
        write_file(tmp_path / "result.json", "new")
    finally:
        os.umask(before)
    assert (tmp_path / "result.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_the_file_behind_it_is_replaced(tmp_path, there):
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "result.json"
    if there:
        target.write_text("old")
    (tmp_path / "near.json").symlink_to("between.json")
    (tmp_path / "between.json").symlink_to("far/result.json")
    check_output_file(tmp_path / "near.json")
    write_file(tmp_path / "near.json", "new")
    assert (tmp_path / "near.json").is_symlink() and (tmp_path / "between.json").is_symlink() and target.read_text() == "new"
    assert [file.name for file in target.parent.iterdir()] == ["result.json"]


def test_a_link_that_leads_in_a_circle_is_one_line(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for write in (check_output_file, lambda path: write_file(path, "new")):
        with pytest.raises(InputError, match="its links lead in a circle"):
            write(tmp_path / "a")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "b"]


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
