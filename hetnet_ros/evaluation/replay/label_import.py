"""Labels from annotation tools: COCO files, and masks in MVTec's layout, made on the frames that ``hetnet label
--extract`` wrote.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets import mvtec
from hetnet_ros.evaluation.replay.coco import CocoFile
from hetnet_ros.evaluation.replay.frame_names import frame_numbers
from hetnet_ros.evaluation.replay.labels import FrameLabel, Labels, Span
from hetnet_ros.foreign_text import shown
from hetnet_ros.inspection.bags import Bag, BagTopic, image_frames
from hetnet_ros.inspection.image_conversion import BadImage
from hetnet_ros.own_files import OwnFiles


def import_labels(source: Path, masks: Path, bag: Bag, topic: BagTopic) -> Labels:
    """Labels from a COCO file or an MVTec-layout folder for the frames of ``topic``.

    masks: folder for the masks drawn from COCO's shapes; nothing is written before all is understood.  Raises InputError for a
    source that cannot be used or leaves a doubt about what belongs to which frame.
    """
    found = _from_mvtec(source, bag, topic) if source.is_dir() else _from_coco(source, masks, bag, topic)
    if not found:
        raise InputError(f"{shown(source)} names no frame; file names must end in the frame's number, as in frame_000123.png")
    return Labels(source, topic.name, tuple(Span(index, index, label) for index, label in sorted(found.items())))


def _from_mvtec(folder: Path, bag: Bag, topic: BagTopic) -> dict[int, FrameLabel]:
    if not mvtec.matches(folder):
        raise InputError(f"{shown(folder)} is no folder in MVTec's layout (test/<type>, ground_truth/<type>)")
    images = mvtec.read(folder).images
    named: dict[str, Path] = {}
    for image in images:
        if image.path.name in named:
            raise InputError(f"{shown(named[image.path.name])} and {shown(image.path)} are both of one frame; remove one")
        named[image.path.name] = image.path
    numbers = frame_numbers(named, folder)
    _sizes(numbers, bag, topic, decode=False)
    return {numbers[image.path.name]: FrameLabel(image.defect_type, image.mask_paths[0] if image.mask_paths else None) for image in images}


def _from_coco(path: Path, masks: Path, bag: Bag, topic: BagTopic) -> dict[int, FrameLabel]:
    file = CocoFile(path)
    numbers = frame_numbers(file.names, path)
    sizes = _sizes(numbers, bag, topic)
    found: dict[int, FrameLabel] = {}
    drawings: dict[str, bytes] = {}
    for name, number in numbers.items():
        drawn = file.drawn(name, sizes[number])
        mask = None
        if drawn.mask is not None:
            mask = masks / f"{number:06d}.png"
            drawings[mask.name] = cv2.imencode(".png", drawn.mask.astype(np.uint8) * 255)[1].tobytes()
        found[number] = FrameLabel(drawn.label, mask, drawn.boxes)
    own = OwnFiles(masks, "give another name with -o")
    own.check(drawings)
    for name, data in drawings.items():
        own.write(name, data)
    return found


def _sizes(numbers: dict[str, int], bag: Bag, topic: BagTopic, decode: bool = True) -> dict[int, tuple[int, int] | None]:
    """(height, width) of each of the frames, None where it cannot be decoded.  Raises InputError where one was not recorded."""
    wanted: Collection[int] = set(numbers.values())
    sizes: dict[int, tuple[int, int] | None] = {}
    frames = 0
    for frame in image_frames(bag, [topic]):
        frames += 1
        if frame.index in wanted:
            try:
                sizes[frame.index] = frame.rgb().shape[:2] if decode else None
            except BadImage:
                sizes[frame.index] = None
    for name, number in numbers.items():
        if number not in sizes:
            raise InputError(f"{shown(name)} is frame {number}, and {shown(bag.path)} has only {frames} frames of {topic.name}: give the "
                             "recording it was extracted from")
    return sizes
