"""Any label file and any COCO file: labels that say what was written, or one line, in bounded time and memory."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hostile_values import changed, damaged, read_or_refused, texts, values
from hypothesis import example, given
from hypothesis import strategies as st

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.replay.coco import CocoFile
from hetnet_ros.evaluation.replay.frame_names import frame_numbers
from hetnet_ros.evaluation.replay.label_files import read_labels, write_labels
from hetnet_ros.evaluation.replay.labels import Labels
from hetnet_ros.evaluation.replay.run_lengths import LARGEST, decode_run_lengths
from hetnet_ros.foreign_text import fits_name

LABELS = {
    "format": "hetnet-labels-1", "topic": "/camera/image_raw", "frames": [
        {"frame": 0, "label": "good", "part": "part_0", "conditions": {"light": "high"}},
        {"frame": [1, 3], "label": "scratch", "mask": "mask.png", "boxes": [[1, 2, 30, 40], [5, 5, 1.5, 2]]},
        {"stamp": 1_700_000_000_000_000_000, "label": "dent"},
        {"stamp": ["1700000001.5", "1700000002"], "label": "good"},
        {"part": "part_9", "label": "hole", "conditions": {"light": 3, "resolution": ""}},
        {"frame": 7, "label": ""},
    ]}
TABLE = ("frame,label,mask,box,part,light\n0,good,,,part_0,high\n1-3,scratch,mask.png,1 2 30 40;5 5 2 2,,low\n"
         "7,,,,,\n9 - 12,dent,,,\"part, 3\",\n")
COCO = {
    "images": [{"id": 1, "file_name": "frame_000001.png", "width": 64, "height": 48},
               {"id": 2, "file_name": "frame_000002_png.rf.0af.jpg", "width": 32, "height": 24, "extra": {"name": "frame_000002.png"}},
               {"id": 3, "file_name": "frame_000003.png"}],
    "categories": [{"id": 0, "name": "good"}, {"id": 1, "name": "scratch"}],
    "annotations": [
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 20, 20]},
        {"image_id": 1, "category_id": 1, "bbox": [], "segmentation": [[1, 1, 20, 1, 20, 20], [30, 30, 40, 30, 40, 40, 30, 40]]},
        {"image_id": 2, "category_id": 1, "bbox": [0, 0, 5, 5], "segmentation": {"size": [24, 32], "counts": [10, 20, 738]}},
        {"image_id": 3, "category_id": 0}]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("labels")
    mask = np.zeros((48, 64), np.uint8)
    mask[10:20, 10:20] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    return folder


def check(labels: Labels) -> None:
    """Spans without overlap, names that can be shown, boxes of some size, and masks that are there."""
    for spans in (labels.frames, labels.stamps):
        assert all(0 <= span.first <= span.last for span in spans)
        assert all(before.last < after.first for before, after in zip(spans, spans[1:]))
        for span in spans:
            assert labels.find(span.first if spans is labels.frames else -1, span.last if spans is labels.stamps else -1) is span.label
    assert labels.frames or labels.stamps or labels.parts
    assert len(dict(labels.parts)) == len(labels.parts)
    entries = [span.label for span in (*labels.frames, *labels.stamps)] + [label for _, label in labels.parts]
    for label in entries:
        assert label.label and fits_name(label.label) and fits_name(label.part)
        assert all(fits_name(axis) and value and fits_name(value) for axis, value in label.condition.values)
        assert len({axis for axis, _ in label.condition.values}) == len(label.condition.values)
        assert all(type(side) is int for box in label.boxes for side in (box.x, box.y, box.width, box.height))
        assert all(box.width > 0 and box.height > 0 for box in label.boxes)
        assert label.mask_path is None or label.mask_path.is_file()
        mask = read_or_refused(lambda: label.mask((48, 64)))  # noqa: B023
        assert mask is None or mask.shape == (48, 64) and mask.dtype == bool and label.is_defective
    labels.unrecorded([(0, 5), (1, 10**18)])
    assert labels.count and isinstance(labels.axes, tuple)


def one_entry(**entry: Any) -> dict:
    return {"format": "hetnet-labels-1", "frames": [{"frame": 0, "label": "dent", **entry}]}


@given(changed(LABELS))
@example(one_entry(mask="m" * 5000))
@example(one_entry(mask="\0"))
@example(one_entry(mask="."))
@example(one_entry(mask="/dev/zero"))
@example(one_entry(mask={"a": 1}))
@example(one_entry(label={"a": 1}))
@example(one_entry(label=True))
@example(one_entry(label=0))
@example(one_entry(part=["a"]))
@example(one_entry(conditions={"light": ["high"]}))
@example(one_entry(conditions={"": "x", "light": False}))
@example(one_entry(conditions={"light": "x" * 300}))
@example(one_entry(boxes=[[0, 0, 1e308, 1e308]]))
@example(one_entry(boxes=[[0, 0, 0.4, 1]]))
@example(one_entry(boxes=[["1", "2", "3", "4"]]))
@example(one_entry(boxes=[{"x": 1, "y": 2, "w": 3, "h": 4}]))
@example(one_entry(boxes=["1234"]))
@example(one_entry(frame="9" * 5000))
@example(one_entry(frame=" 1 - 2 "))
@example(one_entry(frame="-1"))
@example(one_entry(frame=[5, 1]))
@example(one_entry(frame=[[1, 2]]))
@example(one_entry(frame=True))
@example(one_entry(frame=1.0))
@example(one_entry(frame="٣"))
@example(one_entry(stamp="1" * 5000))
@example(one_entry(stamp=0.1))
@example(one_entry(stamp=-5))
@example({"format": "hetnet-labels-1", "topic": ["a"], "frames": [{"part": "a", "label": "b"}, {"part": "a", "label": "good"}]})
@example({"format": "hetnet-labels-1", "topic": {"a": "\n" * 500}, "frames": [{"frame": 1, "label": "b"}]})
@example([{"frame": 1}])
@example("{")
def test_labels_in_json_are_sound_or_refused(folder, content):
    path = folder / "any.labels.json"
    text = json.dumps(content)
    path.write_text(text)
    labels = read_or_refused(lambda: read_labels(path))
    if labels is None:
        return
    check(labels)
    assert fits_name(labels.topic)
    said = {str(entry["label"]) for entry in content["frames"] if entry.get("label") not in (None, "")}
    found = [span.label for span in (*labels.frames, *labels.stamps)] + [label for _, label in labels.parts]
    assert {label.label for label in found} == said


@given(st.one_of(damaged(TABLE.encode()), st.lists(st.lists(texts, max_size=6), max_size=6).map(lambda rows: table(rows))))
@example(b"frame,label\n0,dent\n0,good\n")
@example(b"frame,label,mask\n0,dent," + b"m" * 5000 + b"\n")
@example(b"frame,label,mask\n0,dent,a\0b\n")
@example(b"frame,label\n0," + b"x" * 200_000 + b"\n")
@example(b'frame,label\n0,"dent\n')
@example(b"frame,label,box\n0,dent,1 2 3 4;;nan 1 2 3\n")
@example(b"label,part,part\n1,2,3\n")
@example(b"\xef\xbb\xbfframe,label\r\n0,dent\r1,good\n")
@example(b"")
def test_labels_in_a_table_are_sound_or_refused(folder, data):
    path = folder / "any.labels.csv"
    path.write_bytes(data)
    labels = read_or_refused(lambda: read_labels(path))
    if labels is not None:
        check(labels)


def table(rows: list[list[str]]) -> bytes:
    """Rows under a header that is one of a label file."""
    text = io.StringIO()
    csv.writer(text).writerows([["frame", "label", "light"], *rows])
    return text.getvalue().encode(errors="replace")


@given(changed(LABELS, 2), st.sampled_from([".json", ".csv"]))
@example(LABELS, ".json")
@example({**LABELS, "frames": LABELS["frames"][:2]}, ".csv")
def test_what_is_written_is_read_again(folder, content, suffix):
    """``hetnet label`` writes what it has read; a table has room for one kind of place."""
    path, copy = folder / "any.labels.json", folder / f"copy.labels{suffix}"
    path.write_text(json.dumps(content))
    labels = read_or_refused(lambda: read_labels(path))
    if labels is None or labels.parts or bool(labels.frames) == bool(labels.stamps):
        return
    write_labels(copy, labels)
    again = read_labels(copy)
    if suffix == ".json":
        assert (again.frames, again.stamps, again.topic) == (labels.frames, labels.stamps, labels.topic)
    assert [(span.first, span.last) for span in (*again.frames, *again.stamps)] == [
        (span.first, span.last) for span in (*labels.frames, *labels.stamps)]


def of_size(width: Any, height: Any, **annotation: Any) -> dict:
    """A file of one picture with one annotation."""
    return {"images": [{"id": 1, "file_name": "frame_000001.png", "width": width, "height": height}], "categories": COCO["categories"],
            "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], **annotation}]}


@given(changed(COCO), st.sampled_from([(48, 64), (96, 128), (24, 32), None]))
@example(of_size(10**6, 10**6), None)
@example(of_size(10**9, 10**9), None)
@example(of_size(50_000, 40_000, segmentation=[[0, 0, 49_000, 0, 49_000, 39_000]]), None)
@example(of_size(10**39, 10**39), (48, 64))
@example(of_size("64", "48"), (48, 64))
@example(of_size(64.9, 48.2), (48, 64))
@example(of_size(64, 48, segmentation=[[]]), (48, 64))
@example(of_size(64, 48, segmentation=[None]), (48, 64))
@example(of_size(64, 48, segmentation=["123456"]), (48, 64))
@example(of_size(64, 48, segmentation={"size": [48, 64], "counts": ""}), (48, 64))
@example(of_size(64, 48, segmentation={"size": [48], "counts": []}), (48, 64))
@example(of_size(64, 48, segmentation={"size": [1, 179_000_000], "counts": [179_000_000]}), (48, 64))
@example(of_size(64, 48, bbox=[0, 0, -10, -10]), (48, 64))
@example(of_size(64, 48, bbox="1234"), (48, 64))
@example({**COCO, "images": [{"id": [], "file_name": 5}]}, None)
@example({**COCO, "categories": [[]]}, None)
@example({"images": {}, "categories": {}, "annotations": {}}, None)
@example([], None)
@example(5, None)
def test_a_coco_file_is_sound_or_refused(folder, content, frame):
    path = folder / "coco.json"
    path.write_text(json.dumps(content))
    file = read_or_refused(lambda: CocoFile(path))
    for name in file.names if file else ():
        drawn = read_or_refused(lambda: file.drawn(name, frame))  # noqa: B023
        if drawn is None:
            continue
        assert drawn.label == "good" or drawn.boxes
        assert all(type(side) is int for box in drawn.boxes for side in (box.x, box.y, box.width, box.height))
        assert all(box.width > 0 and box.height > 0 for box in drawn.boxes)
        assert drawn.mask is None or drawn.mask.any() and (frame is None or drawn.mask.shape == frame)
    if file:
        read_or_refused(lambda: frame_numbers(file.names, path))


@given(st.one_of(values, st.fixed_dictionaries({"size": st.one_of(values, st.lists(st.integers(-2, 9), min_size=2, max_size=2)),
                                               "counts": st.one_of(values, texts, st.lists(st.integers(-1, 30), max_size=6))})))
@example({"size": [2, 2], "counts": "04"})
@example({"size": [2, 2], "counts": [0, 4]})
@example({"size": [2.0, 2], "counts": [1e0, 3]})
@example({"size": [LARGEST, LARGEST], "counts": [LARGEST * LARGEST]})
@example({"size": [-1, -1], "counts": [1]})
@example({"size": [1, 1], "counts": ["1"]})
@example({"size": [1, math.inf], "counts": [1]})
@example({"size": [1, 1], "counts": "o" * 100})
@example({"size": "11", "counts": "1"})
def test_run_lengths_are_a_mask_or_refused_as_documented(segmentation):
    try:
        mask = decode_run_lengths(segmentation)
    except (ValueError, TypeError, KeyError, InputError):
        return
    assert mask.shape == tuple(int(side) for side in segmentation["size"]) and mask.dtype == bool
