"""What is looked at in each view right now: the recipe's regions and models, the topic ``~/roi``, and the view last shown."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from hetnet_ros.inspection.recipe import Recipe
from hetnet_ros.inspection.region_of_interest import Region
from hetnet_ros.inspection.result import Box
from hetnet_ros.inspection.stamp_rule import stamp_ns
from hetnet_ros.nodes.loaded_model import LoadedModel


@dataclass(frozen=True)
class Announcement:
    """A message on ~/view: from ``stamp_ns``, ns, on the camera is at the view ``view_id``.  received: when it came, s on the
    monotonic clock.  trouble: why it does not count, empty if it does."""

    view_id: str
    stamp_ns: int
    received: float
    trouble: str = ""


@dataclass(eq=False)
class ViewSettings:
    """recipe: what holds for each view.  models: the recipe's models, loaded, by path.  shown: what ~/view announced last.
    Each value is replaced whole, so that threads may read them at any time."""

    recipe: Recipe = field(default_factory=Recipe)
    models: Mapping[str, LoadedModel] = field(default_factory=dict)
    shown: Announcement | None = None
    topic_region: Region | None = None

    def of(self, view_id: str) -> tuple[LoadedModel | None, Region | None]:
        """The view's own model, if it has one, and its region: the recipe's, else the one from the topic ``~/roi``."""
        view = self.recipe.view(view_id)
        return self.models.get(view.model), view.region or self.topic_region

    def announce(self, message: Header, trouble: str = "") -> None:
        """From ``message.stamp`` on, the camera is at the view ``message.frame_id``.  trouble: why that does not count."""
        self.shown = Announcement(message.frame_id, stamp_ns(message.stamp), time.monotonic(), trouble)

    def restrict(self, message: RegionOfInterest) -> None:
        """Look at this part of the images until the goal has ended; all zero: everywhere."""
        if not (message.width or message.height or message.x_offset or message.y_offset):
            self.topic_region = None
        else:
            box = Box(message.x_offset, message.y_offset, message.width, message.height)
            self.topic_region = Region(box, source="~/roi")
