"""A replay or an extraction of which most frames could not be read does not end as if all were well."""

from __future__ import annotations

import json

import pytest
from bag_fixtures import BEGIN, COMPRESSED, STEP, STORE, TOPIC, TYPES, header, png_image, write_chunked_mcap
from model_fixtures import made_up_part
from rosbags.rosbag2 import StoragePlugin, Writer

from hetnet_ros.cli.main import main


def write(path, readable):
    """A recording with a frame for each truth in ``readable``; the others are cut short."""
    import numpy as np

    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(TOPIC, COMPRESSED, typestore=STORE)
        for index, whole in enumerate(readable):
            stamp = BEGIN + index * STEP
            message = png_image(made_up_part(index), stamp)
            if not whole:
                message = TYPES[COMPRESSED](header(stamp), "png", np.array(message.data[:200]))
            writer.write(connection, stamp, STORE.serialize_cdr(message, COMPRESSED))
    return path


@pytest.mark.parametrize(("readable", "code"), [((1, 0, 0), 2), ((0, 0, 0), 2), ((1, 0), 0), ((1, 1, 0), 0)])
def test_the_exit_code_tells_that_most_frames_were_unreadable(tmp_path, tiny_model, capsys, readable, code):
    bag, results = write(tmp_path / "bag", readable), tmp_path / "r.json"
    assert main(["replay", str(bag), "--model", str(tiny_model), "--json", str(results), "--device", "cpu"]) == code
    errors = capsys.readouterr().err
    assert errors.count("could not be read") == (code == 2) and errors.count("hetnet: error: ") == (code == 2)
    assert len(json.loads(results.read_text())["frames"]) == len(readable), "the result is written all the same"
    assert main(["label", str(bag), "--extract", str(tmp_path / "frames")]) == code


def test_frames_that_are_lost_with_their_chunks_count(tmp_path, tiny_model, capsys):
    path = write_chunked_mcap(tmp_path / "bag.mcap", [made_up_part(index) for index in range(10)])
    data = bytearray(path.read_bytes())
    from mcap.reader import make_reader

    with path.open("rb") as stream:
        chunks = make_reader(stream).get_summary().chunk_indexes
    for chunk in chunks[1:]:  # the first, with two of ten frames, stays
        middle = chunk.chunk_start_offset + chunk.chunk_length // 2
        data[middle : middle + 8] = b"\xff" * 8
    path.write_bytes(data)
    assert main(["replay", str(path), "--model", str(tiny_model), "--device", "cpu"]) == 2
    assert "8 of 10 frames" in capsys.readouterr().err
