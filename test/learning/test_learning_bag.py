"""Teaching from a recording: few frames, unlike each other, and only those that show good parts."""

from __future__ import annotations

import numpy as np
import pytest
from bag_fixtures import BEGIN, write_bag, write_label_file
from model_fixtures import made_up_part

from hetnet_ros.cli.main import main
from hetnet_ros.errors import InputError
from hetnet_ros.learning.bag_images import STRETCHES, BagSource, load_bag_images, most_diverse, parts_of


def test_the_chosen_frames_are_the_most_different_ones():
    """Three stops of the robot, of 50, 5 and 1 frames: one of each comes before a second of any."""
    rng = np.random.default_rng(0)
    points = np.concatenate([place + rng.normal(0, 1, (count, 8)) for place, count in ((0, 50), (100, 5), (-80, 1))])
    assert sorted(np.searchsorted([50, 55, 56], most_diverse(points, 3), side="right")) == [0, 1, 2]
    assert list(most_diverse(points, 99)) == list(range(56))


def test_a_long_stop_does_not_crowd_out_a_short_one(tmp_path):
    bright = [np.clip(made_up_part(i).astype(int) + 60, 0, 255).astype(np.uint8) for i in range(2)]
    write_bag(tmp_path / "bag", [made_up_part(i) for i in range(38)] + bright)
    good = load_bag_images(BagSource(tmp_path / "bag", most=4), 64, progress=False)
    assert good.images.shape == (4, 64, 64, 3) and good.min_size == (96, 128)
    assert {path.name for path in good.paths} & {"38", "39"}


def test_frames_of_one_part_are_told_to_be_so():
    known = {0: "a", 1: "a", 2: "b", 5: "c", 6: "d"}
    assert list(parts_of([0, 1, 2, 5, 6], known)) == [0, 0, 1, 2, 3]
    assert len(set(parts_of(list(range(120)), {}))) == STRETCHES, "unknown parts: stretches of neighbours"
    assert list(parts_of([0, 1, 2, 3], {n: "one" for n in range(4)})) == [0, 1, 2, 3], "one part alone cannot be held out"


def test_only_usable_frames_are_taken_and_problems_are_told(tmp_path):
    pictures = [made_up_part(i) for i in range(8)]
    pictures[3] = np.zeros((8, 8, 3), np.uint8)
    write_bag(tmp_path / "bag", pictures)
    good = load_bag_images(BagSource(tmp_path / "bag", usable=frozenset(range(7))), 64, progress=False)
    assert [path.name for path in good.paths] == ["0", "1", "2", "4", "5", "6"]
    assert good.skipped == ("frame 3 is only 8x8 pixels",)
    with pytest.raises(InputError, match="holds 2 usable frames"):
        load_bag_images(BagSource(tmp_path / "bag", usable=frozenset((1, 2))), 64, progress=False)


def test_the_command_teaches_from_the_frames_labelled_good(tmp_path, weights_cache, tiny_preset, capsys):
    labels = ["cross" if i % 4 == 3 else "good" for i in range(24)]
    write_bag(tmp_path / "lid", [made_up_part(i, label != "good") for i, label in enumerate(labels)])
    write_label_file(tmp_path / "lid.labels.json", labels)
    model = tmp_path / "lid.safetensors"
    argv = ["train", str(tmp_path / "lid"), "-o", str(model), "--preset", str(tiny_preset), "--device", "cpu"]
    assert main([*argv, "--steps", "5", "--images", "12", "--calibration", "split"]) == 0
    said = capsys.readouterr()
    assert "18 of 24 frames show good parts" in said.err and model.is_file()
    from hetnet_ros.inspection.artifact import load_artifact

    card = load_artifact(model).card
    assert (card.part_name, card.training.images) == ("lid", 12)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--topic", "/none"], "/none is not in the bag"),
        (["--images", "2"], "--images is 2"),
        (["--labels", "none.csv"], "does not exist"),
    ],
)
def test_mistakes_are_one_line(tmp_path, tiny_preset, capsys, flags, words):
    write_bag(tmp_path / "lid", [made_up_part(i) for i in range(5)], stamps=[BEGIN] * 5)
    argv = ["train", str(tmp_path / "lid"), "-o", str(tmp_path / "m.safetensors"), "--preset", str(tiny_preset)]
    assert main([*argv, *flags]) == 2
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said


def test_flags_of_a_recording_are_refused_elsewhere_and_all_bad_labels_too(tmp_path, tiny_data, tiny_preset, capsys):
    out = ["-o", str(tmp_path / "m.safetensors"), "--preset", str(tiny_preset)]
    assert main(["train", str(tiny_data), *out, "--topic", "/image"]) == 2
    assert "--topic belongs to a recording" in capsys.readouterr().err
    write_bag(tmp_path / "lid", [made_up_part(i) for i in range(5)])
    write_label_file(tmp_path / "lid.labels.json", ["cross"] * 5)
    assert main(["train", str(tmp_path / "lid"), *out]) == 2
    assert "labels no frame" in capsys.readouterr().err
