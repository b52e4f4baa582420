"""The planner's client of ``~/inspect_part``: one goal for one part, and a result that is believed only in due form.

The arm moves between the views of a goal, so the goal asks the inspector to wait for each (``wait_for_view``), and a view is
announced on ``~/view`` once the arm has settled there: no image taken in motion, or from the last viewpoint, can count.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from action_msgs.msg import GoalStatus
from action_msgs.srv import CancelGoal
from builtin_interfaces.msg import Duration as DurationMessage
from rclpy.node import Node
from std_msgs.msg import Header

from hetnet_ros.action import InspectPart
from hetnet_ros.foreign_text import fits_name, one_line, shown
from hetnet_ros.inspection.geometry import FARTHEST_M
from hetnet_ros.inspection.keep_out import keep_out_box
from hetnet_ros.inspection.result import Verdict
from hetnet_ros.inspection.stamp_rule import stamp_ns
from hetnet_ros.nodes.calls import Caller, CallFailed, Goal, SoleActionClient
from hetnet_ros.nodes.sole_publisher import SolePublisher
from hetnet_ros.nodes.space_conversion import defect_pose
from hetnet_ros.planning.interfaces import InspectionFailed, KeepOut, PartVerdict, ViewVerdict

_REASONS = {
    "absent": "inspector_lost",
    "lost": "inspector_lost",
    "refused": "goal_refused",
    "timeout": "inspection_timeout",
    "stopped": "planner_stopped",
}
_REPEAT_SECONDS = 0.5
"""An announcement that got lost is made again, with the same stamp."""
_LONGEST_SECONDS = 86_399.0
"""The inspector refuses a goal of a day or more."""


class InspectClient:
    """Speaks to one inspector, the node ``inspector``.  margin_m: around each defect's keep-out box."""

    def __init__(self, node: Node, caller: Caller, inspector: str, available: float, margin_m: float) -> None:
        self._node, self._caller, self._available, self._margin = node, caller, available, margin_m
        self._name = f"{inspector}/inspect_part"
        self._client = SoleActionClient(node, InspectPart, self._name, node.resolve_service_name(inspector))
        self._cancel = node.create_client(CancelGoal, f"{self._name}/_action/cancel_goal")
        self._cleared = False
        self._view = node.create_publisher(Header, f"{inspector}/view", 10)
        self._announcers = SolePublisher(node, node.resolve_topic_name(f"{inspector}/view"), "std_msgs/msg/Header")

    def alone(self, seconds: float = 0.0) -> None:
        """Raises MustHalt where, still after so long, another than the inspector would answer, or another than this node
        announces views."""
        self._caller.sole(lambda: self._caller.servers_of_action(self._client), seconds)
        self._caller.sole(self._others_announce, seconds, "two_planners")

    def forget(self) -> None:
        """A person has looked: what has answered twice counts no more."""
        self._client.answered_twice = False

    def _others_announce(self) -> str:
        self._announcers.look()
        return self._announcers.crowd

    def begin(self, part_id: str, viewpoints: Sequence[str], stop_on_reject: bool, limit: float) -> _Inspection:
        """See :class:`hetnet_ros.planning.interfaces.PartInspector`."""
        limit = min(limit, _LONGEST_SECONDS)
        goal = InspectPart.Goal(
            part_id=part_id,
            view_ids=list(viewpoints),
            min_views=len(viewpoints),
            max_views=len(viewpoints),
            not_before=self._node.get_clock().now().to_msg(),
            timeout=DurationMessage(sec=int(limit), nanosec=int(limit % 1 * 1e9)),
            stop_on_reject=stop_on_reject,
            wait_for_view=True,
        )
        done: list[str] = []
        try:
            self._caller.wait(self._view.get_subscription_count, self._available, "a subscriber of ~/view", "absent")
            self._clear()
            sent = self._caller.begin(
                self._client, goal, self._name, self._available, lambda m: done.append(m.feedback.last_view.view_id)
            )
        except CallFailed as error:
            raise InspectionFailed(_REASONS[error.kind], str(error)) from error
        return _Inspection(self._node, self._view, sent, part_id, done, self._margin)

    def _clear(self) -> None:
        """Cancel, once, what a planner before this one has left: the inspector takes parts one after another, and a goal whose
        client was killed would wait for its views until its time is over."""
        if not self._cleared:
            self._caller.service(self._cancel, CancelGoal.Request(), self._available, self._available)  # all zero: every goal
            self._cleared = True


class _Inspection:
    """See :class:`hetnet_ros.planning.interfaces.PartInspection`."""

    def __init__(
        self, node: Node, view: Any, goal: Goal, part_id: str, done: list[str], margin_m: float
    ) -> None:
        self._node, self._view, self._goal, self._part_id = node, view, goal, part_id
        self._done, self._margin = done, margin_m
        self._since: dict[str, int] = {}

    def look(self, viewpoint: str, timeout: float) -> bool:
        now = self._node.get_clock().now()
        self._since[viewpoint] = now.nanoseconds
        announcement = Header(stamp=now.to_msg(), frame_id=viewpoint)
        told = -math.inf

        def announce() -> None:
            nonlocal told
            if time.monotonic() - told >= _REPEAT_SECONDS:
                told = time.monotonic()
                self._view.publish(announcement)

        try:
            self._goal.wait(lambda: viewpoint in self._done, timeout, f"view {viewpoint}", announce)
        except CallFailed as error:
            raise InspectionFailed(_REASONS[error.kind], str(error)) from error
        return self._goal.done

    def verdict(self, timeout: float) -> PartVerdict:
        try:
            status, result = self._goal.result(timeout)
        except CallFailed as error:
            raise InspectionFailed(_REASONS[error.kind], str(error)) from error
        fault = fault_of(status, result, self._part_id, self._since)
        if fault:
            raise InspectionFailed("malformed_result", one_line(fault))
        views = tuple(
            ViewVerdict(shown(v.view_id), Verdict(v.inspection.verdict), shown(v.inspection.reason), shown(v.inspection.model_id))
            for v in result.views
        )
        return PartVerdict(Verdict(result.verdict), one_line(result.reason), one_line(result.detail), views, self._zones(result))

    def abandon(self) -> None:
        self._goal.cancel(0.0)

    def _zones(self, result: InspectPart.Result) -> tuple[KeepOut, ...]:
        return tuple(
            KeepOut(
                defect.frame_id or view.inspection.header.frame_id, keep_out_box(defect_pose(defect), self._margin)
            )
            for view in result.views
            for defect in view.inspection.defects
            if defect.has_pose
        )


def fault_of(status: int, result: Any, part_id: str, since: dict[str, int]) -> str:
    """What keeps a result from being believed, in one line; empty if nothing does.

    since: from which stamp on, ns, each view counts.  A REJECT or UNCERTAIN is on the safe side and is taken as it is.  A PASS
    must come from a goal that succeeded, name the part it was asked for, and carry the evidence of exactly those views: each
    a PASS by itself, of that part and view, by a model that is named, below its threshold, on an image taken since the arm had
    settled.  Of no result are defects believed at a place that is none.
    """
    known = {int(verdict) for verdict in Verdict}
    if result.verdict not in known or any(view.inspection.verdict not in known for view in result.views):
        return "a verdict is not known"
    misplaced = [view.view_id for view in result.views
                 if not all(_is_placed(defect, view.inspection.header.frame_id) for defect in view.inspection.defects)]
    if misplaced:
        return f"view {misplaced[0]} has a defect with a pose that is none"
    if result.verdict != Verdict.PASS:
        return ""
    if status != GoalStatus.STATUS_SUCCEEDED:
        return f"PASS of a goal that ended with status {status}"
    if result.reason:
        return f"PASS with the reason {result.reason!r}"
    if part_id and result.part_id != part_id:
        return f"PASS for part {result.part_id!r}, not {part_id!r}"
    if not result.model_id:
        return "PASS without a model_id"
    if not 0.0 < result.p_value <= 1.0:
        return f"PASS with the p-value {result.p_value}"
    seen = [view.view_id for view in result.views]
    if sorted(seen) != sorted(since):
        return f"PASS for the views {', '.join(seen) or 'none'}, not {', '.join(since)}"
    faults = (_fault_of_view(view, since[view.view_id], result, part_id) for view in result.views)
    return next((fault for fault in faults if fault), "")


def _fault_of_view(view: Any, since_ns: int, result: Any, part_id: str) -> str:
    inspection, name = view.inspection, view.view_id
    if inspection.verdict != Verdict.PASS or inspection.reason:
        return f"PASS although view {name} is no PASS by itself: {Verdict(inspection.verdict).name} {inspection.reason}".strip()
    if inspection.view_id != name or (part_id and inspection.part_id != part_id):
        return f"PASS from view {name} of an image of part {inspection.part_id!r}, view {inspection.view_id!r}"
    if not inspection.model_id:
        return f"PASS from view {name} without a model_id"
    if not 0.0 <= inspection.score < 1.0 or not 0.0 < inspection.p_value <= 1.0:
        return f"PASS from view {name} with score {inspection.score} and p-value {inspection.p_value}"
    if not inspection.thresholds.accept <= inspection.thresholds.reject:
        return f"PASS from view {name} with the thresholds {inspection.thresholds.accept} and {inspection.thresholds.reject}, which contradict"
    limits = [inspection.thresholds.accept, *([result.thresholds.accept] if inspection.model_id == result.model_id else [])]
    if not all(inspection.score < limit for limit in limits):
        return f"PASS from view {name} with score {inspection.score}, not below {' and '.join(map(str, limits))}"
    if stamp_ns(inspection.header.stamp) < max(since_ns, 1):
        return f"PASS from view {name} of an image that was taken before the arm had settled"
    return ""


def _is_placed(defect: Any, image_frame: str) -> bool:
    """Whether a defect has no pose, or one around which a box can be put.  image_frame: where an empty frame_id says that it is."""
    frame_id = defect.frame_id or image_frame
    pose, extent, turn = defect.pose.pose, defect.extent, defect.pose.pose.orientation
    return not defect.has_pose or (
        all(abs(value) <= FARTHEST_M for value in (pose.position.x, pose.position.y, pose.position.z, *defect.pose.covariance))
        and all(0 <= value <= FARTHEST_M for value in (extent.x, extent.y, extent.z))
        and abs(math.hypot(turn.x, turn.y, turn.z, turn.w) - 1) <= 1e-2
        and frame_id != "" and fits_name(frame_id))
