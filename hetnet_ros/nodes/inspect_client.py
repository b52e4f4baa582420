"""The planner's client of ``~/inspect_part``: one goal for one view, and a result that is believed only in due form.

One goal a view, because ``not_before`` is a property of a goal: it is set after the arm has settled, so no image taken in
motion, or from the last viewpoint, can count.
"""

from __future__ import annotations

import math
from typing import Any

from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration as DurationMessage
from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.time import Time

from hetnet_ros.action import InspectPart
from hetnet_ros.inspection.keep_out import keep_out_box
from hetnet_ros.inspection.result import Verdict
from hetnet_ros.nodes.calls import Caller, CallFailed
from hetnet_ros.nodes.space_conversion import defect_pose
from hetnet_ros.planning.interfaces import InspectionFailed, KeepOut, ViewVerdict

_REASONS = {
    "absent": "inspector_lost",
    "lost": "inspector_lost",
    "refused": "goal_refused",
    "timeout": "inspection_timeout",
    "stopped": "planner_stopped",
}
_GRACE_SECONDS = 2.0
"""How much longer than the goal's own timeout the planner waits: the inspector's own answer says more."""


class InspectClient:
    """Speaks to one inspector.  margin_m: around each defect's keep-out box."""

    def __init__(self, node: Node, caller: Caller, inspector: str, available: float, margin_m: float) -> None:
        self._node, self._caller, self._available, self._margin = node, caller, available, margin_m
        self._name = f"{inspector}/inspect_part"
        self._client = ActionClient(node, InspectPart, self._name)

    def inspect(self, part_id: str, viewpoint: str, timeout: float) -> ViewVerdict:
        """The verdict on images stamped from now on; see :class:`hetnet_ros.planning.interfaces.PartViewInspector`."""
        not_before = self._node.get_clock().now()
        whole = int(timeout)
        goal = InspectPart.Goal(
            part_id=part_id,
            view_ids=[viewpoint],
            min_views=1,
            max_views=1,
            not_before=not_before.to_msg(),
            timeout=DurationMessage(sec=whole, nanosec=int((timeout - whole) * 1e9)),
            stop_on_reject=True,
        )
        try:
            status, result = self._caller.action(
                self._client, goal, self._name, self._available, timeout + _GRACE_SECONDS
            )
        except CallFailed as error:
            raise InspectionFailed(_REASONS[error.kind], str(error)) from error
        fault = fault_of(status, result, part_id, viewpoint, not_before.nanoseconds)
        if fault:
            raise InspectionFailed("malformed_result", fault)
        return ViewVerdict(
            viewpoint,
            Verdict(result.verdict),
            result.reason,
            result.detail,
            float(result.p_value),
            result.model_id,
            self._zones(result),
        )

    def _zones(self, result: InspectPart.Result) -> tuple[KeepOut, ...]:
        return tuple(
            KeepOut(
                defect.frame_id or view.inspection.header.frame_id, keep_out_box(defect_pose(defect), self._margin)
            )
            for view in result.views
            for defect in view.inspection.defects
            if defect.has_pose
        )


def fault_of(status: int, result: Any, part_id: str, viewpoint: str, not_before_ns: int) -> str:
    """What keeps a result from being believed, in one line; empty if nothing does.

    A REJECT or UNCERTAIN is on the safe side and is taken as it is.  A PASS must come from a goal that succeeded, name the
    part and view it was asked for, and carry evidence that is itself a PASS of the same model on an image taken since.
    """
    if result.verdict not in {int(verdict) for verdict in Verdict}:
        return f"verdict {result.verdict} is not known"
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
    if not (math.isfinite(result.p_value) and 0.0 < result.p_value <= 1.0):
        return f"PASS with the p-value {result.p_value}"
    if len(result.views) != 1:
        return f"PASS with {len(result.views)} views, not 1"
    return _fault_of_view(result.views[0], viewpoint, result.model_id, not_before_ns)


def _fault_of_view(view: Any, viewpoint: str, model_id: str, not_before_ns: int) -> str:
    inspection = view.inspection
    if view.view_id != viewpoint:
        return f"PASS for view {view.view_id!r}, not {viewpoint!r}"
    if inspection.verdict != Verdict.PASS:
        return f"PASS from a view with verdict {inspection.verdict}"
    if inspection.model_id != model_id:
        return "PASS from a view of another model"
    if not (math.isfinite(inspection.score) and inspection.score < inspection.thresholds.accept):
        return f"PASS with the score {inspection.score}, not below {inspection.thresholds.accept}"
    if Time.from_msg(inspection.header.stamp).nanoseconds < not_before_ns:
        return "PASS from an image that was taken before the arm had settled"
    return ""
