"""The part of every image that a model is about: what lies outside is cut off before the network sees it.

It belongs to the model, because a part taught at one size must be inspected at that size.  As shares of the image it holds at
any resolution.  A crop close around the part gives the network more pixels of it at no cost in time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.image_files import MIN_SIDE_PX
from hetnet_ros.inspection.result import Box


@dataclass(frozen=True)
class Crop:
    """Left edge, upper edge, width and height, as shares of the image's width and height, 0 to 1; by default the whole image.

    Raises InputError for a rectangle that is empty or leaves the image.
    """

    x: float = 0.0
    y: float = 0.0
    width: float = 1.0
    height: float = 1.0

    def __post_init__(self) -> None:
        values = (self.x, self.y, self.width, self.height)
        inside = (all(math.isfinite(value) for value in values) and min(self.x, self.y) >= 0 and min(self.width, self.height) > 0
                  and max(self.x + self.width, self.y + self.height) <= 1 + 1e-9)
        if not inside:
            raise InputError(f"crop {self} is no part of an image: give left edge, upper edge, width and height as shares of its "
                             "width and height, as in 0.1 0.1 0.8 0.8")

    def __str__(self) -> str:
        return " ".join(f"{value:g}" for value in (self.x, self.y, self.width, self.height))

    @property
    def is_whole(self) -> bool:
        return self == Crop()

    def of(self, box: Box) -> Box:
        """This share of ``box``, to the nearest pixel.  Raises InputError where fewer than 16 px are left of a side."""
        left, right = (box.x + round(share * box.width) for share in (self.x, min(1.0, self.x + self.width)))
        top, bottom = (box.y + round(share * box.height) for share in (self.y, min(1.0, self.y + self.height)))
        found = Box(left, top, right - left, bottom - top)
        if min(found.width, found.height) < MIN_SIDE_PX:
            raise InputError(f"crop {self} leaves {found.width}x{found.height} px of {box.width}x{box.height}: at least "
                             f"{MIN_SIDE_PX}x{MIN_SIDE_PX} are needed; use larger images or a larger crop")
        return found
