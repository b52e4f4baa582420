"""A server of ``inspect_part`` that speaks the real type and answers what a test asks for.

It judges nothing: it waits until ~/view announces each view, and for an image stamped since, as the inspector does, and then
gives the answer chosen.  As a program it serves in a process of its own that can be killed:
``python inspect_part_double.py NAMESPACE ANSWER [NODE]``; as a node of another name it forges the inspector's action.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from hetnet_ros.action import InspectPart
from hetnet_ros.msg import Defect, Inspection, ViewEvidence
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

MODEL = "0123456789abcdef"


class InspectPartDouble(Node):
    """answer: called with the goal and the result of a good part, to be changed or replaced; raising aborts the goal.
    most: views after which it gives its answer.  blind: no image reaches it.  refuses: it takes no goal."""

    def __init__(self, namespace: str, name: str = "inspector") -> None:
        super().__init__(name, namespace=namespace)
        self.mend()
        self.goals: list[Any] = []
        self.cancelled = 0
        self._images: list[Header] = []
        self._views: list[Header] = []
        group = ReentrantCallbackGroup()
        self.create_subscription(Image, "image", lambda m: self._images.append(m.header), 5, callback_group=group)
        self.create_subscription(Header, f"{namespace}/inspector/view", self._views.append, 10, callback_group=group)
        self._server = ActionServer(
            self,
            InspectPart,
            f"{namespace}/inspector/inspect_part",
            self._execute,
            callback_group=group,
            goal_callback=lambda _: GoalResponse.REJECT if self.refuses else GoalResponse.ACCEPT,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )

    def mend(self) -> None:
        """Answer PASS, after all views."""
        self.answer: Callable[[Any, Any], Any] = lambda goal, result: result
        self.most, self.blind, self.refuses = 100, False, False

    def _execute(self, handle: Any) -> Any:
        goal = handle.request
        self.goals.append(goal)
        used: dict[str, Header] = {}
        deadline = time.monotonic() + goal.timeout.sec
        for name in goal.view_ids[: self.most]:
            while name not in used:
                if handle.is_cancel_requested:
                    handle.canceled()
                    self.cancelled += 1
                    return InspectPart.Result(reason="cancelled", part_id=goal.part_id)
                if time.monotonic() > deadline:
                    handle.abort()
                    return InspectPart.Result(reason="timeout", part_id=goal.part_id)
                since = [_ns(h) for h in self._views if h.frame_id == name and _ns(h) >= _ns_of(goal.not_before)]
                fresh = [h for h in self._images[-20:] if since and _ns(h) >= since[0] and not self.blind]
                used.update({name: fresh[0]} if fresh else {})
                time.sleep(0.02)
            handle.publish_feedback(InspectPart.Feedback(views_done=len(used), last_view=ViewEvidence(view_id=name)))
        try:
            result = self.answer(goal, passed(goal, used))
        except Exception:
            handle.abort()
            return InspectPart.Result(reason="internal_error")
        if handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.succeed()
        return result


def _ns(header: Header) -> int:
    return _ns_of(header.stamp)


def _ns_of(stamp: Any) -> int:
    return Time.from_msg(stamp).nanoseconds


def passed(goal: Any, used: dict[str, Header]) -> Any:
    """What the inspector answers about a good part; ``used``: view and header of its image."""
    result = InspectPart.Result(
        verdict=InspectPart.Result.PASS, part_id=goal.part_id, model_id=MODEL, p_value=0.6, deciding_view=0
    )
    result.thresholds.accept, result.thresholds.reject = 0.3, 0.5
    for name, header in used.items():
        inspection = Inspection(
            header=header, verdict=Inspection.PASS, part_id=goal.part_id, view_id=name, model_id=MODEL, score=0.1, p_value=0.6
        )
        inspection.thresholds = result.thresholds
        result.views.append(ViewEvidence(view_id=name, inspection=inspection))
    return result


def rejected(_goal: Any, result: Any) -> Any:
    """The answer about a defective part, with one defect in space."""
    defect = Defect(has_pose=True, score=0.9)
    defect.pose.pose.position.z, defect.pose.pose.orientation.w = 0.4, 1.0
    defect.extent.x = defect.extent.y = 0.006
    result.verdict, result.reason = InspectPart.Result.REJECT, "anomaly"
    result.views[0].inspection.verdict = Inspection.REJECT
    result.views[0].inspection.defects = [defect]
    return result


def hang(_goal: Any, result: Any) -> Any:
    """No answer for longer than any test lets the planner wait."""
    print("goal taken", flush=True)
    threading.Event().wait(8.0)
    return result


if __name__ == "__main__":
    import rclpy
    from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor

    rclpy.init()
    server = InspectPartDouble(sys.argv[1], *sys.argv[3:4])
    if sys.argv[2] == "hang":
        server.answer = hang
    spinning = MultiThreadedExecutor(num_threads=4)
    spinning.add_node(server)
    print("serving", flush=True)
    try:
        spinning.spin()
    except ExternalShutdownException:
        server.destroy_node()
