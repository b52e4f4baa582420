"""Cameras of 10, 12 and 14 bits in 16: noticed when a part is taught, told, kept in the model, and heeded in every inspection."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from bag_fixtures import BEGIN, COMPRESSED, IMAGE, STORE, TYPES, header, qos
from model_fixtures import made_up_part
from rosbags.interfaces import QosReliability
from rosbags.rosbag2 import StoragePlugin, Writer

from hetnet_ros.cli.main import main
from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.replay.offline import replay_offline
from hetnet_ros.inspection.artifact import card_from_values, load_artifact
from hetnet_ros.inspection.bags import choose_topics, open_bag
from hetnet_ros.inspection.card_bounds import check_card
from hetnet_ros.inspection.image_conversion import BadImage, compressed_to_rgb, image_to_rgb, largest_sample
from hetnet_ros.inspection.image_files import largest_sample as largest_in_file
from hetnet_ros.inspection.image_files import read_rgb
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.result import Verdict
from hetnet_ros.inspection.sample_depth import FULL, depth_of, to_8_bits
from hetnet_ros.learning.bag_images import BagSource, load_bag_images
from hetnet_ros.learning.good_images import load_good_images
from hetnet_ros.learning.recalibrate import recalibrate


def deep(rgb: np.ndarray, bits: int = 12) -> np.ndarray:
    """uint16: what a camera of ``bits`` sees where one of eight sees ``rgb``; its brightest pixel fills the range."""
    values = rgb.astype(np.uint16) << bits - 8
    values[0, 0] = (1 << bits) - 1
    return values


def write_deep(folder: Path, pictures: list[np.ndarray], suffix: str = ".png") -> Path:
    folder.mkdir(parents=True)
    for index, rgb in enumerate(pictures):
        cv2.imwrite(str(folder / f"{index:03d}{suffix}"), rgb[:, :, ::-1] if rgb.ndim == 3 else rgb)
    return folder


def message(values: np.ndarray, encoding: str, big: bool = False) -> SimpleNamespace:
    data = values.astype(">u2" if big else "<u2")
    return SimpleNamespace(height=values.shape[0], width=values.shape[1], encoding=encoding, is_bigendian=int(big),
                           step=data.nbytes // len(values), data=data.tobytes())


def write_deep_bag(path: Path, pictures: list[np.ndarray], packed: bool = False) -> Path:
    kind = COMPRESSED if packed else IMAGE
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/camera/image_raw", kind, typestore=STORE, offered_qos_profiles=[qos(QosReliability.RELIABLE)])
        for index, values in enumerate(pictures):
            stamp = BEGIN + index * 100_000_000
            if packed:
                sent = TYPES[COMPRESSED](header(stamp), "rgb16; png compressed bgr16", cv2.imencode(".png", values[:, :, ::-1])[1].reshape(-1))
            else:
                raw = np.ascontiguousarray(values).view(np.uint8).reshape(-1)
                sent = TYPES[IMAGE](header(stamp), values.shape[0], values.shape[1], "rgb16", 0, 6 * values.shape[1], raw)
            writer.write(connection, stamp, STORE.serialize_cdr(sent, kind))
    return path


@pytest.mark.parametrize("largest, bits", [(None, 16), (255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16384, 16),
                                           (65520, 16), (65535, 16)])
def test_the_depth_is_the_least_that_holds_all_values(largest, bits):
    assert depth_of(largest) == bits  # 65520: twelve bits aligned to the upper ones


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_whole_range_becomes_the_whole_range(bits):
    most = (1 << bits) - 1
    values = np.arange(most + 1, dtype=np.uint16)
    found = to_8_bits(values, bits)
    assert found[0] == 0 and found[-1] == 255 and (np.diff(found.astype(int)) >= 0).all() and len(np.unique(found)) == 256
    np.testing.assert_allclose(found, values * (255 / most), atol=0.5)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_a_file_of_twelve_bits_keeps_its_grey_levels(tmp_path, suffix, grey):
    rgb = made_up_part(3)
    rgb = rgb[:, :, 0] if grey else rgb
    path = next(write_deep(tmp_path / "d", [deep(rgb)], suffix).iterdir())
    assert largest_in_file(path) == 4095
    found = read_rgb(path, 12)
    expected = np.dstack([rgb] * 3) if grey else rgb
    assert np.abs(found.astype(int) - expected)[1:].max() <= 1  # 16 v of 4095 is 0.4 % more than v of 255: one level at most
    with pytest.raises(InputError, match=r"a 16-bit value is 4095, but the part was taught on 10 bits, 0 to 1023: .*--bits 12"):
        read_rgb(path, 10)


@pytest.mark.parametrize("values", [made_up_part(1), deep(made_up_part(1), 16), deep(made_up_part(1), 16)[:, :, 1]], ids=["8", "rgb16", "mono16"])
def test_other_files_are_read_as_ever(tmp_path, values):
    path = next(write_deep(tmp_path / "d", [values]).iterdir())
    largest = largest_in_file(path)
    assert largest == (None if values.dtype == np.uint8 else 65535)
    np.testing.assert_array_equal(read_rgb(path, depth_of(largest)), read_rgb(path))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", ["mono16", "16UC1", "rgb16", "bgr16", "rgba16", "bayer_rggb16"])
def test_a_topic_of_twelve_bits_keeps_its_grey_levels_and_what_exceeds_them_is_refused(encoding, big):
    channels = {"rgb16": 3, "bgr16": 3, "rgba16": 4}.get(encoding, 1)
    grey = made_up_part(5)[:, :, 1]
    values = np.repeat(deep(grey)[:, :, None], channels, axis=2) if channels > 1 else deep(grey)
    sent = message(values, encoding, big)
    assert largest_sample(sent) == 4095
    found = image_to_rgb(sent, bits=12)
    middle = found[20:-20, 20:-20]
    assert len(np.unique(middle)) > 80  # 16 levels in all when scaled over 16 bits
    if "bayer" not in encoding:
        assert np.abs(found[1:].astype(int) - grey[1:, :, None]).max() <= 1
    with pytest.raises(BadImage, match="a 16-bit value is 4095") as caught:
        image_to_rgb(sent, bits=10)
    assert caught.value.cause == "too_deep"


@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_a_compressed_topic_is_held_to_the_depth_as_well(grey):
    rgb = made_up_part(2)
    values = deep(rgb[:, :, 0] if grey else rgb)
    data = cv2.imencode(".png", values if grey else values[:, :, ::-1])[1].tobytes()
    assert largest_sample(SimpleNamespace(format="png", data=data)) == 4095
    found = compressed_to_rgb(data, "png", 12)
    assert np.abs(found[1:].astype(int) - (rgb[1:, :, :1] if grey else rgb[1:])).max() <= 1
    with pytest.raises(BadImage) as caught:
        compressed_to_rgb(data, "png", 8)
    assert caught.value.cause == "too_deep"


def test_the_depth_is_that_of_all_pictures_together(tmp_path):
    dark = [deep(np.roll(made_up_part(seed), 8 * seed, axis=1) // 4) for seed in range(5)]
    for values in dark:
        values[0, 0] = 0  # each alone would pass for ten bits
    folder = write_deep(tmp_path / "good", [*dark, deep(made_up_part(9))])
    good = load_good_images(folder, 64, 100, progress=False)
    assert (good.sample_bits, good.largest_sample) == (12, 4095)
    assert good.images[:5].max() < 80, "a dark picture stays dark"
    assert load_good_images(folder, 64, 100, progress=False, bits=FULL).images.max() < 20


@pytest.fixture(scope="module")
def deep_model(tmp_path_factory, weights_cache, tiny_preset):
    """A model taught on pictures of twelve bits, and what the command said."""
    import contextlib
    import io

    root = tmp_path_factory.mktemp("deep")
    folder = write_deep(root / "good", [deep(made_up_part(seed)) for seed in range(16)])
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main(["train", str(folder), "-o", str(root / "deep.safetensors"), "--preset", str(tiny_preset), "--device", "cpu"]) == 0
    return root / "deep.safetensors", said.getvalue()


def test_the_depth_is_told_and_kept_in_the_model(deep_model):
    model, said = deep_model
    assert "the 16-bit pictures use 12 bits (largest value 4095): 0 to 4095 becomes 0 to 255, scaled by 16" in said
    assert load_artifact(model).card.sample_bits == 12


def test_predict_reads_files_as_the_model_was_taught(deep_model, tmp_path, capsys):
    model, _ = deep_model
    write_deep(tmp_path / "in", [deep(made_up_part(100)), deep(made_up_part(200, defect=True)), deep(made_up_part(101), 14)])
    assert main(["predict", str(model), str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--json", str(tmp_path / "out.json")]) == 2
    good, bad, too_deep = json.loads((tmp_path / "out.json").read_text())["images"]
    assert good["verdict"] != "REJECT" and good["reason"] in ("", "borderline")
    assert bad["raw_score"] > good["raw_score"] and bad["verdict"] != "PASS"
    assert (too_deep["verdict"], too_deep["reason"]) == ("UNCERTAIN", "bad_image") and "--bits 14" in too_deep["detail"]
    assert "--bits 14" in capsys.readouterr().err


def test_a_replay_reads_topics_as_the_model_was_taught(deep_model, tmp_path):
    inspector = PartInspector.load(deep_model[0], "cpu")
    bag = open_bag(write_deep_bag(tmp_path / "bag", [deep(made_up_part(100)), deep(made_up_part(102), 14)]))
    first, second = replay_offline(inspector, bag, choose_topics(bag)).frames
    assert first.reason in ("", "borderline") and np.isfinite(first.raw_score)
    assert (second.verdict, second.reason) == (Verdict.UNCERTAIN, "bad_image")


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "png"])
def test_a_recording_is_taught_by_the_bits_it_uses(tmp_path, packed):
    bag = write_deep_bag(tmp_path / "bag", [deep(made_up_part(seed), 14) for seed in range(6)], packed)
    good = load_bag_images(BagSource(bag), 64, progress=False)
    assert (good.sample_bits, good.largest_sample) == (14, 16383) and good.images.mean() > 80


def test_calibrating_anew_reads_pictures_as_the_model_was_taught(deep_model, tmp_path):
    folder = write_deep(tmp_path / "more", [deep(made_up_part(seed)) for seed in range(500, 510)])
    report = recalibrate(deep_model[0], tmp_path / "new.safetensors", folder, progress=False)
    assert report.good == 10 and load_artifact(tmp_path / "new.safetensors").card.sample_bits == 12
    taught = load_artifact(deep_model[0]).card.calibration
    assert report.calibration.good_scores[0] < 10 * taught.good_scores[-1]  # black pictures would score far off


def test_a_camera_that_fills_fewer_bits_than_were_taught_never_passes(deep_model):
    inspector = PartInspector.load(deep_model[0], "cpu")
    faint = image_to_rgb(message(deep(made_up_part(100), 8), "rgb16"), bits=12)  # eight bits where there were twelve
    assert inspector.inspect(faint).verdict == Verdict.UNCERTAIN and "dark" in inspector.inspect(faint).reason


def test_frames_are_written_out_for_teaching_with_all_their_grey_levels(tmp_path, capsys):
    bag = write_deep_bag(tmp_path / "bag", [deep(made_up_part(1))])
    assert main(["label", str(bag), "--extract", str(tmp_path / "frames")]) == 0
    assert "use 12 bits" in capsys.readouterr().out
    found = read_rgb(tmp_path / "frames" / "frame_000000.png")
    assert np.abs(found[1:].astype(int) - made_up_part(1)[1:]).max() <= 1


def test_models_of_before_take_all_sixteen_bits(tiny_model):
    values = json.loads(json.dumps(dataclasses.asdict(load_artifact(tiny_model).card))) | {"format_version": 4}
    del values["sample_bits"]
    assert card_from_values(values).sample_bits == FULL


@pytest.mark.parametrize("wrong", [11, 0, 12.0, "12", None])
def test_a_card_with_a_depth_that_no_camera_has_is_refused(tiny_model, wrong):
    values = json.loads(json.dumps(dataclasses.asdict(load_artifact(tiny_model).card))) | {"sample_bits": wrong}
    with pytest.raises((ValueError, TypeError)):
        check_card(card_from_values(values))
