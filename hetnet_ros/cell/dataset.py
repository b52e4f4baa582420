"""Writes data sets of the virtual cell in MVTec AD's layout, over MSC-AD's grid of surface, illumination and
resolution.

File stems name the cell of the grid and a running number, ``<face>_<illumination>_<width>_<number>``:
``front_high_300_0007`` is the front face in high illumination, 300 pixels wide.  ``parts.csv`` beside the images says
which part each one shows.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from hetnet_ros.cell.camera import PinholeCamera
from hetnet_ros.cell.conditions import ILLUMINATIONS
from hetnet_ros.cell.defects import KINDS
from hetnet_ros.cell.faces import FACES
from hetnet_ros.cell.parts import Part, draw_part, draw_shot, photograph
from hetnet_ros.errors import InputError
from hetnet_ros.own_files import OwnFiles

RESOLUTIONS = (150, 200, 300, 600)
"""Image widths of MSC-AD's grid, pixels; the height is three quarters, rounded down."""
_STEM = re.compile(r"(?P<face>[a-z]+)_(?P<illumination>[a-z]+)_(?P<width>\d+)_(?P<number>\d{4,})")
_COLUMNS = ("file", "face", "illumination", "width", "defect", "x_mm", "y_mm", "size_mm", "severity", "part_seed")


@dataclass(frozen=True)
class Condition:
    """One cell of the grid but for the face: level of light and size of the image, pixels."""

    illumination: str
    width: int
    height: int


@dataclass(frozen=True)
class Stem:
    """What a file's stem says."""

    face: str
    illumination: str
    width: int
    number: int

    def __str__(self) -> str:
        return f"{self.face}_{self.illumination}_{self.width}_{self.number:04d}"


@dataclass(frozen=True)
class Recipe:
    """What to write; counts are for each face and condition.  ``size_scale`` multiplies the defects' sizes."""

    faces: tuple[str, ...]
    conditions: tuple[Condition, ...]
    train: int
    good: int
    defective: int
    kinds: tuple[str, ...] = KINDS
    seed: int = 0
    jitter: float = 1.0
    size_scale: float = 1.0

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self.faces) * len(self.conditions) * (self.train + self.good + self.defective)


def parse_stem(stem: str) -> Stem | None:
    """What a stem says, or None if it is not of this form."""
    found = _STEM.fullmatch(stem)
    if not found or found["face"] not in FACES or found["illumination"] not in ILLUMINATIONS:
        return None
    return Stem(found["face"], found["illumination"], int(found["width"]), int(found["number"]))


def parse_conditions(words: Sequence[str], size: tuple[int, int] | None = None) -> tuple[Condition, ...]:
    """Conditions named by words such as ``mid_300``, ``mid`` (at all widths), ``300`` (in all lights) or ``all``.

    ``size`` (width, height) takes the place of the grid's resolutions.  Each condition comes once, in the grid's
    order.  InputError for a word that names none.
    """
    sizes = {size[0]: size[1]} if size else {width: width * 3 // 4 for width in RESOLUTIONS}
    grid = tuple(Condition(light, width, height) for light in ILLUMINATIONS for width, height in sizes.items())
    wanted = set()
    for word in words:
        named = {c for c in grid if word in ("all", c.illumination, str(c.width), f"{c.illumination}_{c.width}")}
        if not named:
            raise InputError(
                f"condition {word!r} is unknown; use all, one of {', '.join(ILLUMINATIONS)}, a width of "
                f"{', '.join(map(str, sizes))}, or both as in {ILLUMINATIONS[1]}_{tuple(sizes)[-1]}"
            )
        wanted |= named
    return tuple(condition for condition in grid if condition in wanted)


def write(recipe: Recipe, folder: Path) -> Iterator[Path]:
    """Write the images one by one, giving each one's path once it is there; ``parts.csv`` comes last.

    Numbers run through a split of the set; the part, its pose and its light are drawn anew for each image.  Raises InputError where
    a file that is not the virtual cell's is in the way.
    """
    own = OwnFiles(folder)
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(_COLUMNS)
    index = 0
    for face in recipe.faces:
        for condition in recipe.conditions:
            camera = PinholeCamera.of_size(condition.width, condition.height)
            plan = ["train"] * recipe.train + ["good"] * recipe.good + ["defect"] * recipe.defective
            for place, role in enumerate(plan):
                kinds = (recipe.kinds[index % len(recipe.kinds)],) if role == "defect" else ()
                part = draw_part(face, recipe.seed, index, float(role == "defect"), kinds, recipe.size_scale, recipe.jitter)
                stem = Stem(face, condition.illumination, condition.width, place)
                name = _write_one(part, stem, camera, role, recipe.jitter, own)
                spec = part.defects[0] if part.defects else None
                where = (
                    (spec.kind, f"{spec.x:.2f}", f"{spec.y:.2f}", f"{spec.size_mm:.2f}", f"{spec.severity:.2f}")
                    if spec
                    else ("good", "", "", "", "")
                )
                rows.writerow((name, face, condition.illumination, condition.width, *where, part.seed))
                index += 1
                yield folder / name
    own.write("parts.csv", table.getvalue())


def remove(folder: Path) -> None:
    """Delete a data set that :func:`write` wrote, file by file.  Raises InputError, and deletes nothing, where the folder holds
    anything else."""
    own = OwnFiles(folder)
    strange = own.strangers()
    if strange:
        raise InputError(f"{folder} holds {strange[0]!r}, which this command did not write or somebody changed since: give another "
                         "folder")
    own.remove()


def _write_one(part: Part, stem: Stem, camera: PinholeCamera, role: str, jitter: float, own: OwnFiles) -> str:
    shot = photograph(part, draw_shot(part, 0, stem.illumination, jitter), camera)
    split = "train/good" if role == "train" else f"test/{part.truth}"
    name = f"{split}/{stem}.png"
    own.write(name, _png(shot.rgb[..., ::-1]))
    if part.defects:
        own.write(f"ground_truth/{part.truth}/{stem}_mask.png", _png(shot.mask))
    return name


def _png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()
