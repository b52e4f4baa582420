"""MSC-AD's grid of conditions: the words that name a surface, an illumination and a resolution in its paper's tables.

The virtual cell writes its file names over the same grid, ``<surface>_<illumination>_<resolution>_<number>``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hetnet_ros.evaluation.conditions import Condition

SURFACES = ("back", "down", "front", "left", "right", "up")
ILLUMINATIONS = ("high", "mid", "low")
RESOLUTIONS = ("150", "200", "300", "600")

#: The grid's axes in the order of the paper's Table I.
AXES = ("resolution", "illumination", "surface")

_STEM = re.compile(rf"({'|'.join(SURFACES)})_({'|'.join(ILLUMINATIONS)})_(\d+)_(\d+)")


def condition_of_stem(stem: str) -> Condition:
    """The condition that a file's stem names in full, such as ``front_high_300_0007``; else the empty one.

    Any width is a resolution here, because the virtual cell can be told to use others than MSC-AD's four.
    """
    found = _STEM.fullmatch(stem)
    if not found:
        return Condition()
    surface, illumination, resolution, _ = found.groups()
    return Condition((("resolution", resolution), ("illumination", illumination), ("surface", surface)))


def condition_of_folders(names: Iterable[str]) -> Condition | None:
    """The condition that folder names spell, as ``("back", "high_150")``; on the axes that occur.

    None if one of their words (split at ``_``, ``-`` and spaces) is not of the grid, or an axis is named twice.
    """
    values: dict[str, str] = {}
    for word in (word for name in names for word in re.split(r"[-_ ]+", name.lower())):
        axis = next((axis for axis, words in _WORDS if word in words), None)
        if axis is None or axis in values:
            return None
        values[axis] = word
    return Condition(tuple((axis, values[axis]) for axis in AXES if axis in values))


_WORDS = (("resolution", RESOLUTIONS), ("illumination", ILLUMINATIONS), ("surface", SURFACES))
