"""Files are whole or not there, and nothing is left beside them, also on a disk that is really full."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_fixtures import fill

from hetnet_ros.errors import InputError
from hetnet_ros.whole_files import check_output_file, check_output_folder, check_room, whole_file, write_file


def test_a_full_disk_is_one_line_and_leaves_the_old_file_and_nothing_else(small_disk):
    folder = small_disk(256)
    write_file(folder / "a.json", "old")
    with pytest.raises(InputError, match=r"cannot write .*a.json \(the disk is full\); choose another place or make room"):
        write_file(folder / "a.json", bytes(2**19))  # twice the disk
    assert (folder / "a.json").read_text() == "old" and os.listdir(folder) == ["a.json"]


def test_a_model_that_does_not_fit_is_one_line_and_leaves_nothing(small_disk):
    import torch

    from hetnet_ros.inspection.artifact import save_tensors

    folder = small_disk(256)
    with pytest.raises(InputError, match="the disk is full"):
        save_tensors(folder / "m.safetensors", {"a": torch.zeros(2**18)}, {})  # 1 MiB
    assert os.listdir(folder) == []


def test_whatever_ends_the_writing_leaves_nothing(tmp_path):
    for ends in (KeyboardInterrupt, ZeroDivisionError, MemoryError):
        with pytest.raises(ends), whole_file(tmp_path / "a") as part:
            part.write_bytes(b"half")
            raise ends
    assert os.listdir(tmp_path) == []


def test_the_longest_name_is_written_and_a_longer_one_refused_before_the_work(tmp_path):
    longest, longer = tmp_path / ("n" * 255), tmp_path / ("n" * 256)  # what Linux's file systems take
    check_output_file(longest)
    write_file(longest, "x")
    assert longest.read_text() == "x"
    with pytest.raises(InputError, match=r"cannot write .*\(its name is too long\)"):
        check_output_file(longer)
    with pytest.raises(InputError, match="name is too long"):
        write_file(longer, "x")
    with pytest.raises(InputError, match="name is too long"):
        check_output_folder(longer)


def test_a_pipe_or_a_device_is_not_replaced_by_a_file(tmp_path):
    """hetnet ... --json /dev/null as root would else put a file there, for every program on the machine."""
    os.mkfifo(tmp_path / "pipe")
    os.symlink("/dev/null", tmp_path / "null")
    for name, what in (("pipe", "a named pipe"), ("null", "a device")):
        for write in (check_output_file, lambda path: write_file(path, "x")):
            with pytest.raises(InputError, match=f"it is {what}; give the name of a file"):
                write(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["null", "pipe"] and os.path.islink(tmp_path / "null")


def test_names_that_no_file_can_have_are_one_line(tmp_path):
    for name in ("a\0b", "a\ud800b"):  # a zero byte; half of a surrogate pair, as JSON may hold
        with pytest.raises(InputError, match="cannot write"):
            write_file(tmp_path / name, "x")


def test_a_name_that_is_not_utf8_is_written_and_its_text_too(tmp_path):
    path = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.json"))
    write_file(path, f"about {path.name}")
    assert path.read_bytes() == b"about caf\\udce9.json"


def test_a_disk_that_is_full_already_is_refused_before_the_work(small_disk):
    folder = small_disk(64)
    fill(folder)
    with pytest.raises(InputError, match="the disk is full"):
        check_output_folder(folder)


def test_room_is_counted(small_disk):
    folder = small_disk(64)
    check_room(folder, 60 * 1024, "it")
    with pytest.raises(InputError, match="it needs 1 MB in .* where 0 MB are free: make room or choose another place"):
        check_room(folder, 2**20, "it")


def test_writing_is_on_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    """Else a power cut may leave the new name with nothing in it: the order of the calls is what can be seen without one."""
    order = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, real=real, name=name: (order.append(name), real(*a))[1])
    write_file(tmp_path / "a", b"x")
    assert order == ["fsync", "replace"]


def as_nobody(code: str, **environment: str) -> str:
    """What Python prints for ``code`` as a user without an entry in the list of users and without HOME."""
    if os.getuid():
        pytest.skip("only root can become another user")
    kept = {name: value for name, value in os.environ.items() if name not in ("HOME", "HETNET_CACHE", "XDG_CACHE_HOME")}
    command = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups", sys.executable, "-c"]
    if subprocess.run([*command, "pass"], env=kept, capture_output=True, timeout=60).returncode:
        pytest.skip("another user may not run this Python")
    done = subprocess.run([*command, code], env={**kept, **environment}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


CACHE = "from hetnet_ros.resources import cache_directory as c; p = c(); p.mkdir(parents=True, exist_ok=True); " \
        "(p / 'x').touch(); print(p)"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder for anybody; pytest's own lie in one for its user alone."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        yield Path(name)


def test_a_container_user_without_a_home_has_a_cache(open_folder):
    home, locked = open_folder / "home", open_folder / "locked"
    home.mkdir()
    os.chown(home, 54321, 54321)
    locked.mkdir(mode=0o700)
    temporary = str(open_folder / "hetnet_ros_54321")
    assert as_nobody(CACHE, TMPDIR=str(open_folder)) == temporary  # neither HOME nor an entry in the list of users
    assert as_nobody(CACHE, TMPDIR=str(open_folder), HOME="/nonexistent") == temporary
    assert as_nobody(CACHE, TMPDIR=str(open_folder), HOME=str(locked / "inner")) == temporary
    assert as_nobody(CACHE, TMPDIR=str(open_folder), HOME=str(home)) == f"{home}/.cache/hetnet_ros"


def test_a_cache_folder_that_somebody_else_made_is_not_taken(open_folder):
    (open_folder / "hetnet_ros_54321").mkdir(mode=0o777)  # by root, for whom the weights in it would be another's to choose
    os.chmod(open_folder / "hetnet_ros_54321", 0o777)
    assert as_nobody(CACHE, TMPDIR=str(open_folder)).startswith(f"{open_folder}/hetnet_ros_")
    assert os.listdir(open_folder / "hetnet_ros_54321") == []
