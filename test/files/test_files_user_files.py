"""Files from users: regular, bounded, read whole; and text from elsewhere on one line."""

from __future__ import annotations

import os

import pytest

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.user_files import read_bytes, read_text


def test_a_file_is_read_whole_and_a_link_followed(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_bytes(b"\xef\xbb\xbfpart: \xc3\xa4\n")
    link = tmp_path / "link"
    link.symlink_to(file)
    assert read_bytes(link, "recipe", 100) == file.read_bytes()
    assert read_text(link, "recipe") == "part: ä\n"


@pytest.mark.parametrize("make, said", [
    (lambda path: None, "does not exist"),
    (lambda path: path.mkdir(), "is a folder"),
    (lambda path: os.mkfifo(path), "is a named pipe"),
    (lambda path: path.symlink_to("/dev/zero"), "is a device"),
    (lambda path: path.symlink_to(path), "circle"),
    (lambda path: path.write_bytes(b"x" * 2100), "has 2.1 kB, and at most 2.0 kB"),
    (lambda path: path.write_bytes(b"a\xff"), "not UTF-8 text (byte 2)"),
])
def test_what_is_no_such_file_is_one_line(tmp_path, make, said):
    path = tmp_path / "given"
    make(path)
    with pytest.raises(InputError) as caught:
        read_text(path, "recipe", 2000)
    assert said in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_sparse_file_takes_no_memory(tmp_path):
    path = tmp_path / "weights.bin"
    with path.open("wb") as file:
        file.truncate(8 * 2**30)
    with pytest.raises(InputError, match="8,192.0 MB"):
        read_bytes(path, "exported model", 2**30)


@pytest.mark.parametrize("name", ["n" * 300, "a\0b", "folder\nwith a line\x1b[31m/x"])
def test_names_that_no_file_can_have(tmp_path, name):
    with pytest.raises(InputError) as caught:
        read_bytes(f"{tmp_path}/{name}", "recipe", 100)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text, expected", [
    ("bracket, left", "bracket, left"), ("a\nb\tc", "a\\nb\\tc"), ("\x1b[31m", "\\x1b[31m"), ("\udcff.png", "\\xff.png"),
    ("\u202egnp", "\\u202egnp"), (7, "7"), ("ä" * 10, "ä" * 10)])
def test_foreign_text_is_printable(text, expected):
    assert shown(text) == expected


def test_foreign_text_is_bounded():
    assert len(shown("x\n" * 500_000)) < 240 and shown("x" * 1_000_000).endswith("(1,000,000 characters)")
