"""Labels from annotation tools: COCO files, and masks in MVTec's layout, made on the frames that ``hetnet label
--extract`` wrote.

The number at the end of a file's stem (``frame_000123.png``) says which frame it is.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets import mvtec
from hetnet_ros.evaluation.datasets.labelled import GOOD
from hetnet_ros.evaluation.output_files import write_file
from hetnet_ros.evaluation.replay.labels import FrameLabel, Labels, Span
from hetnet_ros.inspection.picture_budget import check_pixels
from hetnet_ros.inspection.result import Box
from hetnet_ros.plain_json import read_json


def import_labels(source: Path, masks: Path, topic: str) -> Labels:
    """Labels from a COCO file or an MVTec-layout folder.

    masks: folder for the masks drawn from COCO's polygons.  Raises InputError for a source that cannot be used.
    """
    found = _from_mvtec(source) if source.is_dir() else _from_coco(source, masks)
    if not found:
        raise InputError(f"{source} names no frame; file names must end in the frame's number, as in frame_000123.png")
    return Labels(source, topic, tuple(Span(index, index, label) for index, label in sorted(found.items())))


def frame_number(name: str) -> int | None:
    """The number at the end of a file's stem, None if there is none; a mask's ``_mask`` is no part of the stem."""
    found = re.search(r"(\d+)$", re.sub(r"_(mask|gt)$", "", Path(name).stem))
    return int(found[1]) if found else None


def _from_mvtec(folder: Path) -> dict[int, FrameLabel]:
    if not mvtec.matches(folder):
        raise InputError(f"{folder} is no folder in MVTec's layout (test/<type>, ground_truth/<type>)")
    found: dict[int, FrameLabel] = {}
    for image in mvtec.read(folder).images:
        number = frame_number(image.path.name)
        if number is None:
            continue
        if number in found:
            raise InputError(f"{folder}: two images are of frame {number}; remove one")
        found[number] = FrameLabel(image.defect_type, image.mask_paths[0] if image.mask_paths else None)
    return found


def _from_coco(path: Path, masks: Path) -> dict[int, FrameLabel]:
    try:
        content = read_json(path, "COCO file", "give a COCO file or a folder in MVTec's layout")
        categories = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
        images = {entry["id"]: entry for entry in content["images"]}
        annotations: dict[Any, list[dict]] = {}
        for entry in content["annotations"]:
            annotations.setdefault(entry["image_id"], []).append(entry)
        found = {}
        for key, image in images.items():
            number = frame_number(str(image["file_name"]))
            if number is not None:
                found[number] = _coco_label(number, image, annotations.get(key, []), categories, masks)
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{path} is no COCO file ({type(error).__name__}: {error}); it needs images, annotations and "
                         "categories") from None
    return found


def _coco_label(number: int, image: dict, entries: list[dict], categories: dict, masks: Path) -> FrameLabel:
    entries = [entry for entry in entries if categories[entry["category_id"]] != GOOD]
    if not entries:
        return FrameLabel(GOOD)
    boxes, polygons = [], []
    for entry in entries:
        x, y, width, height = (int(round(float(value))) for value in entry["bbox"])
        boxes.append(Box(x, y, max(width, 1), max(height, 1)))
        segmentation = entry.get("segmentation") or []
        if isinstance(segmentation, list):
            polygons += [np.array(points, float).reshape(-1, 2).round().astype(np.int32) for points in segmentation]
    label = categories[entries[0]["category_id"]]
    if not polygons:
        return FrameLabel(label, boxes=tuple(boxes))
    check_pixels(int(image["width"]), int(image["height"]), pixel_bytes=2)
    mask = np.zeros((int(image["height"]), int(image["width"])), np.uint8)
    cv2.fillPoly(mask, polygons, 255)
    target = masks / f"{number:06d}.png"
    write_file(target, cv2.imencode(".png", mask)[1].tobytes())
    return FrameLabel(label, target, tuple(boxes))
