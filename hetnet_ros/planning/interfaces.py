"""What the planner needs of an arm and of an inspector, and what they answer.  The ROS sides live in the nodes room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hetnet_ros.inspection.keep_out import KeepOutBox
from hetnet_ros.inspection.result import Verdict
from hetnet_ros.planning.cell_config import Target


class StepFailed(Exception):
    """A step that did not come to its end; ``reason`` is a stable lower_snake token, ``detail`` one line."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


class MustHalt(Exception):
    """Nothing may be moved or placed until a person has looked: it cannot be known who acts or answers.  ``reason`` and
    ``detail`` as in :class:`StepFailed`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


class MotionFailed(StepFailed):
    """The arm is not where it was sent, or nobody knows."""


class InspectionFailed(StepFailed):
    """There is no verdict that may be believed."""


@dataclass(frozen=True)
class KeepOut:
    """A box that the gripper must not touch, in ``frame_id``."""

    frame_id: str
    box: KeepOutBox


@dataclass(frozen=True)
class ViewVerdict:
    """What one view contributed: verdict and reason of its Inspection, and the model that judged it."""

    viewpoint: str
    verdict: Verdict
    reason: str
    model_id: str


@dataclass(frozen=True)
class PartVerdict:
    """A verdict on a part that came in due form: the right part, views and times.

    verdict, reason, detail: as in action/InspectPart.  views: those that were settled, in order.
    """

    verdict: Verdict
    reason: str
    detail: str
    views: tuple[ViewVerdict, ...] = ()
    keep_out: tuple[KeepOut, ...] = ()


class Arm(Protocol):
    """An arm that brings a camera to a part, or a part to a camera, and parts to bins.

    Every method returns once the thing is done, and raises MotionFailed if it was not done within ``timeout`` s; MustHalt
    where two would do it.
    """

    def holding(self, timeout: float) -> bool | None:
        """Whether a part is in hand; None where the arm cannot tell.  Asked once, when the planner starts."""

    def begin_part(self, number: int, timeout: float) -> None:
        """Get ready for the next part, and forget what is known of the last one."""

    def move(self, target: Target, timeout: float) -> None:
        """Go there and stand still."""

    def grasp(self, timeout: float) -> None:
        """Close the gripper."""

    def release(self, timeout: float) -> None:
        """Open the gripper."""

    def keep_out(self, zones: Sequence[KeepOut], timeout: float) -> None:
        """Keep clear of these boxes from now on, until the next part."""


class PartInspection(Protocol):
    """One part under inspection, from several viewpoints.  Every method raises InspectionFailed if there is nothing to go by."""

    def look(self, viewpoint: str, timeout: float) -> bool:
        """The camera stands still at this viewpoint: inspect images taken from now on.  True once no further view is
        needed."""

    def verdict(self, timeout: float) -> PartVerdict:
        """The verdict on the part, when every view was looked at or no further one is needed."""

    def abandon(self) -> None:
        """The part will not be looked at any further; never raises."""


class PartInspector(Protocol):
    """Inspects parts.  Its methods, and those of its inspections, raise MustHalt where two would answer."""

    def begin(self, part_id: str, viewpoints: Sequence[str], stop_on_reject: bool, limit: float) -> PartInspection:
        """Begin with a part, for at most ``limit`` s.  Raises InspectionFailed."""
