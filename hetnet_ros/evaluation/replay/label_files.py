"""Label files beside a bag, JSON or CSV; docs/replay.md describes both.

A frame is named by its number on its topic, by its stamp, by a span of either, or by the part it shows.  Every column or key under
``conditions`` that is not one of ours is an axis of the conditions.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.conditions import MOST_AXES, Condition
from hetnet_ros.evaluation.replay.labels import FrameLabel, Labels, Span, check_label
from hetnet_ros.foreign_text import MOST_IN_NAME, fits_name, shown
from hetnet_ros.inspection.bags.layout import storage_files
from hetnet_ros.inspection.result import Box
from hetnet_ros.plain_json import parse_json
from hetnet_ros.user_files import read_text
from hetnet_ros.whole_files import write_file

FORMAT = "hetnet-labels-1"
_COLUMNS = ("frame", "stamp", "label", "mask", "box", "part")
_KEYS = frozenset({"frame", "stamp", "label", "mask", "boxes", "part", "conditions"})
_FARTHEST_PX = 1_000_000
"""No camera's picture is as large."""


def find_label_file(bag: Path) -> Path | None:
    """The labels that lie beside the bag ``demo.mcap`` or ``demo/``: ``demo.labels.json`` or ``.csv``, or in the folder
    of a bag ``labels.json`` or ``.csv``; None if there are none.

    A storage file that is its folder's only one is the whole recording, and has its labels too.  Of several, the frames are numbered
    through, and ``run_1`` may as well be another recording than ``run``: such a file has labels of its own name only.
    """
    bag = bag if bag.name not in ("", "..") else bag.resolve()
    if bag.is_dir():
        found = [(bag.parent, f"{bag.name}."), (bag, "")]
    else:
        stem = re.sub(r"\.(mcap|db3)(\.zstd)?$", "", bag.name)
        found = [(bag.parent, f"{name}.") for name in dict.fromkeys((bag.name, stem))]
        folder = bag.absolute().parent
        if stem in (folder.name, f"{folder.name}_0") and [file.name for file in storage_files(folder)] == [bag.name]:
            found += [(folder.parent, f"{folder.name}."), (folder, "")]
    places = [folder / f"{prefix}labels{kind}" for folder, prefix in found for kind in (".json", ".csv")]
    return next((place for place in places if place.is_file()), None)


def read_labels(path: Path) -> Labels:
    """The labels in a JSON or CSV file.  Raises InputError, with the place, for one that cannot be read or used."""
    text = read_text(path, "label file", remedy="check the path, or make one with hetnet label")
    return _from_json(path, text) if text.lstrip()[:1] in ("{", "[") else _from_csv(path, text)


def write_labels(path: Path, labels: Labels) -> None:
    """Write labels as JSON or, where ``path`` ends in ``.csv``, as a table."""
    spans = [(span, "frame") for span in labels.frames] or [(span, "stamp") for span in labels.stamps]
    if path.suffix.lower() == ".csv":
        write_file(path, _csv_text(path, labels, spans))
        return
    entries = []
    for span, key in spans:
        entry: dict[str, Any] = {key: span.first if span.first == span.last else [span.first, span.last]}
        entry["label"] = span.label.label
        if span.label.mask_path:
            entry["mask"] = _relative(span.label.mask_path, path)
        if span.label.boxes:
            entry["boxes"] = [[box.x, box.y, box.width, box.height] for box in span.label.boxes]
        if span.label.part:
            entry["part"] = span.label.part
        if span.label.condition.values:
            entry["conditions"] = dict(span.label.condition.values)
        entries.append(entry)
    write_file(path, json.dumps({"format": FORMAT, "topic": labels.topic, "frames": entries}, indent=1) + "\n")


def _csv_text(path: Path, labels: Labels, spans: list[tuple[Span, str]]) -> str:
    text = io.StringIO()
    key = spans[0][1] if spans else "frame"
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow((key, "label", "mask", "box", "part", *labels.axes))
    for span, _ in spans:
        label = span.label
        rows.writerow((
            span.first if span.first == span.last else f"{span.first}-{span.last}", label.label,
            _relative(label.mask_path, path) if label.mask_path else "",
            ";".join(f"{box.x} {box.y} {box.width} {box.height}" for box in label.boxes), label.part,
            *(label.condition.on(axis) or "" for axis in labels.axes),
        ))
    return text.getvalue()


def _relative(mask: Path, labels: Path) -> str:
    folder = labels.absolute().parent
    absolute = mask.absolute()
    return absolute.relative_to(folder).as_posix() if absolute.is_relative_to(folder) else str(absolute)


def _from_json(path: Path, text: str) -> Labels:
    content = parse_json(text, f"label file {shown(path)}")
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(content.get("frames"), list):
        raise InputError(f"{path} is no label file: it must be an object with \"format\": \"{FORMAT}\" and a list "
                         "\"frames\"; a COCO file goes through hetnet label --import")
    topic = content.get("topic") or ""
    if not isinstance(topic, str) or not fits_name(topic):
        raise InputError(f"{path}: topic is {shown(repr(topic), 60)}, the name of no topic")
    rows = []
    for number, entry in enumerate(content["frames"]):
        where = f"{path}, entry {number} of frames"
        if not isinstance(entry, dict):
            raise InputError(f"{where}: {entry!r} is no object")
        if unknown := sorted(set(entry) - _KEYS):
            raise InputError(f"{where}: there is no key {shown(unknown[0], 60)!r}; keys are {', '.join(sorted(_KEYS))}, and conditions has "
                             "the axes")
        for key, kinds in (("label", str), ("mask", str), ("part", (str, int))):
            if entry.get(key) is not None and (not isinstance(entry[key], kinds) or isinstance(entry[key], bool)):
                raise InputError(f"{where}: {key} is {shown(json.dumps(entry[key]), 60)}: write text in quotes")
        conditions = entry.get("conditions") or {}
        boxes = entry.get("boxes") or []
        if not isinstance(conditions, dict) or not isinstance(boxes, list):
            raise InputError(f"{where}: conditions must be an object and boxes a list of [x, y, width, height]")
        if any(isinstance(value, (dict, list)) for value in conditions.values()):
            raise InputError(f"{where}: a condition is a list or an object: write text or a number")
        rows.append((where, entry.get("frame"), entry.get("stamp"), entry.get("label"), entry.get("mask"),
                     [_box(box, where) for box in boxes], entry.get("part"), conditions))
    return _labels(path, topic, rows)


def _from_csv(path: Path, text: str) -> Labels:
    try:
        table = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise InputError(f"{path} is no CSV ({error})") from None
    header = [name.strip() for name in table[0]] if table else []
    if "label" not in header or not {"frame", "stamp", "part"} & set(header) or len(set(header)) != len(header):
        raise InputError(f"{path}, line 1: {header} must have a column 'label' and one of 'frame', 'stamp' and 'part', "
                         "each once")
    rows = []
    for number, cells in enumerate(table[1:], 2):
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        where = f"{path}, line {number}"
        if len(cells) != len(header):
            raise InputError(f"{where}: {len(cells)} values for {len(header)} columns; add or remove some")
        row = dict(zip(header, cells))
        boxes = [_box(part.split(), where) for part in (row.get("box") or "").split(";") if part.strip()]
        conditions = {axis: row[axis] for axis in header if axis and axis not in _COLUMNS and row[axis]}
        rows.append((where, row.get("frame"), row.get("stamp"), row["label"], row.get("mask"), boxes, row.get("part"),
                     conditions))
    return _labels(path, "", rows)


def _labels(path: Path, topic: str, rows: list[tuple]) -> Labels:
    frames, stamps, parts, axes = [], [], {}, set()
    for where, frame, stamp, label, mask, boxes, part, conditions in rows:
        label, part = (label or "").strip(), "" if part is None else str(part)
        if not label:
            continue  # a line of the template that nobody has filled in
        check_label(label, where)
        axes.update(conditions)
        if len(axes) > MOST_AXES:
            raise InputError(f"{where}: there are more than {MOST_AXES} conditions: leave out what is none")
        for name in (part, *conditions, *conditions.values()):
            if not fits_name("" if name is None else str(name)):
                raise InputError(f"{where}: {shown(name, 60)!r} is no name: write at most {MOST_IN_NAME} printable characters")
        values = tuple((str(axis), str(value)) for axis, value in conditions.items() if value not in (None, ""))
        mask_path = path.parent / str(mask) if mask else None
        if mask_path is not None and not os.path.isfile(mask_path):  # pathlib's own raises for a name that is too long
            raise InputError(f"{where}: there is no mask {mask_path}; correct the path or leave it out")
        entry = FrameLabel(label, mask_path, tuple(boxes), part, Condition(values))
        if frame not in (None, ""):
            frames.append((where, Span(*_span(frame, where, False), entry)))
        if stamp not in (None, ""):
            stamps.append((where, Span(*_span(stamp, where, True), entry)))
        elif frame in (None, ""):
            if not entry.part:
                raise InputError(f"{where}: neither frame, stamp nor part says which frame it is about")
            if entry.part in parts:
                raise InputError(f"{where}: part {entry.part} is labelled twice; remove one of the labels")
            parts[entry.part] = entry
    if not frames and not stamps and not parts:
        raise InputError(f"{path} labels no frame; fill in the column or key 'label'")
    return Labels(path, topic, _apart(frames), _apart(stamps), tuple(parts.items()))


def _apart(spans: list[tuple[str, Span]]) -> tuple[Span, ...]:
    ordered = sorted(spans, key=lambda item: item[1].first)
    for (_, before), (where, after) in zip(ordered, ordered[1:]):
        if after.first <= before.last:
            raise InputError(f"{where}: {after.first} is labelled twice; remove one of the labels")
    return tuple(span for _, span in ordered)


def _span(value: Any, where: str, is_stamp: bool) -> tuple[int, int]:
    ends = value if isinstance(value, list) else re.split(r"\s*-\s*", value) if isinstance(value, str) else [value]
    try:
        numbers = [_stamp(end) if is_stamp else _whole(end) for end in ends]
        if len(numbers) not in (1, 2) or min(numbers) < 0 or numbers[0] > numbers[-1]:
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        form = "nanoseconds, seconds with decimals, or a span of them" if is_stamp else "a number such as 7, or a span 7-19"
        raise InputError(f"{where}: {'stamp' if is_stamp else 'frame'} is {value!r}; write {form}") from None
    return numbers[0], numbers[-1]


def _whole(value: Any) -> int:
    if not re.fullmatch("[0-9]+", str(value), re.ASCII):  # of which neither 1_0 nor 1.0 is one
        raise ValueError
    return int(value)


def _stamp(value: Any) -> int:
    """ns, from ns or from seconds with decimals (as text, because a float cannot hold ns)."""
    text = str(value)
    if re.fullmatch(r"[0-9]+", text):
        return int(text)
    found = re.fullmatch(r"([0-9]+)\.([0-9]{1,9})", text)
    if not found:
        raise ValueError
    return int(found[1]) * 1_000_000_000 + int(found[2].ljust(9, "0"))


def _box(values: Any, where: str) -> Box:
    try:
        x, y, width, height = (int(round(float(value))) for value in values)
        if isinstance(values, str) or width <= 0 or height <= 0 or max(abs(x), abs(y), width, height) > _FARTHEST_PX:
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        raise InputError(f"{where}: a box is {shown(repr(values))}; write x, y, width and height in pixels") from None
    return Box(x, y, width, height)
