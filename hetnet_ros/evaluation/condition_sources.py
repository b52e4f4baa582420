"""Where conditions come from: a CSV, a regular expression over file paths, or the names in the data set."""

from __future__ import annotations

import re
from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.condition_csv import read_condition_csv
from hetnet_ros.evaluation.conditions import Condition, Conditions
from hetnet_ros.evaluation.datasets import LabelledDataset
from hetnet_ros.evaluation.msc_ad_grid import AXES, condition_of_stem


def find_conditions(
    dataset: LabelledDataset, table: Path | None = None, pattern: str | None = None
) -> Conditions | None:
    """The conditions of ``dataset``'s images, or None where nothing names any.

    table: a CSV, see :func:`read_condition_csv`.  pattern: a regular expression with named groups, searched in each
    image's path below the data set; each group is an axis.  With neither, conditions are those of the layout (folders
    of MSC-AD) or of file names over MSC-AD's grid, provided that they vary.  Raises InputError for a table or pattern
    that cannot be used or fits no image.
    """
    if table is not None and pattern is not None:
        raise InputError("conditions come from a CSV or from a pattern, not from both; give one of them")
    if table is not None:
        return read_condition_csv(table, dataset)
    if pattern is not None:
        return _by_pattern(pattern, dataset)
    return _by_names(dataset)


def _by_names(dataset: LabelledDataset) -> Conditions | None:
    of_images = tuple(
        image.condition if image.condition.values else condition_of_stem(image.path.stem) for image in dataset.images
    )
    axes = tuple(axis for axis in AXES if any(condition.on(axis) for condition in of_images))
    found = Conditions(axes, of_images, "names in the data set")
    return found if found.vary else None


def _by_pattern(pattern: str, dataset: LabelledDataset) -> Conditions:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InputError(f"condition pattern '{pattern}' is no regular expression: {error}") from None
    axes = tuple(expression.groupindex)
    if not axes:
        raise InputError(f"condition pattern '{pattern}' names no axis; name a group, as in 'exp(?P<exposure>[0-9])'")
    paths = [dataset.relative_path(image) for image in dataset.images]
    of_images = tuple(_matched(expression.search(path)) for path in paths)
    if not any(condition.values for condition in of_images):
        raise InputError(
            f"condition pattern '{pattern}' fits no image of {dataset.path}; "
            f"it is searched in paths such as '{paths[0]}'"
        )
    return Conditions(axes, of_images, f"pattern {pattern}")


def _matched(found: re.Match | None) -> Condition:
    pairs = found.groupdict().items() if found else ()
    return Condition(tuple((axis, value) for axis, value in pairs if value))
