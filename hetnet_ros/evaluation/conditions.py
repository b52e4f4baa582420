"""Under which conditions an image was taken: values on named axes, such as the light's level or the camera's
resolution.

HetNet exists for cells where view, light and resolution change, and its paper reports every figure by condition
(Table I). Anything may be an axis: a robot's pose, an exposure, a supplier.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hetnet_ros.inspection.image_files import natural_order

_LEVELS = ("high", "mid", "low")
MOST_AXES = 50
"""Each is a table of its own; a file with thousands would take minutes and a report that nobody reads."""


@dataclass(frozen=True)
class Condition:
    """One image's condition: pairs of axis and value, at most one of each axis; empty where nothing is known."""

    values: tuple[tuple[str, str], ...] = ()

    def on(self, axis: str) -> str | None:
        """The value on ``axis``, or None where the image has none."""
        return next((value for name, value in self.values if name == axis), None)


@dataclass(frozen=True)
class Conditions:
    """The conditions of a data set's images.

    axes: names in the order of the report.  of_images: one for each image, in the data set's order.
    source: where they come from, for people.
    """

    axes: tuple[str, ...]
    of_images: tuple[Condition, ...]
    source: str

    def values_on(self, axis: str) -> list[str]:
        """The values that occur on ``axis``: levels from high to low, all else in natural order (2 before 10)."""
        return sorted({condition.on(axis) for condition in self.of_images} - {None}, key=_order)

    @property
    def vary(self) -> bool:
        """Whether at least one axis has more than one value."""
        return any(len(self.values_on(axis)) > 1 for axis in self.axes)


def _order(value: str) -> tuple:
    return _LEVELS.index(value) if value in _LEVELS else -1, natural_order(Path(value)), value
