"""Recordings that would become gigabytes, or never end: lost in one line, while the rest of the recording is read."""

from __future__ import annotations

import io
import os
import sqlite3
import struct
import tracemalloc

import numpy as np
import pytest
import yaml
import zstandard
from bag_fixtures import COMPRESSED, IMAGE, STORE, TOPIC, TYPES, header, write_bag
from model_fixtures import made_up_part
from PIL import Image
from rosbags.rosbag2 import StoragePlugin, Writer

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.bags import choose_topics, image_frames, open_bag
from hetnet_ros.inspection.bags.unpacking import FREE, TooMuch, most_unpacked, unpack_lz4, unpack_zstd

PICTURES = [made_up_part(index) for index in range(4)]
MOST_MB = 200
"""Far beyond what these recordings need (1 MB), and less than half of the smallest of their bombs."""


def frames_of(path) -> tuple[int, tuple[str, ...]]:
    """How many frames can be read, and what was lost."""
    bag = open_bag(path)
    return sum(frame.message is not None for frame in image_frames(bag, choose_topics(bag))), bag.losses


@pytest.fixture
def little_memory():
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_MB * 2**20


def zeros(size: int, named: bool = True) -> bytes:
    packer = zstandard.ZstdCompressor(write_content_size=named).compressobj(size=size if named else -1)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(size // 2**20)) + packer.flush()


@pytest.mark.parametrize("named", [True, False])
def test_a_packed_message_that_becomes_gigabytes_costs_that_one_frame(tmp_path, little_memory, named):
    folder = write_bag(tmp_path / "bag", PICTURES, storage="sqlite3", compression="message")
    with sqlite3.connect(folder / "bag.db3") as database:
        database.execute("UPDATE messages SET data = ? WHERE id = 2", (zeros(2**29, named),))
    database.close()
    count, losses = frames_of(folder)
    assert count == 3 and len(losses) == 1 and "cannot be unpacked" in losses[0]


@pytest.mark.parametrize("kind", ["VIEW", "computed", "rowid"])
def test_what_is_called_messages_must_be_a_plain_table(tmp_path, kind):
    folder = write_bag(tmp_path / "bag", PICTURES, storage="sqlite3")
    with sqlite3.connect(folder / "bag.db3") as database:
        database.execute("DROP TABLE messages")
        database.execute({
            "VIEW": "CREATE VIEW messages AS WITH RECURSIVE n(rowid) AS (VALUES(1) UNION ALL SELECT rowid + 1 FROM n) "
                    "SELECT rowid, 7 AS topic_id, 0 AS timestamp, x'00' AS data FROM n",
            "computed": "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp, data AS (zeroblob(900000000)))",
            "rowid": "CREATE TABLE messages(rowid TEXT, topic_id, timestamp, data)",
        }[kind])
        if kind != "VIEW":
            database.execute("INSERT INTO messages(topic_id, timestamp) VALUES (1, 1)")
    database.close()
    count, losses = frames_of(folder)
    assert count == 0 and ("is no table" in losses[0] or "is computed" in losses[0])


def test_a_value_that_is_longer_than_its_file_is_none(tmp_path, little_memory):
    """Its pages lead in a circle: SQLite would copy them into a gigabyte of memory."""
    path = tmp_path / "bag.db3"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE topics(id INTEGER PRIMARY KEY, name, type, serialization_format, offered_qos_profiles)")
        database.execute("INSERT INTO topics VALUES(1, ?, ?, 'cdr', '')", (TOPIC, IMAGE))
        database.execute("CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp, data)")
        database.execute("INSERT INTO messages VALUES(1, 1, 1, zeroblob(500000000))")
    database.close()
    with path.open("r+b") as file:
        page = struct.unpack(">H", file.read(18)[16:18])[0]
        begin = 5 * page  # an overflow page: its first four bytes name the next, from now on itself
        file.seek(begin)
        file.write(struct.pack(">I", 6))
        file.truncate(8 * page)
    assert path.stat().st_size < 2**16
    assert frames_of(path)[0] == 0


def test_a_pipe_among_the_files_of_a_recording_is_not_waited_for(tmp_path):
    folder = write_bag(tmp_path / "bag", PICTURES)
    (folder / "metadata.yaml").unlink()
    os.mkfifo(folder / "zz.mcap")
    os.mkfifo(folder / "zz.db3")
    try:
        count, losses = frames_of(folder)
    except InputError as error:
        assert "cannot be read" in str(error)
    else:
        assert count == 4 and any("zz" in line for line in losses)


def test_names_that_ros_does_not_have_are_left_out(tmp_path):
    folder = write_bag(tmp_path / "bag", PICTURES, storage="sqlite3")
    with sqlite3.connect(folder / "bag.db3") as database:
        for name in ("/a\x1b[31m", "/" + "n" * 10**6, "/two\nlines"):
            database.execute("INSERT INTO topics(name, type, serialization_format, offered_qos_profiles, type_description_hash) "
                             "VALUES (?, ?, 'cdr', '', '')", (name, IMAGE))
    database.close()
    bag = open_bag(folder)
    assert [topic.name for topic in bag.topics] == [TOPIC]
    assert len(bag.losses) == 3 and all(line.isprintable() and len(line) < 300 for line in bag.losses)


def test_metadata_that_is_a_bomb_does_not_hide_the_recording(tmp_path):
    folder = write_bag(tmp_path / "bag", PICTURES)
    good = (folder / "metadata.yaml").read_text()
    for bomb in ("[" * 100_000, "a: &a [1]\nb: *a\n" + good, "? " * 100_000, "x: " + "9" * 100_000 + "\n" + good):
        (folder / "metadata.yaml").write_text(bomb)
        count, losses = frames_of(folder)
        assert count == 4 and "metadata.yaml cannot be read" in losses[0]


def test_metadata_of_a_very_long_recording_is_read(tmp_path):
    """A week that was split every minute: 10,000 files, of which one is here."""
    folder = write_bag(tmp_path / "bag", PICTURES)
    content = yaml.safe_load((folder / "metadata.yaml").read_text())
    information = content["rosbag2_bagfile_information"]
    name = information["relative_file_paths"][0]
    information["relative_file_paths"] += [f"bag_{number}.mcap" for number in range(1, 10_081)]
    information["files"] = [{"path": path, "starting_time": {"nanoseconds_since_epoch": 1}, "duration": {"nanoseconds": 1},
                             "message_count": 1} for path in information["relative_file_paths"]]
    (folder / "metadata.yaml").write_text(yaml.dump(content, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)))
    bag = open_bag(folder)
    assert bag.topics[0].name == TOPIC and (folder / name).is_file()
    assert "is missing: metadata.yaml names it" in bag.losses[0]


def test_a_picture_in_a_recording_has_the_budget_of_any_other(tmp_path):
    buffer = io.BytesIO()
    Image.new("1", (13_000, 13_000)).save(buffer, "PNG")
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(TOPIC, COMPRESSED, typestore=STORE)
        message = TYPES[COMPRESSED](header(1), "png", np.frombuffer(buffer.getvalue(), np.uint8))
        writer.write(connection, 1, STORE.serialize_cdr(message, COMPRESSED))
    bag = open_bag(tmp_path / "bag")
    (frame,) = image_frames(bag, choose_topics(bag))
    with pytest.raises(InputError, match="13000x13000"):
        frame.rgb()


def test_what_compressed_data_may_become():
    lz4 = pytest.importorskip("lz4.frame")
    assert most_unpacked(10) == FREE and most_unpacked(10 * 2**20) == 500 * 2**20
    assert unpack_zstd(zeros(2**20)) == unpack_zstd(zeros(2**20, False)) == bytes(2**20)
    assert unpack_lz4(lz4.compress(bytes(2**20)), 2**20) == bytes(2**20)
    for bomb in (lambda: unpack_zstd(zeros(2**27)), lambda: unpack_zstd(zeros(2**20), 2**40),
                 lambda: unpack_lz4(lz4.compress(bytes(2**20)), 2**40), lambda: unpack_lz4(lz4.compress(bytes(2**20)), 1000)):
        with pytest.raises(TooMuch):
            bomb()
    with pytest.raises(zstandard.ZstdError):
        unpack_zstd(zeros(2**27, False))
