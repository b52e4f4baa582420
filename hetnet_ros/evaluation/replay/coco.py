"""COCO files: what was marked on which picture, brought to the size of the frame that the picture shows.

Tools hand pictures to people smaller than they are, and export boxes and polygons at that size.  So shapes are scaled from the size
that the file gives for the picture to the frame's; where the two are not of one shape, the picture was cropped, stretched or turned,
or is another one, and is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets.labelled import GOOD
from hetnet_ros.evaluation.replay.labels import check_label
from hetnet_ros.evaluation.replay.run_lengths import decode_run_lengths
from hetnet_ros.foreign_text import shown
from hetnet_ros.inspection.picture_budget import MOST_PIXELS
from hetnet_ros.inspection.result import Box
from hetnet_ros.plain_json import read_json


@dataclass(frozen=True)
class Drawn:
    """What was marked on a picture.  mask: bool (H, W) at the frame's size, None where there are only boxes."""

    label: str
    boxes: tuple[Box, ...] = ()
    mask: np.ndarray | None = None


class CocoFile:
    """A COCO file that was looked through: every annotation is of a picture and of a category that it lists.

    names: of the pictures, as they were called before a tool renamed them.
    """

    def __init__(self, path: Path) -> None:
        """Raises InputError for a file that cannot be read or is no COCO file."""
        self._path = path
        with _complaints(path):
            content = read_json(path, "COCO file", "give a COCO file or a folder in MVTec's layout")
            self._categories = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
            for name in self._categories.values():
                check_label(name, shown(path))
            self._images: dict[str, dict] = {}
            names: dict[Any, str] = {}
            for image in content["images"]:
                name = self._name(image)
                if name in self._images or image["id"] in names:
                    raise InputError(f"{shown(path)}: two pictures are called {shown(name)} or have one id; remove one")
                self._images[name], names[image["id"]] = image, name
            self._annotations: dict[str, list[dict]] = {name: [] for name in self._images}
            for number, entry in enumerate(content["annotations"]):
                if entry["image_id"] not in names or entry["category_id"] not in self._categories:
                    raise InputError(f"{shown(path)}: annotation {number} is of a picture or category that the file does not list; "
                                     "export it again")
                self._annotations[names[entry["image_id"]]].append(entry)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._images)

    def drawn(self, name: str, frame: tuple[int, int] | None) -> Drawn:
        """What is marked on a picture; frame: (height, width) of the frame it shows, None where that cannot be read.

        A picture without annotations is good.  Raises InputError where its shape is not the frame's, or something is marked that
        is no shape or outside of the picture.
        """
        image, where = self._images[name], f"{shown(self._path)}, {shown(name)}"
        entries = [entry for entry in self._annotations[name] if self._categories[entry["category_id"]] != GOOD]
        with _complaints(self._path):
            size = _size(image)
            if size is None and entries:
                raise InputError(f"{where}: its size is not given, so what is marked on it cannot be placed; export width and height")
            if size is not None and frame is not None and not _same_shape(size, frame):
                raise InputError(f"{where} has the size {size[1]}x{size[0]}, which is not the shape of its frame, {frame[1]}x{frame[0]}: "
                                 "export pictures without cropping, stretching or turning them")
            if not entries:
                return Drawn(GOOD)
            canvas = _Canvas(size, frame or size, where)
            for entry in entries:
                canvas.add(entry)
            return Drawn(self._categories[entries[0]["category_id"]], tuple(canvas.boxes), canvas.mask if canvas.has_shapes else None)

    def _name(self, image: dict) -> str:
        """The picture's own name: newer exports of Roboflow keep it beside the new one."""
        name, extra = str(image["file_name"]), image.get("extra")
        old = extra.get("name") if isinstance(extra, dict) else None
        if not isinstance(old, str) or not old:
            return name
        kept = name.partition(".rf.")[0]
        if kept != name and kept.startswith("frame_") and kept.rpartition("_")[0] != Path(old).stem:
            raise InputError(f"{shown(self._path)}: {shown(name)} says that it was called {shown(old)}, and its name says otherwise; "
                             "export it again")
        return old


class _Canvas:
    """Boxes and a mask at the frame's size, from annotations at the picture's."""

    def __init__(self, size: tuple[int, int], frame: tuple[int, int], where: str) -> None:
        self._size, self._where = size, where
        self._scale = np.array([frame[1] / size[1], frame[0] / size[0]])
        self.boxes: list[Box] = []
        self.mask = np.zeros(frame, bool)
        self.has_shapes = False

    def add(self, entry: dict) -> None:
        shapes = entry.get("segmentation") or []
        shapes = [shapes] if isinstance(shapes, dict) else shapes
        if not isinstance(shapes, list):
            raise ValueError(f"a segmentation is {shown(repr(shapes))}")
        drawn = np.zeros(self.mask.shape, np.uint8)
        for shape in shapes:
            if isinstance(shape, dict):
                drawn |= self._run_lengths(shape)
            else:
                cv2.fillPoly(drawn, [self._polygon(shape)], 1)  # one by one: where two overlap, fillPoly would leave a hole
        if shapes and not drawn.any():
            raise ValueError("a segmentation marks nothing")
        box = self._box(entry["bbox"]) if entry.get("bbox") or not shapes else Box(*cv2.boundingRect(drawn))
        self.boxes.append(box)
        if not shapes:
            drawn[max(box.y, 0) : max(box.y + box.height, 0), max(box.x, 0) : max(box.x + box.width, 0)] = 1
            if not drawn.any():
                raise ValueError(f"the box {shown(repr(entry['bbox']))} marks nothing of the picture")
        self.has_shapes |= bool(shapes)
        self.mask |= drawn != 0

    def _box(self, values: Any) -> Box:
        corner, sides = np.array(_finite(values, 4)).reshape(2, 2)
        self._check_inside(np.array([corner, corner + sides]))
        first, last = corner * self._scale, (corner + sides) * self._scale
        (x, y), (width, height) = first.round().astype(int).tolist(), (last - first).round().astype(int).tolist()
        return Box(x, y, max(width, 1), max(height, 1))

    def _polygon(self, values: Any) -> np.ndarray:
        if len(values) < 6 or len(values) % 2:
            raise ValueError(f"a polygon has {len(values)} numbers")
        points = np.array(_finite(values, len(values))).reshape(-1, 2)
        self._check_inside(points)
        return (points * self._scale).round().astype(np.int32)

    def _run_lengths(self, shape: dict) -> np.ndarray:
        mask = decode_run_lengths(shape)
        if mask.shape != self._size:
            raise ValueError(f"run lengths of {mask.shape[1]}x{mask.shape[0]} on a picture of {self._size[1]}x{self._size[0]}")
        height, width = self.mask.shape
        how = cv2.INTER_NEAREST if height >= mask.shape[0] else cv2.INTER_AREA  # shrunk, a pixel counts where any of it is marked
        return (cv2.resize(mask.astype(np.float32), (width, height), interpolation=how) > 0).astype(np.uint8)

    def _check_inside(self, points: np.ndarray) -> None:
        width, height = self._size[1], self._size[0]
        spare = 1 + 0.01 * max(width, height)  # people draw a little over the edge
        if points.min() < -spare or points[:, 0].max() > width + spare or points[:, 1].max() > height + spare:
            raise InputError(f"{self._where}: something is marked outside of the picture, {width}x{height}: the file gives another "
                             "size than it was marked at; export it again")


class _complaints:
    """Turns what a file of another form leads to into one line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        wrong = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, cv2.error)
        if isinstance(error, wrong) and not isinstance(error, InputError):
            raise InputError(f"{shown(self._path)} is no COCO file ({type(error).__name__}: {shown(error)}); it needs images, "
                             "annotations and categories") from None


def _finite(values: Any, count: int) -> list[float]:
    numbers = [float(value) for value in values]
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"{shown(repr(values))} in place of {count} numbers")
    return numbers


def _size(image: dict) -> tuple[int, int] | None:
    """(height, width), None where it is not given."""
    if not image.get("height") or not image.get("width"):
        return None
    height, width = int(image["height"]), int(image["width"])
    if min(height, width) < 1 or height * width > MOST_PIXELS:
        raise ValueError(f"a picture of {width}x{height}")
    return height, width


def _same_shape(size: tuple[int, int], frame: tuple[int, int]) -> bool:
    """Whether one is a resized copy of the other; its sides were rounded to whole pixels."""
    (height, width), (frame_height, frame_width) = size, frame
    return abs(height - width * frame_height / frame_width) < 1 or abs(width - height * frame_width / frame_height) < 1
