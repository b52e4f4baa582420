"""Recordings as users have them: without metadata, with files that it does not list, not yet closed, of ROS 1."""

from __future__ import annotations

import os
import shutil
import sqlite3

import numpy as np
import pytest
import yaml
from bag_fixtures import write_bag
from model_fixtures import made_up_part
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.typesys import Stores, get_typestore

from hetnet_ros.cli.main import main
from hetnet_ros.errors import InputError
from hetnet_ros.inspection.bags import choose_topics, image_frames, is_bag, open_bag

PICTURES = [made_up_part(index) for index in range(8)]


def read(path):
    bag = open_bag(path)
    return bag, [frame.rgb().copy() for frame in image_frames(bag, choose_topics(bag))]


def same(found, wanted) -> bool:
    return len(found) == len(wanted) and all(np.array_equal(*pair) for pair in zip(found, wanted))


def storage_file(folder):
    return next(file for file in sorted(folder.iterdir()) if file.name != "metadata.yaml")


def split(tmp_path, *sizes, storage="mcap", listed=None, compression="none"):
    """A recording in several files, ``run_0`` and so on, of which the metadata lists ``listed`` (default: all)."""
    names, begin = [], 0
    for number, size in enumerate(sizes):
        piece = write_bag(tmp_path / f"piece{number}", PICTURES[begin : begin + size], storage=storage, compression=compression)
        file, begin = storage_file(piece), begin + size
        names.append(f"run_{number}{''.join(file.suffixes)}")
        (tmp_path / "run").mkdir(exist_ok=True)
        shutil.move(file, tmp_path / "run" / names[-1])
    content = yaml.safe_load((piece / "metadata.yaml").read_text())
    content["rosbag2_bagfile_information"]["relative_file_paths"] = names if listed is None else [names[i] for i in listed]
    (tmp_path / "run" / "metadata.yaml").write_text(yaml.safe_dump(content))
    return tmp_path / "run"


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("alone", [False, True], ids=["in its folder", "alone"])
def test_packed_messages_are_unpacked_without_metadata_too(tmp_path, storage, alone):
    folder = write_bag(tmp_path / "bag", PICTURES[:3], storage=storage, compression="message")
    (folder / "metadata.yaml").unlink()
    path = storage_file(folder) if alone else folder
    assert same(read(path)[1], PICTURES[:3])


def test_files_that_the_metadata_does_not_list_are_read_in_order_and_told(tmp_path):
    folder = split(tmp_path, 2, 3, 1, listed=[0])
    bag, frames = read(folder)
    assert same(frames, PICTURES[:6])
    assert [line for line in bag.losses if "run_1.mcap" in line or "run_2.mcap" in line]
    assert all("metadata.yaml does not list" in line for line in bag.losses)


def test_a_file_that_was_lost_from_the_metadata_in_the_middle_keeps_its_place(tmp_path):
    assert same(read(split(tmp_path, 2, 2, 2, listed=[0, 2]))[1], PICTURES[:6])


@pytest.mark.parametrize("listed", [None, []], ids=["listed", "without metadata"])
def test_a_packed_file_and_its_unpacked_copy_count_once(tmp_path, listed):
    """ros2 bag play leaves the unpacked file of a recording with file compression beside the packed one."""
    folder = split(tmp_path, 2, 1, storage="sqlite3", compression="file")
    plain = write_bag(tmp_path / "plain", PICTURES[:2], storage="sqlite3")
    shutil.copy(storage_file(plain), folder / "run_0.db3")
    (folder / "._run_0.db3").write_bytes(b"what a Mac leaves on a stick")
    if listed is not None:
        (folder / "metadata.yaml").unlink()
    bag, frames = read(folder)
    assert same(frames, PICTURES[:3])
    assert any("run_0.db3 is left out" in line for line in bag.losses)


def test_a_listed_file_that_was_packed_or_unpacked_since_is_read(tmp_path):
    folder = split(tmp_path, 2, 2, storage="sqlite3", compression="file")
    plain = write_bag(tmp_path / "plain", PICTURES[:2], storage="sqlite3")
    shutil.move(storage_file(plain), folder / "run_0.db3")
    (folder / "run_0.db3.zstd").unlink()
    assert same(read(folder)[1], PICTURES[:4])


def unclosed(tmp_path, folder):
    """``folder``'s database as a recorder leaves it that was killed: the later half of its messages only in the -wal file."""
    file = storage_file(folder)
    database = sqlite3.connect(file)
    rows = database.execute("SELECT * FROM messages ORDER BY id").fetchall()
    database.execute("DELETE FROM messages WHERE id > 4")
    database.commit()
    assert database.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.executemany(f"INSERT INTO messages VALUES ({','.join('?' * len(rows[0]))})", rows[4:])
    database.commit()
    left = tmp_path / "left"
    shutil.copytree(folder, left)
    database.close()
    (left / f"{file.name}-shm").unlink()
    assert (left / f"{file.name}-wal").stat().st_size > 0
    return left


def snapshot(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.mark.parametrize("protected", [False, True])
@pytest.mark.parametrize("closed", [False, True])
def test_a_database_with_a_write_ahead_log_is_read_whole_and_nothing_is_written_beside_it(tmp_path, closed, protected):
    folder = write_bag(tmp_path / "bag", PICTURES, storage="sqlite3")
    if closed:
        with sqlite3.connect(storage_file(folder)) as database:
            database.execute("PRAGMA journal_mode = WAL")
        database.close()
    else:
        folder = unclosed(tmp_path, folder)
    before = snapshot(folder)
    if protected:
        folder.chmod(0o555)
    try:
        bag, frames = open_bag(folder), []
        for frame in image_frames(bag, choose_topics(bag)):
            frames.append(frame.rgb().copy())
            assert set(os.listdir(folder)) == set(before), "not even while it is read"
    finally:
        folder.chmod(0o755)
    assert same(frames, PICTURES) and bag.losses == ()
    assert snapshot(folder) == before


def test_a_database_with_a_rollback_journal_is_read_as_it_was_before_the_crash(tmp_path):
    folder = write_bag(tmp_path / "bag", PICTURES[:3], storage="sqlite3")
    file = storage_file(folder)
    database = sqlite3.connect(file)
    database.execute("PRAGMA cache_size = 1")  # the change goes to the file before it is committed
    database.execute("PRAGMA synchronous = OFF")
    database.execute("BEGIN")
    database.execute("UPDATE messages SET data = zeroblob(20000)")
    left = tmp_path / "left"
    shutil.copytree(folder, left)
    database.rollback()
    database.close()
    assert (left / f"{file.name}-journal").stat().st_size > 0
    before = snapshot(left)
    assert same(read(left)[1], PICTURES[:3]) and snapshot(left) == before


@pytest.fixture
def ros1_bag(tmp_path):
    store = get_typestore(Stores.ROS1_NOETIC)
    path = tmp_path / "monday.bag"
    with Ros1Writer(path) as writer:
        text = writer.add_connection("/words", "std_msgs/msg/String", typestore=store)
        message = store.types["std_msgs/msg/String"]("hello")
        writer.write(text, 1, store.serialize_ros1(message, "std_msgs/msg/String"))
    return path


@pytest.mark.parametrize("name", ["monday.bag", "renamed.db3", "renamed.mcap", "no_suffix", "folder"])
def test_a_ros_1_bag_is_named_as_such_with_what_converts_it(tmp_path, ros1_bag, name, capsys):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
        shutil.move(ros1_bag, path / "monday.bag")
    elif name != ros1_bag.name:
        shutil.move(ros1_bag, path)
    assert is_bag(path)
    with pytest.raises(InputError) as caught:
        open_bag(path)
    said = str(caught.value)
    assert "ROS 1" in said and "rosbags-convert --src" in said and "\n" not in said
    for command in (["replay", path, "--model", "m.safetensors"], ["label", path], ["train", path, "-o", tmp_path / "m.safetensors"]):
        assert main([str(word) for word in command]) == 2
        assert "ROS 1" in capsys.readouterr().err
