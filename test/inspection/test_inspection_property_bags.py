"""Any recording, damaged anywhere: the messages that can be read, a bounded list of what was lost, or one line."""

from __future__ import annotations

import functools
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from bag_fixtures import BEGIN, TOPIC, write_bag, write_chunked_mcap
from hostile_values import changed, damaged, read_or_refused, texts, values, yaml_files
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import MOST_IN_LINE
from hetnet_ros.inspection.bags import image_frames, open_bag
from hetnet_ros.inspection.bags.frames import choose_topics, largest_sample
from hetnet_ros.inspection.bags.layout import is_bag
from hetnet_ros.inspection.bags.recorded_parts import recorded_parts
from hetnet_ros.inspection.bags.records import Losses, is_reliable
from hetnet_ros.inspection.image_conversion import BadImage

PICTURES = [np.full((6, 8, 3), level, np.uint8) for level in (10, 20, 30)]
MOST_MESSAGES = 10_000
"""More than any of these small files can hold."""


def read_all(path: Path) -> int | None:
    """How many frames can be read of a bag, looking into everything; None where it is refused."""
    assert is_bag(path) in (True, False)
    bag = read_or_refused(lambda: open_bag(path))
    if bag is None:
        return None
    assert bag.topics and all(topic.name.isprintable() and topic.type.isprintable() for topic in bag.topics)
    topics = read_or_refused(lambda: choose_topics(bag))
    count = 0
    for frame in image_frames(bag, topics or ()):
        count += 1
        assert count < MOST_MESSAGES and type(frame.log_ns) is int and type(frame.stamp_ns) is int
        try:
            assert frame.rgb().dtype == np.uint8 and frame.rgb().ndim == 3
        except BadImage as error:
            assert str(error).isprintable()
    for read in (lambda: largest_sample(image_frames(bag, topics or ())), lambda: recorded_parts(bag)):
        read_or_refused(read)
    assert all(line.isprintable() and len(line) <= MOST_IN_LINE + 100 for line in bag.losses) and len(bag.losses) <= Losses.LIMIT + 1
    return count


@functools.cache
def original(kind: str) -> bytes:
    """The bytes of a small recording."""
    with tempfile.TemporaryDirectory() as name:
        bag = Path(name) / "bag"
        if kind == "chunked.mcap":
            write_chunked_mcap(bag.with_suffix(".mcap"), PICTURES)
            return bag.with_suffix(".mcap").read_bytes()
        write_bag(bag, PICTURES, storage="sqlite3" if "db3" in kind else "mcap", packed_images=kind == "packed.mcap",
                  compression={"mcap.zstd": "file", "packed.db3": "message"}.get(kind, "none"))
        return next(path for path in bag.iterdir() if path.suffix != ".yaml").read_bytes()


KINDS = ("mcap", "db3", "mcap.zstd", "packed.db3", "packed.mcap", "chunked.mcap")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_damaged_here_can_be_read(tmp_path, kind):
    path = tmp_path / f"bag.{kind}"
    path.write_bytes(original(kind))
    assert read_all(path) == 3


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=settings.default.max_examples // 4)
@given(data=st.data())
def test_a_damaged_storage_file_gives_what_can_be_read(tmp_path, kind, data):
    path = tmp_path / f"bag.{kind}"
    path.write_bytes(data.draw(damaged(original(kind))))
    count = read_all(path)
    assert count is None or count <= 400


METADATA = {"rosbag2_bagfile_information": {
    "version": 9, "storage_identifier": "sqlite3", "relative_file_paths": ["bag_0.db3", "bag_1.db3"], "compression_format": "",
    "compression_mode": "", "duration": {"nanoseconds": 1}, "starting_time": {"nanoseconds_since_epoch": BEGIN}, "message_count": 3,
    "topics_with_message_count": [{"topic_metadata": {"name": TOPIC, "type": "sensor_msgs/msg/Image", "serialization_format": "cdr",
                                                      "offered_qos_profiles": []}, "message_count": 3}]}}


def paths(*names: Any) -> bytes:
    return yaml.safe_dump({"rosbag2_bagfile_information": {"relative_file_paths": list(names)}}).encode()


@settings(max_examples=settings.default.max_examples // 2)
@given(yaml_files(METADATA), st.booleans())
@example(paths("n" * 5000), True)
@example(paths("n" * 5000 + "\0"), False)
@example(paths("a\0b"), True)
@example(paths("../bag_0.db3", "/etc/passwd", ".", ""), True)
@example(paths({"a": 1}, None, 5), True)
@example(b"rosbag2_bagfile_information: {relative_file_paths: bag_0.db3}", True)
@example(b"rosbag2_bagfile_information: {relative_file_paths: {bag_0.db3: 1}, compression_mode: [message]}", True)
@example(b"rosbag2_bagfile_information: !!bool x", True)
@example(b"\xff\xfe", True)
def test_any_metadata_leaves_the_frames_readable(tmp_path, metadata, whole):
    """What it says of files is a hint: the frames in the folder are read whatever it holds."""
    folder = tmp_path / "bag"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "bag_0.db3").write_bytes(original("db3"))
    (folder / "metadata.yaml").write_bytes(metadata)
    packed = b"message" in metadata.lower()
    assert read_all(folder if whole else folder / "bag_0.db3") == 3 or packed


texts_or_values = st.one_of(texts.filter(lambda text: text.isprintable()), st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(),
                            st.binary(max_size=40))


@given(st.lists(st.tuples(texts_or_values, texts_or_values, texts_or_values, texts_or_values), max_size=4),
       st.lists(st.tuples(texts_or_values, texts_or_values, texts_or_values), max_size=5))
@example([(1, TOPIC, "sensor_msgs/msg/Image", "- reliability: 2")],
         [(1, -(2**63), b""), (1, 0, b"\0\1\0\0"), (1, 1.5, b"\0"), (2, 1, b"\x28\xb5\x2f\xfd")])
@example([(1, "/inspection", "hetnet_ros/msg/Inspection", "")], [(1, 1, b""), (1, 1, b"\0\1\0\0" + b"\xff" * 40)])
@example([(None, None, None, None)], [(None, None, None)])
@example([(1, TOPIC, "sensor_msgs/msg/Image", "!!bool x")], [(1, 1, b"\0\1\0\0" + b"\xff" * 60)])
def test_a_database_of_any_values_is_read_or_refused(tmp_path, topics, messages):
    path = tmp_path / "any.db3"
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE topics (id, name, type, serialization_format, offered_qos_profiles)")
        database.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, topic_id, timestamp, data)")
        database.executemany("INSERT INTO topics VALUES (?, ?, ?, 'cdr', ?)", topics)
        database.executemany("INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", messages)
    database.close()
    count = read_all(path)
    assert count is None or count <= len(messages)


@given(st.one_of(values, texts, changed([{"history": 3, "reliability": 2, "depth": 5}]), changed([{"reliability": "best_effort"}]).map(str)))
@example("!!bool x")
@example("- {reliability: !!int ''}")
@example([{"reliability": ["2"]}])
@example([[1]])
@example(5)
def test_any_profile_is_reliable_or_not(profiles):
    assert is_reliable(profiles) in (True, False)


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b.mcap", "", "bag.mcap/bag.mcap", "~nobody/x.db3"])
def test_a_path_that_is_none_is_one_line(tmp_path, name):
    (tmp_path / "bag.mcap").write_bytes(b"")
    for path in (tmp_path / name, name):
        is_bag(Path(path))
        with pytest.raises(InputError) as caught:
            open_bag(path)
        assert str(caught.value).isprintable() and len(str(caught.value)) <= MOST_IN_LINE + 100
