"""The virtual cell's recordings: what a camera would have published, with the whole truth beside it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from hetnet_ros.cli.main import main
from hetnet_ros.evaluation.replay.label_files import find_label_file, read_labels
from hetnet_ros.inspection.bags import choose_topics, image_frames, open_bag

SMALL = ["--faces", "up", "--size", "96x72", "--good", "2", "--defects", "2", "--frames", "2", "--kinds", "stain"]


@pytest.mark.parametrize("name", ["demo.mcap", "demo"])
def test_the_bag_holds_images_camera_info_depth_and_labels_for_all(tmp_path, capsys, name):
    path = tmp_path / name
    assert main(["cell", "--bag", str(path), *SMALL]) == 0
    assert "8 frames of 4 parts" in capsys.readouterr().out
    bag = open_bag(path)
    assert {topic.name: (topic.type, topic.count) for topic in bag.topics} == {
        "/camera/image_raw": ("sensor_msgs/msg/Image", 8),
        "/camera/camera_info": ("sensor_msgs/msg/CameraInfo", 8),
        "/camera/depth/image_raw": ("sensor_msgs/msg/Image", 8),
    }
    assert (path / "metadata.yaml").is_file() == (name == "demo")
    labels = read_labels(find_label_file(path))
    frames = list(image_frames(bag, choose_topics(bag)))
    found = [labels.find(frame.index, frame.stamp_ns) for frame in frames]
    assert sorted(label.label for label in found) == ["good"] * 4 + ["stain"] * 4
    for frame, label in zip(frames, found):
        assert frame.rgb().shape == (72, 96, 3)
        mask = label.mask((72, 96))
        assert (mask is None) == (label.label == "good") and (mask is None or mask.any())
        assert dict(label.condition.values) == {"resolution": "96", "illumination": "mid", "surface": "up"}
    assert len({label.part for label in found}) == 4


def test_depth_is_metres_along_the_axis(tmp_path):
    assert main(["cell", "--bag", str(tmp_path / "demo.mcap"), *SMALL]) == 0
    bag = open_bag(tmp_path / "demo.mcap")
    frame = next(image_frames(bag, choose_topics(bag, ["/camera/depth/image_raw"])))
    depth = np.frombuffer(frame.message.data, np.float32).reshape(72, 96)
    assert frame.message.encoding == "32FC1" and 0.3 < np.median(depth) < 0.5


def test_the_same_seed_gives_the_same_frames_and_labels(tmp_path):
    for name in ("a", "b"):
        assert main(["cell", "--bag", str(tmp_path / name / "x.mcap"), *SMALL, "--seed", "4"]) == 0
    one, two = (open_bag(tmp_path / name / "x.mcap") for name in ("a", "b"))
    pairs = zip(image_frames(one, choose_topics(one)), image_frames(two, choose_topics(two)))
    assert all(a.data == b.data and a.log_ns == b.log_ns for a, b in pairs)
    assert json.loads((tmp_path / "a/x.labels.json").read_text()) == json.loads((tmp_path / "b/x.labels.json").read_text())
    masks = sorted((tmp_path / "a/x_masks").iterdir())
    assert masks and np.asarray(Image.open(masks[0])).max() == 255


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["cell"], "either a folder DIR"),
        (["cell", "dir", "--bag", "x.mcap"], "either a folder DIR"),
        (["cell", "--bag", "x.mcap", "--train", "3"], "--train does not go with --bag"),
        (["cell", "dir", "--frames", "3"], "--frames does not go with a data set"),
        (["cell", "--bag", "x.mcap", "--rate", "0"], "--rate is 0"),
        (["cell", "--bag", "x.mcap", "--good", "0", "--defects", "0"], "nothing to record"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, argv, words):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and list(tmp_path.iterdir()) == []


def test_a_recording_is_replaced_only_on_demand(tmp_path, capsys):
    path = tmp_path / "demo.mcap"
    assert main(["cell", "--bag", str(path), *SMALL]) == 0
    before = path.read_bytes()
    assert main(["cell", "--bag", str(path), *SMALL, "--seed", "1"]) == 2
    assert "--force" in capsys.readouterr().err and path.read_bytes() == before
    assert main(["cell", "--bag", str(path), *SMALL, "--seed", "1", "--force"]) == 0
    assert path.read_bytes() != before
    (tmp_path / "thesis").mkdir()
    assert main(["cell", "--bag", str(tmp_path / "thesis"), *SMALL, "--force"]) == 2
    assert (tmp_path / "thesis").is_dir()
