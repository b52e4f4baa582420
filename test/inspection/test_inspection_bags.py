"""Recordings of every kind are read, whole or damaged; what is lost is told, and nothing ends in a traceback or a hang."""

from __future__ import annotations

import shutil
import sqlite3

import numpy as np
import pytest
import yaml
from bag_fixtures import BEGIN, IMAGE, STEP, STORE, TOPIC, TYPES, header, write_bag, write_chunked_mcap
from model_fixtures import made_up_part
from rosbags.interfaces import QosReliability
from rosbags.rosbag2 import StoragePlugin, Writer

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.bags import choose_topics, image_frames, is_bag, open_bag

PICTURES = [made_up_part(index) for index in range(12)]


def read(path, *topics):
    """The bag and all its frames, decoded where they can be."""
    bag = open_bag(path)
    frames = []
    for frame in image_frames(bag, choose_topics(bag, topics)):
        try:
            frames.append((frame, frame.rgb().copy()))
        except InputError:
            frames.append((frame, None))
    return bag, frames


def storage_file(folder):
    return next(file for file in sorted(folder.iterdir()) if file.name != "metadata.yaml")


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compression", ["none", "message", "file", "storage"])
def test_every_storage_and_compression_gives_the_same_frames(tmp_path, storage, compression):
    if (storage, compression) == ("sqlite3", "storage"):
        pytest.skip("sqlite3 has no compression of its own")
    write_bag(tmp_path / "bag", PICTURES, storage=storage, compression=compression)
    bag, frames = read(tmp_path / "bag")
    assert bag.losses == ()
    assert [frame.index for frame, _ in frames] == list(range(12))
    assert [frame.stamp_ns for frame, _ in frames] == [BEGIN + index * STEP for index in range(12)]
    assert all(np.array_equal(rgb, picture) for (_, rgb), picture in zip(frames, PICTURES))


def test_a_single_storage_file_is_a_bag_too(tmp_path):
    write_bag(tmp_path / "bag", PICTURES[:3], compression="message")
    assert is_bag(storage_file(tmp_path / "bag"))
    assert len(read(storage_file(tmp_path / "bag"))[1]) == 3


def test_compressed_images_are_decoded(tmp_path):
    write_bag(tmp_path / "bag", PICTURES[:3], packed_images=True)
    assert all(np.array_equal(rgb, picture) for (_, rgb), picture in zip(read(tmp_path / "bag")[1], PICTURES))


@pytest.mark.parametrize("reliability", [QosReliability.RELIABLE, QosReliability.BEST_EFFORT])
@pytest.mark.parametrize(("storage", "version"), [("mcap", 8), ("mcap", 9), ("sqlite3", 8), ("sqlite3", 9)])
def test_the_recorded_reliability_is_known(tmp_path, reliability, storage, version):
    write_bag(tmp_path / "bag", PICTURES[:1], storage=storage, version=version, reliability=reliability)
    assert open_bag(tmp_path / "bag").topics[0].reliable == (reliability == QosReliability.RELIABLE)


@pytest.mark.parametrize("version", range(4, 10))
@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_metadata_of_every_distribution_opens(tmp_path, version, storage):
    """Version 4 is Galactic's and Humble's, 5 to 8 came up to Jazzy, 9 is Kilted's; each added or reshaped keys, and
    the tables of sqlite3 grew with them."""
    folder = write_bag(tmp_path / "bag", PICTURES[:4], storage=storage, version=9 if version == 9 else 8)
    path = folder / "metadata.yaml"
    content = yaml.safe_load(path.read_text())
    information = content["rosbag2_bagfile_information"]
    information["version"] = version
    for topic in information["topics_with_message_count"]:
        if version < 7:
            topic["topic_metadata"].pop("type_description_hash", None)
        if version < 9:
            topic["topic_metadata"]["offered_qos_profiles"] = "- history: 1\n  depth: 5\n  reliability: 1\n"
    if version < 5:
        information.pop("files", None)
    if version < 6:
        information.pop("custom_data", None)
    if version < 8:
        information.pop("ros_distro", None)
    path.write_text(yaml.safe_dump(content))
    if storage == "sqlite3" and version < 7:
        with sqlite3.connect(storage_file(folder)) as database:
            for table in ("message_definitions", "metadata", "schema"):
                database.execute(f"DROP TABLE {table}")
            database.execute("ALTER TABLE topics DROP COLUMN type_description_hash")
    bag, frames = read(folder)
    assert bag.losses == () and len(frames) == 4


def test_a_bag_of_several_files_is_read_in_the_order_of_the_metadata(tmp_path):
    folder = write_bag(tmp_path / "bag", PICTURES[:3])
    second = write_bag(tmp_path / "more", PICTURES[3:5])
    shutil.move(storage_file(second), folder / "bag_1.mcap")
    path = folder / "metadata.yaml"
    content = yaml.safe_load(path.read_text())
    content["rosbag2_bagfile_information"]["relative_file_paths"].append("recorded/into/bag_1.mcap")
    path.write_text(yaml.safe_dump(content))
    assert len(read(folder)[1]) == 5
    (folder / "bag_1.mcap").unlink()
    bag, frames = read(folder)
    assert len(frames) == 3 and any("bag_1.mcap is missing" in line for line in bag.losses)


@pytest.mark.parametrize("text", [None, "{broken: [", "rosbag2_bagfile_information: 7", "\x00\xff"])
def test_without_usable_metadata_the_files_in_the_folder_are_read(tmp_path, text):
    folder = write_bag(tmp_path / "bag", PICTURES[:3], storage="sqlite3")
    (folder / "metadata.yaml").unlink()
    if text is not None:
        (folder / "metadata.yaml").write_text(text, encoding="latin-1")
    bag, frames = read(folder)
    assert len(frames) == 3 and "metadata.yaml" in bag.losses[0]


def test_an_mcap_without_an_index_is_read_whole(tmp_path):
    whole = write_chunked_mcap(tmp_path / "whole.mcap", PICTURES)
    data = whole.read_bytes()
    cut = tmp_path / "cut.mcap"  # the summary and footer never written, as after a crash
    from mcap.reader import make_reader

    with whole.open("rb") as stream:
        last = max(index.chunk_start_offset + index.chunk_length + index.message_index_length
                   for index in make_reader(stream).get_summary().chunk_indexes)
    cut.write_bytes(data[:last])
    bag, frames = read(cut)
    assert len(frames) == 12 and all(rgb is not None for _, rgb in frames)
    assert any("cut short" in line for line in bag.losses)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3", "chunked"])
@pytest.mark.parametrize("part", range(20))
def test_a_bag_cut_anywhere_gives_what_is_left_or_one_clear_line(tmp_path, storage, part):
    if storage == "chunked":
        path = write_chunked_mcap(tmp_path / "bag.mcap", PICTURES)
    else:
        path = storage_file(write_bag(tmp_path / "bag", PICTURES, storage=storage))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * part // 20])
    try:
        bag, frames = read(path)
    except InputError as error:
        assert "\n" not in str(error)
        assert part <= 4 or storage != "chunked"
        return
    usable = sum(rgb is not None for _, rgb in frames)
    assert usable < 12 and bag.losses
    if storage == "chunked":
        assert usable >= 12 * part // 20 - 3  # a chunk holds two frames


@pytest.mark.parametrize("storage", ["mcap", "sqlite3", "chunked"])
@pytest.mark.parametrize("seed", range(12))
def test_flipped_bytes_cost_frames_and_never_more(tmp_path, storage, seed):
    if storage == "chunked":
        path = write_chunked_mcap(tmp_path / "bag.mcap", PICTURES)
    else:
        path = storage_file(write_bag(tmp_path / "bag", PICTURES, storage=storage))
    rng = np.random.default_rng(seed)
    data = np.frombuffer(path.read_bytes(), np.uint8).copy()
    places = rng.integers(0, len(data), 3) if seed < 6 else rng.integers(0, min(len(data), 5000), 40)
    data[places] ^= rng.integers(1, 256, len(places)).astype(np.uint8)
    path.write_bytes(data.tobytes())
    try:
        _, frames = read(path)
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert len(frames) <= 12


def test_a_damaged_chunk_costs_only_its_own_frames(tmp_path):
    path = write_chunked_mcap(tmp_path / "bag.mcap", [made_up_part(index) for index in range(40)])
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8] = b"\xff" * 8
    path.write_bytes(data)
    bag, frames = read(path)
    assert 30 <= len(frames) < 40
    assert any("damaged" in line for line in bag.losses) and any("of 40 messages" in line for line in bag.losses)


def test_a_damaged_sqlite_page_costs_only_its_own_frames(tmp_path):
    path = storage_file(write_bag(tmp_path / "bag", [made_up_part(index) for index in range(40)], storage="sqlite3"))
    data = bytearray(path.read_bytes())
    for page in range(len(data) // 4096 // 2, len(data) // 4096 // 2 + 3):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(data)
    bag, frames = read(path)
    assert 20 <= len(frames) <= 40


def test_backward_stamps_do_not_matter(tmp_path):
    stamps = [BEGIN + (11 - index) * STEP for index in range(12)]
    write_bag(tmp_path / "bag", PICTURES, stamps=stamps)
    assert [frame.stamp_ns for frame, _ in read(tmp_path / "bag")[1]] == stamps


def test_an_image_that_lies_about_itself_is_a_bad_frame(tmp_path):
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(TOPIC, IMAGE, typestore=STORE)
        lie = TYPES[IMAGE](header(BEGIN), 480, 640, "rgb8", 0, 1920, np.zeros(100, np.uint8))
        writer.write(connection, BEGIN, STORE.serialize_cdr(lie, IMAGE))
        writer.write(connection, BEGIN, b"\x00\x01\x00\x00garbage")
    bag, frames = read(tmp_path / "bag")
    assert [rgb for _, rgb in frames] == [None, None]
    assert "cannot be deserialised" in bag.losses[0]


def test_the_choice_of_topics(tmp_path):
    two = write_bag(tmp_path / "two", PICTURES[:2], topics=("/left/image", "/right/image", "/left/depth"))
    with pytest.raises(InputError, match="choose with --topic from: /left/image, /right/image"):
        read(two)
    assert len(read(two, "/right/image")[1]) == 2
    assert len(read(two, "/left/image", "/right/image")[1]) == 4
    with pytest.raises(InputError, match="/up/image is not in the bag; its image topics: /left/image"):
        read(two, "/up/image")
    one = write_bag(tmp_path / "one", PICTURES[:2], topics=("/camera/image_raw", "/camera/depth/image_raw"))
    assert read(one)[1][0][0].topic == "/camera/image_raw"


def test_topics_of_another_type_and_empty_topics_are_told(tmp_path):
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        words = writer.add_connection("/words", "std_msgs/msg/String", typestore=STORE)
        writer.add_connection("/camera/image_raw", IMAGE, typestore=STORE)
        writer.write(words, BEGIN, STORE.serialize_cdr(TYPES["std_msgs/msg/String"]("hi"), "std_msgs/msg/String"))
    assert read(tmp_path / "bag")[1] == []
    with pytest.raises(InputError, match="/words is of type std_msgs/msg/String, no image"):
        read(tmp_path / "bag", "/words")


@pytest.mark.parametrize("name", ["nothing.mcap", "text.txt", "empty.mcap", "empty.db3", "noise.mcap", "noise.db3", "folder"])
def test_what_is_no_bag_is_one_line(tmp_path, name):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif name.startswith("noise"):
        path.write_bytes(np.random.default_rng(0).bytes(5000))
    elif name != "nothing.mcap":
        path.write_bytes(b"" if name.startswith("empty") else b"hello")
    with pytest.raises(InputError) as caught:
        read(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
