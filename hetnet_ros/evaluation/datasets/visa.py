"""VisA as it is distributed: one folder for each object, and beside them ``split_csv/1cls.csv``, which says what is
tested.

An object's folder has ``Data/Images/{Normal,Anomaly}/*.JPG`` and ``Data/Masks/Anomaly/*.png``; the table's columns
are object, split, label, image and mask, with paths from the folder that holds the objects. Masks hold a small number
for each kind of defect; all but 0 counts. VisA converted to MVTec AD's layout is read as that. Source: the
preparation script and the description in the authors' repository (Zou et al., "SPot-the-Difference", ECCV 2022).
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets.labelled import GOOD, LabelledDataset, LabelledImage
from hetnet_ros.user_files import read_text

LAYOUT = "an object of VisA (Data/Images/Normal, and ../split_csv/1cls.csv)"

_COLUMNS = ("object", "split", "label", "image", "mask")


@dataclass(frozen=True)
class _Line:
    split: str
    label: str
    image: Path
    mask: Path | None


def matches(path: Path) -> bool:
    """Whether ``path`` has VisA's folder of normal images."""
    return (path / "Data" / "Images" / "Normal").is_dir()


def read(path: Path) -> LabelledDataset:
    """The images that the one-class split tests; the only defect type is ``anomaly``.

    Raises InputError where the table is missing or not of VisA's form, or names files that are not there.
    """
    lines = [line for line in _split(path) if line.split == "test"]
    lines.sort(key=lambda line: line.label != "normal")  # stable: good ones first, otherwise as listed
    images = [
        LabelledImage(line.image, GOOD)
        if line.label == "normal"
        else LabelledImage(line.image, "anomaly", (line.mask,) if line.mask else ())
        for line in lines
    ]
    return LabelledDataset(path.resolve().name, path, tuple(images))


def training_images(path: Path) -> list[Path]:
    """The normal images of the one-class split's training part."""
    return [line.image for line in _split(path) if line.split == "train" and line.label == "normal"]


def _split(path: Path) -> list[_Line]:
    name = path.resolve().name
    table = path.resolve().parent / "split_csv" / "1cls.csv"
    try:
        text = read_text(table, "VisA's table", remedy="VisA's split_csv folder must lie beside its objects")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        if not set(_COLUMNS) <= set(reader.fieldnames or ()):
            raise InputError(f"{table}, line 1: expected the columns {', '.join(_COLUMNS)}; use VisA's own table")
        rows = [(reader.line_num, row) for row in reader if row["object"] == name]
    except csv.Error as error:
        raise InputError(f"{table} is no CSV ({error}); use VisA's own table") from None
    if not rows:
        raise InputError(f"{table} lists no images of '{name}'; is this folder named as VisA names it?")
    return [
        _Line(
            row["split"] or "",
            row["label"] or "",
            _file(path, row["image"], f"{table}, line {number}"),
            _file(path, row["mask"], f"{table}, line {number}") if row["mask"] else None,
        )
        for number, row in rows
    ]


def _file(path: Path, listed: str | None, where: str) -> Path:
    """The file that the table lists as ``<object>/Data/...``, below ``path``."""
    file = path.joinpath(*Path(listed or "").parts[1:])
    if not file.is_file():
        raise InputError(f"{where}: {listed or 'an image'} is not there; unpack the set again")
    return file
