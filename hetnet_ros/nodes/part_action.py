"""The action ``~/inspect_part`` and the latched topic ``~/part_verdict``.

Goals are inspected one after another, because there is one part in front of the camera.  Each is watched by its own
thread of the executor, which only waits; the frames come from the pipeline's worker through :mod:`part_inspection`.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import rclpy
from builtin_interfaces.msg import Duration
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header

from hetnet_ros.action import InspectPart
from hetnet_ros.foreign_text import one_line
from hetnet_ros.inspection.multi_view import PartVerdict, thresholds_among
from hetnet_ros.inspection.result import Verdict
from hetnet_ros.inspection.stamp_rule import stamp_ns
from hetnet_ros.msg import PartVerdict as PartVerdictMessage
from hetnet_ros.msg import Thresholds, ViewEvidence
from hetnet_ros.nodes.company import twin_of
from hetnet_ros.nodes.parameters import InspectorParameters
from hetnet_ros.nodes.part_inspection import Evidence, PartGoal, PartInspection, check_names, check_times, plan_views
from hetnet_ros.nodes.pipeline import Pipeline

_LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=32,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
_POLL_SECONDS = 0.05
"""How soon a cancel, a timeout or a deactivation is noticed."""
_CANCEL_SECONDS = 1.0
"""Longest wait for the state of a goal that was cancelled in the queue."""


@dataclass(eq=False)
class _Order:
    """An accepted goal: its handle, when it was accepted and by when it must have its result (s, monotonic), the
    earliest stamp, ns, and when its turn came (s, monotonic).  end: reason and detail that end it; empty while nothing
    does."""

    handle: Any
    accepted: float
    deadline: float
    not_before_ns: int
    begun: float
    end: tuple[str, str] = ("", "")


class PartInspectionServer:
    """Offers the action on ``node``.

    parameters: those in force.  idle: reason and detail why no part can be inspected, both empty while one can.
    """

    def __init__(
        self,
        node: Node,
        pipeline: Pipeline,
        parameters: Callable[[], InspectorParameters],
        idle: Callable[[], tuple[str, str]],
    ) -> None:
        self._node = node
        self._logger = node.get_logger()
        self._pipeline = pipeline
        self._parameters = parameters
        self._idle = idle
        self._lock = threading.Lock()
        self._orders: dict[bytes, _Order] = {}
        self._running: _Order | None = None
        self._queue: deque[_Order] = deque()
        self._asked = 0.0
        self._executing = 0
        self._verdicts = node.create_publisher(PartVerdictMessage, "~/part_verdict", _LATCHED)
        self._server = ActionServer(
            node,
            InspectPart,
            "~/inspect_part",
            execute_callback=self._execute,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
            callback_group=MutuallyExclusiveCallbackGroup(),
        )

    def end(self, reason: str, detail: str) -> None:
        """End every goal, those that wait included."""
        with self._lock:
            orders = [order for order in (self._running, *self._queue) if order is not None]
            for order in orders:
                order.end = order.end if order.end[0] else (reason, detail)
            self._hurry_queue()

    def close(self) -> None:
        """End every goal and leave the graph, which a node does not do for its actions: who stays there counts as a twin of
        the inspector that is started next."""
        self.end("inspector_inactive", "the inspector is being shut down")
        deadline = time.monotonic() + _CANCEL_SECONDS
        while self._executing and time.monotonic() < deadline:
            time.sleep(0.01)
        if not self._executing:
            self._server.destroy()

    # ---- goals come and go -------------------------------------------------------------------------------------------

    def _on_goal(self, request: InspectPart.Goal) -> GoalResponse:
        self._asked = time.monotonic()  # the client learns that it is accepted before the next callback is called
        try:
            check_names(request.part_id, request.view_ids)
            plan_views(request.view_ids, request.min_views, request.max_views)
            check_times(request.timeout, request.not_before)
        except ValueError as error:
            self._logger.warning(f"a goal of inspect_part is refused: {error}")
            return GoalResponse.REJECT
        twin = twin_of(self._node)
        if twin:
            self._logger.error(f"a goal of inspect_part is refused: {twin}")
            return GoalResponse.REJECT
        with self._lock:
            busy = self._running is not None
        if busy and self._parameters().inspect_part_concurrent == "refuse":
            self._logger.warning("a goal of inspect_part is refused: another part is being inspected")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _on_accepted(self, handle: Any) -> None:
        parameters, request, now = self._parameters(), handle.request, time.monotonic()
        timeout = request.timeout.sec + request.timeout.nanosec / 1e9
        before = stamp_ns(request.not_before)
        order = _Order(handle, now, now + (timeout if timeout > 0 else parameters.inspect_part_timeout),
                       before or self._node.get_clock().now().nanoseconds, self._asked)
        with self._lock:
            self._orders[bytes(handle.goal_id.uuid)] = order
            if self._running is not None:
                self._queue.append(order)
                if parameters.inspect_part_concurrent == "preempt":
                    for older in (self._running, *list(self._queue)[:-1]):
                        older.end = older.end if older.end[0] else ("preempted", "a newer goal took over")
                    self._hurry_queue()
                return
            self._running = order
        handle.execute()

    def _on_cancel(self, handle: Any) -> CancelResponse:
        with self._lock:
            order = self._orders.get(bytes(handle.goal_id.uuid))
            if order is not None and order in self._queue:
                order.end = ("cancelled", "cancelled while it waited for its turn")
                self._hurry_queue()
        return CancelResponse.ACCEPT

    def _hurry_queue(self) -> None:
        """Let goals that have ended while they waited give their results now.  The lock is held."""
        now = time.monotonic()
        for order in [order for order in self._queue if order.end[0] or now > order.deadline]:
            self._queue.remove(order)
            order.end = order.end if order.end[0] else ("timeout", "it waited too long for its turn")
            order.handle.execute()

    # ---- one goal ----------------------------------------------------------------------------------------------------

    def _execute(self, handle: Any) -> InspectPart.Result:
        with self._lock:
            self._executing += 1
        try:
            return self._carried_out(handle)
        finally:
            with self._lock:
                self._executing -= 1

    def _carried_out(self, handle: Any) -> InspectPart.Result:
        order = self._orders.pop(bytes(handle.goal_id.uuid))
        request, parameters = handle.request, self._parameters()
        names = plan_views(request.view_ids, request.min_views, request.max_views)
        part = PartInspection(PartGoal(
            request.part_id, names, request.min_views or len(names), order.not_before_ns, request.stop_on_reject,
            request.wait_for_view, parameters.inspect_part_tries, frozenset(parameters.camera_names),
            parameters.inspect_part_combination, order.begun))
        try:
            verdict = self._inspected(order, part)
        except Exception as error:  # a defect of ours must not look like a verdict
            if rclpy.ok(context=self._node.context):  # else the process was told to end meanwhile
                self._logger.error(f"inspect_part failed:\n{traceback.format_exc()}")
            verdict = PartVerdict(Verdict.UNCERTAIN, "internal_error", f"{type(error).__name__}: {error}")
        finally:
            self._next(order)
        return self._conclude(order, part, verdict)

    def _inspected(self, order: _Order, part: PartInspection) -> PartVerdict:
        """Wait until the part has its verdict or something ends the goal."""
        told = 0
        if not order.end[0]:
            self._pipeline.part = part
        try:
            while True:
                evidence = part.settled
                for count in range(told, len(evidence)):
                    self._tell(order.handle, part, evidence[:count + 1])
                told = len(evidence)
                if part.finished and not order.end[0]:  # a pause may have been too short to be seen otherwise
                    return part.verdict
                reason, detail = self._ended(order, part)
                if reason:
                    return PartVerdict(Verdict.UNCERTAIN, reason, detail, -1, part.verdict.p_value)
                with part.changed:
                    part.changed.wait(_POLL_SECONDS)
        finally:
            if self._pipeline.part is part:
                self._pipeline.part = None

    def _ended(self, order: _Order, part: PartInspection) -> tuple[str, str]:
        """Reason and detail why the goal ends without the part's own verdict; empty while it goes on."""
        with self._lock:
            self._hurry_queue()
        if order.handle.is_cancel_requested or order.end[0] == "cancelled":
            return "cancelled", f"cancelled; {part.waiting_for}"
        if order.end[0]:
            return order.end
        reason, detail = self._idle()
        if reason:
            return reason, detail
        if time.monotonic() > order.deadline:
            return "timeout", f"no verdict in {order.deadline - order.accepted:.3g} s: {part.waiting_for}"
        return "", ""

    def _next(self, order: _Order) -> None:
        with self._lock:
            if self._running is not order:
                return
            self._running = self._queue.popleft() if self._queue else None
            if self._running is not None:
                # Until now another part lay there, and ~/view told of that one.
                self._running.begun = time.monotonic()
                self._running.not_before_ns = max(self._running.not_before_ns, self._node.get_clock().now().nanoseconds)
                self._running.handle.execute()

    def _conclude(self, order: _Order, part: PartInspection, verdict: PartVerdict) -> InspectPart.Result:
        """Publish and return the result, and give the goal its final state."""
        handle = order.handle
        if handle.is_cancel_requested and verdict.reason != "cancelled":  # whoever cancelled may have taken the part away
            verdict = PartVerdict(Verdict.UNCERTAIN, "cancelled", "cancelled as the verdict was reached", -1, verdict.p_value)
        message = self._message(order, part, verdict)
        result = InspectPart.Result(**{name: getattr(message, name) for name in _SHARED})
        if not rclpy.ok(context=self._node.context):
            return result
        self._verdicts.publish(message)
        if verdict.reason == "cancelled":
            deadline = time.monotonic() + _CANCEL_SECONDS  # the state follows the cancel callback, which may still run
            while not handle.is_cancel_requested and time.monotonic() < deadline:
                time.sleep(0.005)
        if verdict.reason == "cancelled" and handle.is_cancel_requested:
            handle.canceled()
        elif verdict.reason in _NO_VERDICT:
            handle.abort()
        else:
            handle.succeed()
        self._logger.info(f"part {message.part_id!r}: {verdict.verdict.name}"
                          + (f", {verdict.reason}: {message.detail}" if verdict.reason else ""))
        return result

    # ---- messages ----------------------------------------------------------------------------------------------------

    def _tell(self, handle: Any, part: PartInspection, evidence: list[Evidence]) -> None:
        handle.publish_feedback(InspectPart.Feedback(
            views_done=len(evidence), views_wanted=len(part.goal.view_ids), running_verdict=int(part.verdict.verdict),
            last_view=_view(evidence[-1])))

    def _message(self, order: _Order, part: PartInspection, verdict: PartVerdict) -> PartVerdictMessage:
        evidence, model = part.settled, self._pipeline.model
        deciding = evidence[verdict.deciding] if verdict.deciding >= 0 else None
        source = deciding or (evidence[-1] if evidence else None)
        header = source.message.header if source else Header(stamp=self._node.get_clock().now().to_msg())
        calibration = source.seen.calibration if source else (model.inspector.calibration if model else None)
        elapsed = time.monotonic() - order.accepted
        message = PartVerdictMessage(
            header=header, verdict=int(verdict.verdict), reason=verdict.reason, detail=one_line(verdict.detail),
            part_id=part.goal.part_id or self._parameters().part_id or (model.part_name if model else ""),
            model_id=deciding.message.model_id if deciding else (model.inspector.model_id if model else ""),
            deciding_view=verdict.deciding, p_value=float(verdict.p_value), views=[_view(one) for one in evidence],
            elapsed=Duration(sec=int(elapsed), nanosec=int(elapsed % 1 * 1e9)))
        if calibration is not None:
            limits = thresholds_among(calibration, len(part.goal.view_ids))
            message.thresholds = Thresholds(accept=limits.accept, reject=limits.reject, pixel=limits.pixel)
        return message


_NO_VERDICT = ("timeout", "preempted", "inspector_inactive", "two_inspectors", "internal_error", "cancelled",
               "settings_changed")

_SHARED = tuple(name for name in InspectPart.Result.get_fields_and_field_types()
                if name in PartVerdictMessage.get_fields_and_field_types())


def _view(evidence: Evidence) -> ViewEvidence:
    return ViewEvidence(view_id=evidence.seen.view_id, inspection=evidence.message, frames_refused=evidence.refused)
