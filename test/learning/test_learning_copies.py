"""Copies of pictures count once: in what is held out, in folds, in a calibration anew, and in every promise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from bag_fixtures import write_bag
from model_fixtures import made_up_part, write_images

from hetnet_ros.cli.main import main
from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import load_artifact
from hetnet_ros.inspection.preprocessing import resize
from hetnet_ros.learning.bag_images import BagSource, load_bag_images
from hetnet_ros.learning.copies import copied_from, joined
from hetnet_ros.learning.good_images import load_good_images
from hetnet_ros.learning.preset import load_preset
from hetnet_ros.learning.recalibrate import recalibrate
from hetnet_ros.learning.teach import split

SIZE = 128


def part(seed: int) -> np.ndarray:
    """uint8 (240, 320, 3): a part with a grain of its own, under a camera with noise."""
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.normal(0, 60, (240, 320, 3)).astype(np.float32), (0, 0), 3)
    return np.clip(cv2.resize(made_up_part(seed), (320, 240)) + grain + rng.normal(0, 2, grain.shape), 0, 255).astype(np.uint8)


def one_byte(image: np.ndarray) -> np.ndarray:
    changed = image.copy()
    changed[11, 17, 1] ^= 255
    return changed


def stored_as_jpeg(quality: int):
    return lambda image: cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


WAYS = {
    "the same": lambda image: image, "one byte": one_byte, "jpeg 95": stored_as_jpeg(95), "jpeg 75": stored_as_jpeg(75),
    "brighter by one": lambda image: np.clip(image.astype(int) + 1, 0, 255).astype(np.uint8),
    "smaller": lambda image: cv2.resize(image, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA),
    "larger": lambda image: cv2.resize(image, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC),
    "a little noise": lambda image: np.clip(image + np.random.default_rng(1).normal(0, 0.3, image.shape), 0, 255).round().astype(np.uint8),
    "mirrored": lambda image: image[:, ::-1].copy(), "turned and stored as jpeg": lambda image: stored_as_jpeg(90)(np.rot90(image).copy()),
}


@pytest.mark.parametrize("way", WAYS)
def test_copies_are_told_from_each_other_and_from_other_parts(way):
    sound = [part(seed) for seed in range(6)]
    images = np.stack([resize(image, SIZE) for image in [*sound, *map(WAYS[way], sound)]])
    assert list(copied_from(images)) == [*range(6), *range(6)]


def test_other_parts_before_a_fixed_camera_are_no_copies():
    for draw in (part, made_up_part):  # with a grain of their own, and alike but for the place (nine places) and the camera's noise
        images = np.stack([resize(draw(seed), SIZE) for seed in range(40)])
        assert list(copied_from(images)) == list(range(40))


@pytest.mark.parametrize("gain", [0.3, 0.1])
def test_other_parts_are_no_copies_in_the_dark_either(gain):
    """Where everything is dark and flat, different parts are near each other too, in grey levels."""
    images = np.stack([resize((gain * part(seed) + 4).astype(np.uint8), SIZE) for seed in range(20)])
    assert list(copied_from(images)) == list(range(20))
    assert list(copied_from(np.concatenate([images, images]))) == [*range(20), *range(20)]


def test_two_exposures_of_a_smooth_part_that_did_not_move_are_no_copies():
    still = cv2.resize(made_up_part(0), (320, 240), interpolation=cv2.INTER_CUBIC)
    still = cv2.GaussianBlur(still, (0, 0), 6).astype(np.float32)
    rng = np.random.default_rng(0)
    images = np.stack([resize(np.clip(still + rng.normal(0, 3, still.shape), 0, 255).astype(np.uint8), SIZE) for _ in range(12)])
    assert list(copied_from(images)) == list(range(12))


def test_parts_that_share_a_copy_are_one_part():
    parts = np.array([0, 0, 1, 1, 2, 3, 4])
    copies = np.array([0, 1, 2, 1, 4, 5, 5])  # image 3, of part 1, is a copy of image 1, of part 0; image 6 one of 5
    assert [len(set(joined(parts, copies, 2)[list(some)])) for some in ((0, 1, 2, 3), (5, 6), (0, 4, 5))] == [1, 1, 3]
    assert joined(parts, np.arange(7), 2) is parts and joined(None, np.arange(3), 2) is None
    assert len(set(joined(parts, copies, 4))) == 5, "too few parts are left: copies alone are joined"


def four_times(images: list[np.ndarray]) -> list[np.ndarray]:
    return [way(image) for way in (WAYS["the same"], WAYS["jpeg 95"], one_byte, WAYS["the same"]) for image in images]


def test_a_folder_of_copies_teaches_and_promises_what_its_different_pictures_do(tmp_path, weights_cache, tiny_preset, capsys):
    folder = write_images(tmp_path / "good", four_times([made_up_part(seed) for seed in range(10)]))
    model = tmp_path / "disc.safetensors"
    held_of_ten = len(split(np.arange(10), load_preset(str(tiny_preset)).training.hold_out, 0)[1])
    for calibration, independent in (("split", held_of_ten), ("cross", 10)):
        assert main(["train", str(folder), "-o", str(model), "--preset", str(tiny_preset), "--steps", "4", "--device", "cpu",
                     "--calibration", calibration]) == 0
        assert "30 of 40 pictures are copies of others: 10 count" in capsys.readouterr().out
        assert len(load_artifact(model).card.calibration.good_scores) == independent


def test_too_few_different_pictures_are_refused(tmp_path):
    folder = write_images(tmp_path / "good", [made_up_part(seed) for seed in (1, 2, 3)] * 5)
    with pytest.raises(InputError, match="15 usable images, but only 3 different ones, the others are copies") as caught:
        load_good_images(folder, 64, 1000, progress=False)
    assert "\n" not in str(caught.value)


def test_frames_of_a_recording_that_repeat_are_one_part(tmp_path):
    write_bag(tmp_path / "bag", [made_up_part(seed) for seed in (*range(8), *range(8))])
    good = load_bag_images(BagSource(tmp_path / "bag"), 64, progress=False)
    assert good.copies == 8 and len(set(good.part_numbers)) == 8
    assert list(good.part_numbers[:8]) == list(good.part_numbers[8:])


def test_copies_do_not_calibrate_twice_nor_copies_of_taught_pictures_at_all(tiny_model, tmp_path, capsys):
    taught = [made_up_part(seed) for seed in range(16)]
    fresh = [made_up_part(seed) for seed in range(400, 409)]
    folder = write_images(tmp_path / "mixed", [*taught, *map(stored_as_jpeg(95), taught), *four_times(fresh)])
    report = recalibrate(tiny_model, tmp_path / "new.safetensors", folder, progress=False)
    held_out = load_artifact(tiny_model).card.training.held_out
    assert report.taught == 2 * (16 - held_out), "what was taught, and its copies"
    assert (report.good, report.copies) == (9 + held_out, 27 + held_out)
    few = write_images(tmp_path / "few", four_times(fresh[:5]))
    assert main(["calibrate", str(tiny_model), str(few), "-o", str(tmp_path / "few.safetensors")]) == 2
    assert "holds 5 different good images" in capsys.readouterr().err


def test_copies_of_a_defect_count_once(tiny_model, tmp_path, capsys):
    folder = write_images(tmp_path / "bad", four_times([made_up_part(seed, defect=True) for seed in range(200, 205)]))
    assert main(["calibrate", str(tiny_model), "--defects", str(folder), "-o", str(tmp_path / "m.safetensors")]) == 0
    said = capsys.readouterr()
    assert "left out: 15 images that are copies of others" in said.err
    counted = said.out.split("defects: ")[1].split(" (")[0]
    assert sum(int(word) for word in counted.split() if word.isdigit()) == 5
