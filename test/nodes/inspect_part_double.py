"""A server of ``inspect_part`` that speaks the real type and answers what a test asks for.

It judges nothing: it waits for an image stamped after ``not_before``, as the inspector does, and then gives the answer
chosen.  As a program it serves in a process of its own that can be killed:
``python inspect_part_double.py NAMESPACE ANSWER``.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, Callable

from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import Image

from hetnet_ros.action import InspectPart
from hetnet_ros.msg import Defect, Inspection, ViewEvidence

MODEL = "0123456789abcdef"


class InspectPartDouble(Node):
    """answer: called with the goal and the result of a good part, to be changed or replaced; raising aborts the goal."""

    def __init__(self, namespace: str) -> None:
        super().__init__("inspector", namespace=namespace)
        self.answer: Callable[[Any, Any], Any] = lambda goal, result: result
        self.goals: list[Any] = []
        self.shown: list[Any] = []
        self._stamps: list[Any] = []
        group = ReentrantCallbackGroup()
        self.create_subscription(Image, "image", lambda m: self._stamps.append(m.header), 5, callback_group=group)
        self._server = ActionServer(
            self,
            InspectPart,
            "~/inspect_part",
            self._execute,
            callback_group=group,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )

    def _execute(self, handle: Any) -> Any:
        goal = handle.request
        self.goals.append(goal)
        since, limit = Time.from_msg(goal.not_before).nanoseconds, goal.timeout.sec + goal.timeout.nanosec * 1e-9
        deadline = time.monotonic() + limit
        while not (fresh := [h for h in self._stamps[-20:] if Time.from_msg(h.stamp).nanoseconds >= since]):
            if time.monotonic() > deadline or handle.is_cancel_requested:
                handle.succeed()
                return InspectPart.Result(reason="timeout", part_id=goal.part_id)
            time.sleep(0.02)
        try:
            result = self.answer(goal, passed(goal, fresh[0]))
        except Exception:
            handle.abort()
            return InspectPart.Result(reason="inference_failed")
        if handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.succeed()
        return result


def passed(goal: Any, header: Any) -> Any:
    """What the inspector answers about a good part."""
    inspection = Inspection(
        header=header, verdict=Inspection.PASS, part_id=goal.part_id, model_id=MODEL, score=0.1, p_value=0.6
    )
    inspection.thresholds.accept, inspection.thresholds.reject = 0.3, 0.5
    return InspectPart.Result(
        verdict=InspectPart.Result.PASS,
        part_id=goal.part_id,
        model_id=MODEL,
        p_value=0.6,
        views=[ViewEvidence(view_id=goal.view_ids[0], inspection=inspection)],
    )


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
    from rclpy.executors import MultiThreadedExecutor

    rclpy.init()
    server = InspectPartDouble(sys.argv[1])
    if sys.argv[2:] == ["hang"]:
        server.answer = hang
    spinning = MultiThreadedExecutor(num_threads=4)
    spinning.add_node(server)
    print("serving", flush=True)
    spinning.spin()
