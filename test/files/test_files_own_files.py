"""What hetnet wrote under names of its own is told from what is the user's, whatever became of the list of it."""

from __future__ import annotations

import json
import os

import pytest
from disk_fixtures import fill

from hetnet_ros.errors import InputError
from hetnet_ros.own_files import RECORD, OwnFiles, check_apart, drawn_files


def test_a_file_is_replaced_while_it_is_as_it_was_written(tmp_path):
    OwnFiles(tmp_path).write("deep/a.png", b"one")
    OwnFiles(tmp_path).write("deep/a.png", b"two")
    OwnFiles(tmp_path).write("deep/a.png", b"one")
    assert (tmp_path / "deep/a.png").read_bytes() == b"one"
    (tmp_path / "deep/a.png").write_bytes(b"painted over")
    with pytest.raises(InputError, match="hetnet did not write it or it was changed since: move it, or give another folder"):
        OwnFiles(tmp_path).write("deep/a.png", b"two")
    assert (tmp_path / "deep/a.png").read_bytes() == b"painted over"


@pytest.mark.parametrize("make", ["folder", "link", "dangling link", "pipe"])
def test_what_is_no_file_of_ours_is_never_replaced(tmp_path, make):
    (tmp_path / "target").write_bytes(b"one")
    OwnFiles(tmp_path).write("a", b"one")
    (tmp_path / "a").unlink()
    if make == "folder":
        (tmp_path / "a").mkdir()
    elif make == "pipe":
        os.mkfifo(tmp_path / "a")
    else:
        (tmp_path / "a").symlink_to("target" if make == "link" else "nowhere")
    with pytest.raises(InputError, match="is there already"):
        OwnFiles(tmp_path).write("a", b"two")
    assert (tmp_path / "target").read_bytes() == b"one" and not (tmp_path / "nowhere").exists()


def test_a_run_that_is_killed_between_list_and_file_can_be_repeated(tmp_path):
    OwnFiles(tmp_path).write("a", b"old")
    with (tmp_path / RECORD).open("a") as record:  # entered, and never written
        record.write(json.dumps({"name": "a", "sha256": "0" * 64}) + "\n" + '{"name": "b", "sha')
    own = OwnFiles(tmp_path)
    own.write("a", b"new")
    own.write("b", b"new")
    again = OwnFiles(tmp_path)
    assert again.owns("a") and again.owns("b")


def test_two_names_of_one_file_are_not_written_in_one_run(tmp_path):
    own = OwnFiles(tmp_path)
    own.write("Part.png", b"one")
    os.link(tmp_path / "Part.png", tmp_path / "part.png")  # what a disk that does not tell upper from lower case shows
    with pytest.raises(InputError, match="upper and lower case"):
        own.write("part.png", b"two")


@pytest.mark.parametrize("name", ["a\nb.png", "ä\u0308.png", os.fsdecode(b"\xff.png"), "\u2028.png"])
def test_names_of_any_letters_are_kept(tmp_path, name):
    OwnFiles(tmp_path).write(name, b"one", drawn=True)
    OwnFiles(tmp_path).write(name, b"two", drawn=True)
    assert drawn_files(tmp_path) == {name}


@pytest.mark.parametrize("make", ["text", "link", "folder", "pipe"])
def test_a_list_that_is_not_ours_is_left_alone(tmp_path, make):
    record, mine = tmp_path / RECORD, tmp_path / "mine"
    mine.write_text("mine")
    {"text": lambda: record.write_text("mine\n"), "link": lambda: record.symlink_to(mine), "folder": record.mkdir,
     "pipe": lambda: os.mkfifo(record)}[make]()
    with pytest.raises(InputError, match=RECORD) as caught:
        OwnFiles(tmp_path).write("a", b"one")
    assert "\n" not in str(caught.value) and mine.read_text() == "mine" and not (tmp_path / "a").exists()


def test_the_list_does_not_grow_with_every_run_and_reading_it_writes_nothing(tmp_path):
    for run in range(30):
        OwnFiles(tmp_path).write("a", str(run))
    assert len((tmp_path / RECORD).read_text().splitlines()) <= 8  # the head, and at most two more than are kept
    for run in range(20):
        with (tmp_path / RECORD).open("a") as record:
            record.write(json.dumps({"name": "a", "sha256": f"{run:064d}", "drawn": True}) + "\n")
    before = (tmp_path / RECORD).read_bytes()
    drawn_files(tmp_path)
    assert (tmp_path / RECORD).read_bytes() == before


def test_only_files_and_folders_of_ours_are_removed(tmp_path):
    own = OwnFiles(tmp_path)
    own.write("set/a/1.png", b"one")
    own.write("set/b/2.png", b"two")
    (tmp_path / "set/b/mine.png").write_bytes(b"mine")
    (tmp_path / "set/kept").mkdir()
    assert OwnFiles(tmp_path).strangers("set") == ["set/b/mine.png"]
    OwnFiles(tmp_path).remove("set")
    left = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "set").rglob("*"))
    assert left == ["set/b", "set/b/mine.png", "set/kept"]


@pytest.mark.parametrize("output", ["data", "data/x/y", "link", "link/x", "data/..", "."])
def test_an_output_folder_apart_from_the_data_is_asked_for(tmp_path, monkeypatch, output):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="give a folder apart from it"):
        check_apart(tmp_path / output, [], [tmp_path / "data"])
    check_apart(tmp_path / "database", [tmp_path / "data"], [tmp_path / "data"])


def test_a_list_of_which_a_power_cut_left_half_the_first_line_is_begun_anew(tmp_path):
    (tmp_path / RECORD).write_text('{"format": "hetn')
    OwnFiles(tmp_path).write("a.png", b"one")
    assert OwnFiles(tmp_path).owns("a.png")


def test_a_full_disk_leaves_no_list(small_disk):
    folder = small_disk(64)
    fill(folder)
    with pytest.raises(InputError, match="the disk is full"):
        OwnFiles(folder).write("a.png", b"one")
    assert os.listdir(folder) == ["filler"]


def test_what_is_discarded_is_gone_with_its_folder_unless_a_users_file_is_there(tmp_path):
    for name in ("alone", "beside"):
        OwnFiles(tmp_path / name).write("in/a.png", b"one")
    (tmp_path / "beside" / "mine.txt").write_text("mine")
    for name in ("alone", "beside"):
        OwnFiles(tmp_path / name).discard()
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "beside", f"beside/{RECORD}", "beside/mine.txt"]
