"""Labels from annotation tools: each annotation finds its frame by name, at the frame's size, or is refused in one line."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
from bag_fixtures import write_bag
from model_fixtures import made_up_part

from hetnet_ros.cli.main import main
from hetnet_ros.evaluation.replay.label_files import find_label_file, read_labels

FRAMES = 14
SQUARE = [10, 20, 40, 20, 40, 50, 10, 50]


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return write_bag(tmp_path_factory.mktemp("import") / "run", [made_up_part(index) for index in range(FRAMES)], packed_images=True)


@pytest.fixture
def bring(bag, tmp_path, capsys):
    """Imports a COCO document; gives the labels, or the one line on stderr."""

    def run(images, annotations, categories=("dent",)):
        document = {
            "images": [{"id": number, "width": 128, "height": 96, **image} for number, image in enumerate(images)],
            "categories": [{"id": number, "name": name} for number, name in enumerate(categories)],
            "annotations": [{"id": number, "category_id": 0, **entry} for number, entry in enumerate(annotations)],
        }
        (tmp_path / "coco.json").write_text(json.dumps(document))
        target = tmp_path / "run.labels.json"
        code = main(["label", str(bag), "--import", str(tmp_path / "coco.json"), "-o", str(target)])
        out, err = capsys.readouterr()
        if code == 0:
            return read_labels(target)
        assert code == 2 and err.startswith("hetnet: error: ") and err.count("\n") == 1 and out == ""
        assert not target.exists() and not (tmp_path / "run_masks").exists(), "nothing is written of what is refused"
        return err

    return run


def named(labels):
    return {span.first: span.label.label for span in labels.frames}


def test_roboflows_names_find_the_frames_they_come_from(bring):
    """Roboflow puts a hash behind the name, and a hash may end in digits."""
    images = [{"file_name": "frame_000004_png.rf.0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c12.jpg"},
              {"file_name": "frame_000011_png.rf.AbCdEf0123456789AbCd.jpg"},
              {"file_name": "images_jpg.rf.0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c05.jpg", "extra": {"name": "frame_000007.png"}}]
    labels = bring(images, [{"image_id": 0, "bbox": [1, 1, 9, 9]}])
    assert named(labels) == {4: "dent", 7: "good", 11: "good"}


def test_label_studios_names_and_names_of_ones_own_find_their_frames(bring):
    assert named(bring([{"file_name": "0a1b2c3d-frame_000004.png"}], [{"image_id": 0, "bbox": [1, 1, 9, 9]}])) == {4: "dent"}


def test_one_prefix_and_a_number_will_do(bring):
    images = [{"file_name": "images/lid12_view3.png"}, {"file_name": "images/lid12_view13.png"}]
    assert set(named(bring(images, []))) == {3, 13}


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (["frame_000004_png.rf.aa11.jpg", "frame_000004_png.rf.bb22.jpg"], "both frame 4"),
        (["frame_000004.png", "frame_000004.jpg"], "both frame 4"),
        (["0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c12.jpg", "ffab2c3d4e5f6a7b8c9d0e1f2a3b4c05.jpg"], "do not follow one pattern"),
        (["frame_000004.png", "frame_000005 (1).png"], "frame_000005 (1).png"),
        (["good_003.png", "dent_003.png"], "do not follow one pattern"),
        (["monday/frame_000001.png", "tuesday/frame_000002.png"], "several folders"),
        (["frame_000004.png", "picture.png"], "picture.png"),
        (["picture.png"], "picture.png"),
        (["ffab2c3d4e5f6a7b8c9d0e1f2a3b4c05.jpg"], "does not say which frame"),
        (["frame_000900.png"], "has only 14 frames"),
        ([{"file_name": "frame_000004_png.rf.aa11.jpg", "extra": {"name": "frame_000005.png"}}], "frame_000005.png"),
    ],
)
def test_a_name_that_leaves_a_doubt_is_refused(bring, images, words):
    images = [{"file_name": image} if isinstance(image, str) else image for image in images]
    assert words in bring(images, [{"image_id": 0, "bbox": [1, 1, 9, 9]}])


def test_boxes_and_polygons_of_a_resized_copy_are_brought_to_the_frames_size(bring):
    half = [value / 2 for value in SQUARE]
    labels = bring([{"file_name": "frame_000001.png", "width": 64, "height": 48},
                    {"file_name": "frame_000002.png", "width": 64, "height": 48}],
                   [{"image_id": 0, "bbox": [5, 10, 15, 15]}, {"image_id": 1, "bbox": [5, 10, 15, 15], "segmentation": [half]}])
    boxed, drawn = (labels.find(index, 0).mask((96, 128)) for index in (1, 2))
    assert boxed[20:50, 10:40].all() and boxed.sum() == 30 * 30
    whole = np.zeros((96, 128), np.uint8)
    cv2.fillPoly(whole, [np.array(SQUARE).reshape(-1, 2)], 1)
    assert np.array_equal(drawn, whole != 0)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (640, 640), (96, 128), (None, None), (0, 0)])
def test_another_shape_than_the_frames_is_refused(bring, width, height):
    said = bring([{"file_name": "frame_000001.png", "width": width, "height": height}], [{"image_id": 0, "bbox": [1, 1, 9, 9]}])
    assert "frame_000001.png" in said and "size" in said


def test_a_copy_whose_sides_were_rounded_is_the_same_shape(bring):
    """128x96 at a width of 50 is 37.5 high."""
    images = [{"file_name": f"frame_{index:06d}.png", "width": 50, "height": height} for index, height in enumerate((37, 38))]
    assert len(named(bring(images, [{"image_id": 0, "bbox": [1, 1, 9, 9]}]))) == 2


def test_boxes_outside_of_their_image_are_refused(bring):
    said = bring([{"file_name": "frame_000001.png", "width": 64, "height": 48}], [{"image_id": 0, "bbox": [80, 60, 30, 20]}])
    assert "outside" in said


MARKED = np.zeros((12, 10), bool)
MARKED[2:9, 3:7] = True
MARKED[4, 5] = False
MARKED[11, 9] = True
PACKED = "V17500KL243Q1J"
"""MARKED as pycocotools 2.0 packs it."""


def runs(mask: np.ndarray) -> list[int]:
    values = mask.T.ravel().astype(int)
    edges = np.flatnonzero(np.diff(values, prepend=0)).tolist()
    return np.diff([0, *edges, len(values)]).tolist()


@pytest.mark.parametrize("counts", [PACKED, runs(MARKED)], ids=["packed", "plain"])
@pytest.mark.parametrize("crowd", [0, 1])
def test_run_lengths_are_read(tmp_path, capsys, counts, crowd):
    picture = cv2.resize(made_up_part(0), (100, 120))
    bag = write_bag(tmp_path / "run", [picture, cv2.resize(made_up_part(1), (100, 120))])
    segmentation = {"size": [12, 10], "counts": counts}
    (tmp_path / "coco.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "frame_000001.png", "width": 10, "height": 12}], "categories": [{"id": 3, "name": "dent"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "iscrowd": crowd, "segmentation": segmentation}]}))
    target = tmp_path / "run.labels.json"
    assert main(["label", str(bag), "--import", str(tmp_path / "coco.json"), "-o", str(target)]) == 0, capsys.readouterr().err
    mask = read_labels(target).find(1, 0).mask((120, 100))
    assert np.array_equal(mask, np.kron(MARKED, np.ones((10, 10), bool)))  # ten times as large as it was drawn


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [96, 128], "counts": [12288]},
        {"size": [96, 128], "counts": [10, 10]},
        {"size": [96, 128], "counts": [-5, 12293]},
        {"size": [128, 96], "counts": [10, 12278]},
        {"size": [96, 128], "counts": "zz"},
        {"size": [96, 128], "counts": "\u2603"},
        {"size": [96, 128], "counts": "o" * 200},
        {"size": [10**9, 10**9], "counts": [10**18]},
        {"size": [96], "counts": [96]},
        {"counts": [12288]},
        [[1, 2, 3]],
        [["a", "b", "c", "d", "e", "f"]],
        [[1, 2, 3, 4, float("inf"), 6]],
        "polygon",
    ],
)
def test_shapes_that_are_none_are_refused(bring, segmentation):
    said = bring([{"file_name": "frame_000001.png"}], [{"image_id": 0, "bbox": [1, 1, 9, 9], "segmentation": segmentation}])
    assert "coco.json" in said


def test_every_annotation_of_a_frame_counts(bring):
    """Polygons that overlap do not cancel out, and a box beside a polygon is not forgotten."""
    labels = bring([{"file_name": "frame_000001.png"}],
                   [{"image_id": 0, "bbox": [10, 20, 30, 30], "segmentation": [SQUARE]},
                    {"image_id": 0, "bbox": [10, 20, 30, 30], "segmentation": [SQUARE]},
                    {"image_id": 0, "bbox": [100, 70, 9, 9], "segmentation": []}])
    mask = labels.find(1, 0).mask((96, 128))
    assert mask[30, 30] and mask[75, 105] and not mask[5, 5]


@pytest.mark.parametrize("entry", [{"image_id": 17}, {"image_id": 0, "category_id": 9}])
def test_an_annotation_that_belongs_to_nothing_is_refused(bring, entry):
    assert "annotation 0" in bring([{"file_name": "frame_000001.png"}], [{"bbox": [1, 1, 9, 9], **entry}])


@pytest.mark.parametrize(
    ("bag", "labels", "found"),
    [
        ("run_1.mcap", "run.labels.json", False),
        ("run_1.db3", "run.labels.csv", False),
        ("run_1.mcap", "run_1.labels.json", True),
        ("run.mcap.zstd", "run.labels.json", True),
        ("run_1.db3.zstd", "run.labels.json", False),
        ("2026.05.02/", "2026.05.labels.json", False),
        ("2026.05.02/", "2026.05.02.labels.json", True),
        ("run/run_0.mcap", "run.labels.json", True),
        ("run/run_0.mcap", "run/labels.csv", True),
        ("run/run_0.mcap", "run/run_0.labels.csv", True),
    ],
)
def test_labels_are_those_of_this_recording(tmp_path, bag, labels, found):
    place = tmp_path / bag
    if bag.endswith("/"):
        place.mkdir()
    else:
        place.parent.mkdir(exist_ok=True)
        place.touch()
    (tmp_path / labels).touch()
    assert find_label_file(place) == (tmp_path / labels if found else None)


def test_labels_of_a_recording_in_several_files_are_not_those_of_one_file(tmp_path):
    """Frame numbers run through the whole recording."""
    (tmp_path / "run").mkdir()
    for name in ("run/run_0.mcap", "run/run_1.mcap", "run.labels.json", "run/labels.csv"):
        (tmp_path / name).touch()
    assert find_label_file(tmp_path / "run/run_1.mcap") is None and find_label_file(tmp_path / "run/run_0.mcap") is None
    assert find_label_file(tmp_path / "run") == tmp_path / "run.labels.json"


def test_labels_are_found_from_within_the_recording(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run.labels.json").touch()
    monkeypatch.chdir(tmp_path / "run")
    from pathlib import Path

    for spelling in (".", "../run", "../run/"):
        assert find_label_file(Path(spelling)).samefile(tmp_path / "run.labels.json")


def test_frames_in_mvtecs_layout_are_matched_the_same_way(bag, tmp_path, capsys):
    root = tmp_path / "set"
    for place, name in (("test/good", "frame_000000_png.rf.0a99.jpg"), ("test/dent", "frame_000003_png.rf.1b07.jpg")):
        (root / place).mkdir(parents=True)
        cv2.imwrite(str(root / place / name), made_up_part(0))
    target = tmp_path / "run.labels.json"
    argv = ["label", str(bag), "--import", str(root), "-o", str(target), "--force"]
    assert main(argv) == 0 and named(read_labels(target)) == {0: "good", 3: "dent"}
    shutil.copy(root / "test/dent/frame_000003_png.rf.1b07.jpg", root / "test/dent/IMG_2207.jpg")
    assert main(argv) == 2 and "IMG_2207.jpg" in capsys.readouterr().err


@pytest.mark.parametrize("box", [[0, -2, 5, 1], [-2, 0, 1, 5]])
def test_a_box_beyond_the_edge_marks_nothing_and_is_refused(bring, box):
    """As a slice that ends below 0 it would mark nearly all of the picture."""
    images = [{"file_name": "frame_000001.png"}, {"file_name": "frame_000002.png"}]
    assert "marks nothing of the picture" in bring(images, [{"image_id": 0, "bbox": box}])


def test_a_category_that_is_good_but_for_its_spelling_is_refused(bring):
    assert "which would be the name of a defect: write good" in bring(
        [{"file_name": "frame_000001.png"}], [{"image_id": 0, "bbox": [1, 1, 9, 9]}], ("GOOD",))


def test_a_template_takes_no_such_label_either(bag, tmp_path, capsys):
    for label, said in (("Good", "write good"), ("two\nlines", "is no name")):
        assert main(["label", str(bag), "-o", str(tmp_path / "l.csv"), "--all", label]) == 2
        assert said in capsys.readouterr().err and not (tmp_path / "l.csv").exists()
