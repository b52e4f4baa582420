"""Label files: what they say, how they are found, and every way in which they can be wrong."""

from __future__ import annotations

import json
import struct

import cv2
import numpy as np
import pytest
from bag_fixtures import BEGIN, IMAGE, STEP, STORE, TOPIC, raw_image, write_bag
from model_fixtures import made_up_part
from rosbags.rosbag2 import StoragePlugin, Writer

from hetnet_ros.cli.main import main
from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.replay.label_files import find_label_file, read_labels, write_labels
from hetnet_ros.evaluation.replay.segments import find_segments
from hetnet_ros.inspection.bags import choose_topics, image_frames, open_bag, recorded_parts


def csv_file(tmp_path, text):
    path = tmp_path / "demo.labels.csv"
    path.write_text(text)
    return path


def test_frames_spans_stamps_boxes_and_conditions(tmp_path):
    path = csv_file(tmp_path, "frame,label,box,part,light\n0-9,good,,a,high\n10,crack,1 2 3 4; 10 10 5 5,b,low\n11-12,,,,\n")
    labels = read_labels(path)
    assert labels.find(5, 0).label == "good" and labels.find(5, 0).part == "a"
    crack = labels.find(10, 0)
    assert crack.condition.values == (("light", "low"),) and labels.axes == ("light",)
    mask = crack.mask((20, 20))
    assert mask.sum() == 12 + 25 and mask[2, 1] and mask[14, 14]
    assert labels.find(11, 0) is None and labels.find(13, 0) is None


@pytest.mark.parametrize("stamp", ["1700000000500000000", "1700000000.5", "1700000000.4-1700000000.6"])
def test_stamps_in_ns_and_in_seconds(tmp_path, stamp):
    labels = read_labels(csv_file(tmp_path, f"stamp,label\n{stamp},dent\n"))
    assert labels.find(99, 1_700_000_000_500_000_000).label == "dent"
    assert labels.find(99, 1_700_000_001_000_000_000) is None


def test_labels_of_frames_that_were_not_recorded_are_named(tmp_path):
    frames = [(number, 1_000_000_000 + number) for number in range(8)]
    labels = read_labels(csv_file(tmp_path, "frame,stamp,label\n0-3,,good\n4-9,,dent\n12,1.000000007,good\n,2.5,dent\n,0.5-1.000000003,good\n"))
    assert labels.unrecorded(frames) == ["stamp 2500000000", "frame 4-9"]
    assert read_labels(csv_file(tmp_path, "frame,label\n0-7,good\n")).unrecorded(frames) == []


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_what_is_written_reads_the_same(tmp_path, suffix):
    cv2.imwrite(str(tmp_path / "m.png"), np.full((9, 9), 255, np.uint8))
    before = read_labels(csv_file(tmp_path, "frame,label,mask,box,part,view\n0,good,,,p,left\n2-4,dent,m.png,1 1 2 2,q,right\n"))
    write_labels(tmp_path / f"copy{suffix}", before)
    after = read_labels(tmp_path / f"copy{suffix}")
    assert after.frames == before.frames and after.axes == before.axes


def test_labels_are_found_beside_the_bag(tmp_path):
    for bag, label in (("a.mcap", "a.labels.csv"), ("b", "b.labels.json"), ("c", "c/labels.csv"), ("d.db3", "d.labels.json")):
        place = tmp_path / bag
        place.touch() if "." in bag else place.mkdir()
        assert find_label_file(place) is None
        (tmp_path / label).touch()
        assert find_label_file(place) == tmp_path / label


def entry(**values) -> str:
    return json.dumps({"format": "hetnet-labels-1", "frames": [{"frame": 0, "label": "dent", **values}]})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1"),
        ("frame,name\n1,good\n", "column 'label'"),
        ("frame,label\n0,\"good", "is no CSV"),
        ("frame,label\n1,good,3\n", "line 2: 3 values for 2 columns"),
        ("frame,label\nx,good\n", "line 2: frame is 'x'"),
        ("frame,label\n9-3,good\n", "line 2: frame is '9-3'"),
        ("frame,label\n1-5,good\n3,bad\n", "line 3: 3 is labelled twice"),
        ("frame,label\n1,\n", "labels no frame"),
        ("frame,label,box\n1,bad,1 2 3\n", "a box is"),
        ("frame,label,mask\n1,bad,no.png\n", "there is no mask"),
        ("stamp,label\n1.2.3,bad\n", "stamp is '1.2.3'"),
        ('{"format": "coco"}', "is no label file"),
        ('{"format": "hetnet-labels-1", "frames": [3]}', "entry 0 of frames"),
        ('{"format": "hetnet-labels-1", "frames": [{"label": "good"}]}', "neither frame, stamp nor part"),
        ('{"format": "hetnet-labels-1", "frames": [{"frame": 1.5, "label": "good"}]}', "frame is 1.5"),
        ('{"format": "hetnet-labels-1", "frames": [{"frame": 1, "label": "good", "boxes": 3}]}', "boxes a list"),
        ("{" * 100, "is not valid JSON"),
        ("frame,label\n1_0,bad\n", "line 2: frame is '1_0'"),
        ("frame,label\n\uff11,bad\n", "line 2: frame is"),
        ("stamp,label\n\uff11,bad\n", "line 2: stamp is"),
        ("frame,label\n1,Good\n", "line 2: the label is 'Good', which would be the name of a defect: write good"),
        ("frame,label,box\n1,bad,0 0 1e300 5\n", "a box is"),
        ("frame,label," + ",".join(f"axis{number}" for number in range(51)) + "\n1,bad" + ",1" * 51 + "\n", "more than 50 conditions"),
        (entry(label=False), "entry 0 of frames: label is false: write text in quotes"),
        (entry(label=0), "label is 0"), (entry(label=[]), "label is []"), (entry(label={"a": 1}), "label is {"),
        (entry(mask=["a.png"]), "mask is ["), (entry(part=True), "part is true"), (entry(part=1.5), "part is 1.5"),
        (entry(masks="a.png"), "there is no key 'masks'; keys are boxes, conditions, frame,"),
        (entry(box=[0, 0, 5, 5]), "there is no key 'box'"), (entry(illumination="high"), "conditions has the axes"),
        (entry(conditions={"light": [1]}), "a condition is a list"), (entry(boxes=["1234"]), "a box is '1234'"),
    ],
)
def test_mistakes_say_where(tmp_path, text, words):
    with pytest.raises(InputError) as caught:
        read_labels(csv_file(tmp_path, text))
    assert words in str(caught.value) and "demo.labels.csv" in str(caught.value)


def test_a_part_called_0_is_a_part_and_spaces_around_a_label_are_none(tmp_path):
    label = read_labels(csv_file(tmp_path, entry(part=0, label=" good "))).find(0, 0)
    assert label.part == "0" and not label.is_defective


@pytest.mark.parametrize(("box", "pixels"), [((0, -50, 5, 10), None), ((-9, 0, 9, 9), None), ((200, 0, 5, 5), None), ((-2, -3, 5, 10), 21)])
def test_a_box_counts_where_it_meets_the_frame_and_nowhere_else(tmp_path, box, pixels):
    label = read_labels(csv_file(tmp_path, entry(boxes=[box]))).find(0, 0)
    if pixels is not None:
        assert label.mask((96, 128)).sum() == pixels
        return
    with pytest.raises(InputError, match="lies outside of the frame, 128x96"):
        label.mask((96, 128))


def inspection_cdr(stamp: int, part: str, order: str = "<") -> bytes:
    """The first fields of a hetnet_ros/Inspection as DDS serialises them, and some more."""
    data = struct.pack(f"{order}iI", *divmod(stamp, 10**9))
    for text in ("cam", None, "anomaly", "score too high", part):
        if text is None:
            data += b"\x02"
            continue
        data += b"\0" * (-len(data) % 4) + struct.pack(f"{order}I", len(text) + 1) + text.encode() + b"\0"
    return b"\x00" + (b"\x01" if order == "<" else b"\x00") + b"\0\0" + data + b"\0" * 40


@pytest.mark.parametrize("order", ["<", ">"])
def test_labels_by_part_find_their_frames_through_recorded_inspections(tmp_path, order):
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        image = writer.add_connection(TOPIC, IMAGE, typestore=STORE)
        verdict = writer.add_connection("/inspector/inspection", "hetnet_ros/msg/Inspection", msgdef="uint8 x", rihs01="x")
        for index, part in enumerate(["lid_1", "lid_1", "lid_2", "lid_3"]):
            stamp = BEGIN + index * STEP
            writer.write(image, stamp, STORE.serialize_cdr(raw_image(made_up_part(index), stamp), IMAGE))
            writer.write(verdict, stamp, inspection_cdr(stamp, part, order))
        writer.write(verdict, BEGIN, b"\x00\x01\x00\x00rubbish")
    bag = open_bag(tmp_path / "bag")
    labels = read_labels(csv_file(tmp_path, "part,label,light\nlid_1,good,low\nlid_2,dent,high\n"))
    labels = labels.with_parts(recorded_parts(bag))
    found = [labels.find(frame.index, frame.stamp_ns) for frame in image_frames(bag, choose_topics(bag))]
    assert [label and label.label for label in found] == ["good", "good", "dent", None]
    assert labels.axes == ("light",) and any("part_id" in line for line in bag.losses)
    with pytest.raises(InputError, match="tells of no such part"):
        read_labels(csv_file(tmp_path, "part,label\nother,good\n")).with_parts(recorded_parts(bag))


@pytest.fixture
def three_parts(tmp_path):
    """Nine frames of three parts, with a pause after the third and a new picture after the sixth."""
    stamps = [0, 1, 2, 30, 31, 32, 33, 34, 35]
    dark = (made_up_part(0) // 4).astype(np.uint8)
    pictures = [made_up_part(0)] * 6 + [dark] * 3
    return write_bag(tmp_path / "bag", pictures, stamps=[1_700_000_000_000_000_000 + s * 100_000_000 for s in stamps])


def test_segments_end_at_pauses_and_at_new_pictures(three_parts):
    bag = open_bag(three_parts)
    segments = find_segments(image_frames(bag, choose_topics(bag)), gap=0.5)
    assert [(segment.first, segment.last) for segment in segments] == [(0, 2), (3, 5), (6, 8)]


def test_the_command_lists_and_writes_a_template(three_parts, tmp_path, capsys):
    assert main(["label", str(three_parts)]) == 0
    assert "3 segments" in capsys.readouterr().out
    target = tmp_path / "bag.labels.csv"
    assert main(["label", str(three_parts), "-o", str(target)]) == 0
    assert target.read_text().splitlines()[0].startswith("frame,label") and target.read_text().count("\n") == 4
    assert main(["label", str(three_parts), "-o", str(target)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["label", str(three_parts), "-o", str(target), "--force", "--all", "good"]) == 0
    assert read_labels(target).find(4, 0).label == "good"


def test_extracted_frames_annotated_in_coco_come_back_as_masks(three_parts, tmp_path):
    assert main(["label", str(three_parts), "--extract", str(tmp_path / "frames"), "--every", "4"]) == 0
    names = sorted(path.name for path in (tmp_path / "frames").glob("*.png"))
    assert names == ["frame_000000.png", "frame_000004.png", "frame_000008.png"]
    coco = {
        "images": [{"id": i, "file_name": name, "width": 128, "height": 96} for i, name in enumerate(names)],
        "categories": [{"id": 1, "name": "scratch"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 5],
                         "segmentation": [[10, 20, 40, 20, 40, 25, 10, 25]]}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    target = tmp_path / "bag.labels.json"
    assert main(["label", str(three_parts), "--import", str(tmp_path / "coco.json"), "-o", str(target)]) == 0
    labels = read_labels(target)
    assert [labels.find(i, 0).label for i in (0, 4, 8)] == ["good", "scratch", "good"]
    mask = labels.find(4, 0).mask((96, 128))
    assert mask[22, 20] and not mask[30, 20] and labels.find(1, 0) is None


def test_masks_in_mvtec_layout_come_in(three_parts, tmp_path):
    root = tmp_path / "set"
    for place, number in (("test/good", 0), ("test/dent", 3)):
        (root / place).mkdir(parents=True)
        cv2.imwrite(str(root / place / f"frame_{number:06d}.png"), made_up_part(0))
    (root / "ground_truth/dent").mkdir(parents=True)
    cv2.imwrite(str(root / "ground_truth/dent/frame_000003_mask.png"), np.full((96, 128), 255, np.uint8))
    target = tmp_path / "x.labels.json"
    assert main(["label", str(three_parts), "--import", str(root), "-o", str(target)]) == 0
    assert read_labels(target).find(3, 0).mask((96, 128)).all()


@pytest.mark.parametrize("content", ["{}", "[]", "no", '{"images": 3, "annotations": [], "categories": []}'])
def test_a_broken_coco_file_is_one_line(three_parts, tmp_path, capsys, content):
    (tmp_path / "coco.json").write_text(content)
    argv = ["label", str(three_parts), "--import", str(tmp_path / "coco.json"), "-o", str(tmp_path / "l.json")]
    assert main(argv) == 2
    assert "COCO file" in capsys.readouterr().err
