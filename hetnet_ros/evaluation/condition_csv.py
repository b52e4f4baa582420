"""Conditions from a CSV, for images whose names say nothing: a column ``image`` and one column for each axis."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.conditions import MOST_AXES, Condition, Conditions
from hetnet_ros.evaluation.datasets import LabelledDataset
from hetnet_ros.foreign_text import fits_name
from hetnet_ros.user_files import read_text

_KEY = "image"
_LONGEST_CELL = 1000
"""Characters; paths of images stand in them, too."""


def read_condition_csv(path: Path, dataset: LabelledDataset) -> Conditions:
    """Conditions of ``dataset``'s images from the CSV at ``path``.

    The first line names the columns, in any order.  ``image`` holds an image's path below the data set, or its stem
    where that is unique; every other column is an axis, and an empty cell leaves its value unknown.  Lines about images
    that are not in the test set are passed over, because one table often covers the training images too.

    Raises InputError, with the line's number, for a table that cannot be read or used.
    """
    lines = _read(path)
    _, header = next(lines, (1, []))
    axes = _axes(path, header)
    places = _Places(dataset)
    of_images = [Condition()] * len(dataset.images)
    seen: dict[int, int] = {}
    for number, cells in lines:
        if len(cells) != len(header):
            raise InputError(
                f"{path}, line {number}: {len(cells)} values for {len(header)} columns; add or remove some"
            )
        row = dict(zip(header, cells))
        index = places.find(row[_KEY], f"{path}, line {number}")
        if index is None:
            continue
        if index in seen:
            raise InputError(
                f"{path}, line {number}: '{row[_KEY]}' is already in line {seen[index]}; remove one of them"
            )
        seen[index] = number
        of_images[index] = Condition(tuple((axis, row[axis]) for axis in axes if row[axis]))
    if not seen:
        example = dataset.relative_path(dataset.images[0])
        raise InputError(f"{path} names no image of {dataset.path}; column '{_KEY}' takes paths such as '{example}'")
    return Conditions(axes, tuple(of_images), str(path))


def _axes(path: Path, header: list[str]) -> tuple[str, ...]:
    if _KEY not in header:
        raise InputError(f"{path}, line 1: no column '{_KEY}' among {header}; separate columns by commas")
    axes = tuple(name for name in header if name != _KEY)
    if not axes or not all(axes) or len(set(header)) != len(header):
        raise InputError(
            f"{path}, line 1: {header} must be '{_KEY}' and at least one axis, each with a name of its own"
        )
    if len(axes) > MOST_AXES:
        raise InputError(f"{path}, line 1: there are {len(axes)} axes, and at most {MOST_AXES} are read: leave out what is no condition")
    return axes


def _read(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each line's number and cells, without blanks around them; lines without any text are left out."""
    reader = csv.reader(io.StringIO(read_text(path, "table of conditions", remedy="check the path, or give a CSV file"), newline=""), strict=True)
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not all(fits_name(cell, _LONGEST_CELL) for cell in cells):
                raise InputError(f"{path}, line {reader.line_num}: write at most {_LONGEST_CELL} printable characters into a cell")
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"{path} is no CSV in UTF-8 ({error}); save it as such") from None


class _Places:
    """Finds images by path or stem."""

    def __init__(self, dataset: LabelledDataset) -> None:
        self._by_path = {dataset.relative_path(image): index for index, image in enumerate(dataset.images)}
        self._by_stem: dict[str, list[int]] = {}
        for index, image in enumerate(dataset.images):
            self._by_stem.setdefault(image.path.stem, []).append(index)

    def find(self, text: str, where: str) -> int | None:
        """Index of the image that ``text`` means, None if there is none; InputError where a stem means several."""
        key = str(PurePosixPath(text.replace("\\", "/")))
        if key in self._by_path:
            return self._by_path[key]
        found = self._by_stem.get(key, [])
        if len(found) > 1:
            raise InputError(f"{where}: {len(found)} images have the stem '{text}'; give the path below the data set")
        return found[0] if found else None
