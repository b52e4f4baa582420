"""The ``reject_planner`` node: takes parts through the viewpoints of a cell and puts each where its verdict sends it.

What it does, and what follows from each failure, is decided in :mod:`hetnet_ros.planning`; here it only meets ROS.  The
cycle runs on a thread of its own and the executor's threads complete its calls, so services answer at any time.

It begins nothing before it is known that no part is in hand: it may have been started again in the middle of one.  The arm
knows (:meth:`Arm.holding`), or a person says so (~/resume).
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Sequence
from typing import Any

import rclpy
from builtin_interfaces.msg import Duration as DurationMessage
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from hetnet_ros.errors import InputError
from hetnet_ros.msg import PartOutcome as PartOutcomeMessage
from hetnet_ros.nodes.calls import Caller, CallFailed
from hetnet_ros.nodes.company import Servers, twin_of
from hetnet_ros.nodes.inspect_client import InspectClient
from hetnet_ros.nodes.parameters import Declaration
from hetnet_ros.nodes.process import run_node
from hetnet_ros.nodes.virtual_arm import VirtualCellArm
from hetnet_ros.planning.cell_config import CellConfig, load_cell
from hetnet_ros.planning.hand import Hand
from hetnet_ros.planning.interfaces import Arm, MustHalt, StepFailed
from hetnet_ros.planning.outcome import Destination
from hetnet_ros.planning.part_cycle import PartCycle, PartOutcome, State
from hetnet_ros.planning.uninspected import Uninspected
from hetnet_ros.resources import config_path

DECLARATIONS = (
    Declaration("cell_file", "", "YAML file that describes the cell; empty: the package's config/cell.yaml.", frozen="always"),
    Declaration("recipe", "", "Recipe of that file to inspect by; empty: its only one.", frozen="always"),
    Declaration("parts", 0, "Parts to take; 0: until ~/stop.", low=0, high=2**31 - 1, frozen="always"),
    Declaration("first_number", 0, "Number of the first part: where counting goes on after a restart.", low=0, high=2**31 - 1, frozen="always"),
    Declaration("autostart", False, "Begin at once instead of waiting for ~/start.", frozen="always"),
)

LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=10,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""Outcomes and state: whoever comes later learns them too."""
_ASK_SECONDS = 2.0
"""How often the arm is asked again whether it holds a part, until it or a person tells."""
_TELL = "call ~/resume: data is whether the gripper holds a part, which is then put to the re-inspect side"


class RejectPlanner(Node):
    """The node; see the module's docstring and docs/planner.md."""

    def __init__(self, **options: Any) -> None:
        """``options`` go to :class:`rclpy.node.Node`.  Raises InputError for a parameter or cell file that is not allowed."""
        super().__init__("reject_planner", **options)
        self._caller = Caller(Servers(self))
        self._thread: threading.Thread | None = None
        self._wake, self._running, self._ending = threading.Condition(), False, False
        self._hand_known, self._told, self._fault = False, None, ""
        for entry in DECLARATIONS:
            self.declare_parameter(entry.name, entry.default, entry.descriptor())
        given = {entry.name: entry.checked(self.get_parameter(entry.name).value) for entry in DECLARATIONS}
        self.cell = load_cell(given["cell_file"] or config_path("cell.yaml"))
        self._recipe = self.cell.recipe(given["recipe"])
        self._recipe_name = next(name for name, recipe in self.cell.recipes.items() if recipe is self._recipe)
        self._number = given["first_number"]
        self._end = self._number + given["parts"] if given["parts"] else None
        self.arm = make_arm(self, self._caller, self.cell)
        self._hand = Hand(self.arm, self.cell)
        self._uninspected = Uninspected(self.cell.policy.halt_after)
        self._inspector = InspectClient(
            self, self._caller, self.cell.inspector, self.cell.timing.available, self.cell.policy.keep_out_margin
        )
        self._outcomes = self.create_publisher(PartOutcomeMessage, "~/outcome", LATCHED)
        self._states = self.create_publisher(String, "~/state", LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._running = given["autostart"]
        self._state, self._line = State.IDLE, ""
        self._counts = dict.fromkeys(Destination, 0)
        self.create_service(Trigger, "~/start", self._on_start)
        self.create_service(Trigger, "~/stop", self._on_stop)
        self.create_service(SetBool, "~/resume", self._on_resume)
        self.create_timer(1.0, self._publish_diagnostics, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(
            f"recipe {self._recipe_name}, arm {self.cell.arm.backend}; {'starting' if self._running else 'call ~/start to begin'}"
        )
        self._thread = threading.Thread(target=self._work, name="reject_planner", daemon=True)
        self._thread.start()

    def destroy_node(self) -> None:
        """End the cycle in hand before its clients go.  The part stays where it is."""
        with self._wake:
            self._ending = True
            self._wake.notify_all()
        self._caller.stop()
        if self._thread is not None:
            self._thread.join(timeout=4.0)
        super().destroy_node()

    # ---- services ----------------------------------------------------------------------------------------------------

    def _on_start(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._wake:
            response.success, response.message = not self._running, "started"
            if not self._hand_known and self._state is State.HALTED:
                response.success, response.message = False, self._line
            elif self._running:
                response.message = "it is running already"
            elif self._all_done:
                response.success, response.message = False, "all parts are done"
            else:
                self._looked_after()
                self._running = True
                self._wake.notify_all()
        return response

    def _on_resume(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        with self._wake:
            response.success = self._state is State.HALTED and self._told is None
            response.message = "the part is put to the re-inspect side" if request.data else "no part is in hand"
            if response.success:
                self._looked_after()
                self._told = request.data
                self._wake.notify_all()
            else:
                response.message = f"the planner is {self._state.value}, not halted: it knows what is in hand"
        return response

    @property
    def _over(self) -> bool:
        """Whether the node is ending; the context ends before the node is told."""
        return self._ending or not rclpy.ok(context=self.context)

    @property
    def _all_done(self) -> bool:
        return self._end is not None and self._number >= self._end

    def _looked_after(self) -> None:
        """A person has looked at whatever was wrong.  The lock is held."""
        self._fault = ""
        self._inspector.forget()
        self._uninspected.forget()

    def _on_stop(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._wake:
            busy = self._running and self._state not in (State.IDLE, State.DONE, State.HALTED)
            self._running = False
        response.success, response.message = True, "the part in hand is still put away" if busy else "stopped"
        return response

    # ---- the cycle ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        cycle = PartCycle(self.cell, self._recipe, self.arm, self._inspector, self._settle, self._tell, self._guard)
        while not self._learn_hand():
            if self._ending:
                return
        self._tell(State.IDLE, f"recipe {self._recipe_name}, arm {self.cell.arm.backend}")
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._running or self._ending or self._told is not None)
                if self._ending:
                    return
                told, self._told, number = self._told, None, self._number
            if told is not None:
                line = self._put_away() if told else ""
                with self._wake:
                    self._running = self._running and not line  # ~/start may have come meanwhile: a person must look again
                self._tell(State.HALTED if line else State.IDLE, line or f"{sum(self._counts.values())} parts done")
                continue
            stamp, started = self.get_clock().now(), time.monotonic()
            outcome = cycle.run(number)
            with self._wake:
                self._number = number + 1
                self._counts[outcome.destination] += 1
                uninspected = self._uninspected.note(outcome)
                if outcome.halted or self._all_done:
                    self._running = False
                if self._over:
                    return
                unseen = uninspected if self._running else ""
                self._running = self._running and not unseen
                idle = not self._running and not outcome.halted and not unseen
            self._report(outcome)
            try:
                self._outcomes.publish(self._message(outcome, stamp, time.monotonic() - started))
            except Exception:  # the part is where it is; a lost report must not end the planner silently
                if self._over:
                    return
                self.get_logger().error(f"an outcome could not be published\n{traceback.format_exc()}")
            if unseen:
                self.get_logger().error(f"halted: {unseen}. See to the inspector and the arm, then call ~/start")
                self._tell(State.HALTED, f"{unseen}; see to the inspector and the arm, then call ~/start")
            elif idle:
                self._tell(State.IDLE, f"{sum(self._counts.values())} parts done")

    def _learn_hand(self) -> bool:
        """Whether it is known now that no part is in hand, and that this is the only planner of its name."""
        with self._wake:
            told, self._told = self._told, None
        try:
            line = twin_of(self)
            if not line and told is not False:
                line = (self._put_away() if told else self._hand.doubt()) or twin_of(self)
        except Exception as error:  # the graph cannot be asked: the context is at its end
            line = f"{type(error).__name__}: {error}"
        if line:
            line = f"{line}; {_TELL}"
            if (self._state, self._line) != (State.HALTED, line):
                self.get_logger().error(f"halted: {line}")
                self._tell(State.HALTED, line)
            with self._wake:
                self._wake.wait_for(lambda: self._ending or self._told is not None, _ASK_SECONDS)
        self._hand_known = not line
        return self._hand_known

    def _put_away(self) -> str:
        self._tell(State.PLACING, "the part in hand to the re-inspect side")
        return self._hand.put_away()

    def _guard(self) -> None:
        """Raises MustHalt where it cannot be known who acts or answers."""
        if self._fault:
            raise MustHalt("planner_failed", self._fault)
        twin = twin_of(self)
        if twin:
            raise MustHalt("two_planners", twin)
        self._inspector.alone(self.cell.timing.available if self._state is State.PRESENTING else 0.0)

    def outlive(self, error: Exception) -> None:
        """An error has reached the executor: nothing more goes to the good bin until a person has looked."""
        self._fault = f"{type(error).__name__}: {' '.join(str(error).split())}"
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.get_logger().error(f"an error in the executor; the planner halts\n{trace}", throttle_duration_sec=5.0)
        with self._wake:
            resting = self._state is State.IDLE and not self._running
        if resting:
            self._tell(State.HALTED, f"planner_failed: {self._fault}")

    def _settle(self, seconds: float) -> None:
        try:
            self._caller.sleep(seconds)
        except CallFailed as error:
            raise StepFailed("planner_stopped", str(error)) from error

    def _tell(self, state: State, line: str) -> None:
        self._state, self._line = state, line
        self.get_logger().debug(f"{state.value} {line}")
        if not self._over:
            try:
                self._states.publish(String(data=state.value))
            except Exception:  # a state that nobody heard of must not leave a part where it is
                if not self._over:
                    self.get_logger().error(f"the state {state.value} could not be published\n{traceback.format_exc()}")

    def _report(self, outcome: PartOutcome) -> None:
        decision = outcome.decision
        why = f", {decision.reason}: {decision.detail}" if decision.reason else ""
        line = f"part {outcome.number}: {outcome.destination.name}{why}"
        if outcome.halted:
            fault = "" if outcome.fault == f"{decision.reason}: {decision.detail}" else f"; {outcome.fault}"
            self.get_logger().error(
                f"{line}{fault}. Halted: look after the part, then call ~/start, or ~/resume if it is in hand"
            )
        elif outcome.fault:
            self.get_logger().warning(f"{line}; on the way: {outcome.fault}")
        else:
            self.get_logger().info(line)

    def _message(self, outcome: PartOutcome, stamp: Any, seconds: float) -> PartOutcomeMessage:
        views = outcome.verdict.views if outcome.verdict else ()
        message = PartOutcomeMessage(
            number=outcome.number,
            recipe=self._recipe_name,
            part_id=self._recipe.part_id,
            destination=int(outcome.destination),
            intended=int(outcome.decision.destination),
            reason=outcome.decision.reason,
            detail=outcome.decision.detail,
            fault=outcome.fault,
            viewpoints=[view.viewpoint for view in views],
            verdicts=[int(view.verdict) for view in views],
            reasons=[view.reason for view in views],
            model_ids=[view.model_id for view in views],
            elapsed=DurationMessage(sec=int(seconds), nanosec=int(seconds % 1 * 1e9)),
        )
        message.header.stamp = stamp.to_msg()
        return message

    def _publish_diagnostics(self) -> None:
        status = DiagnosticStatus(name=f"{self.get_fully_qualified_name().lstrip('/')}: planner")
        halted = self._state is State.HALTED or self._fault
        status.level = DiagnosticStatus.ERROR if halted else DiagnosticStatus.OK
        status.message = f"{self._state.value} {self._line}".strip()
        if self._fault and self._fault not in status.message:
            status.message += f"; planner_failed: {self._fault}"
        status.values = [KeyValue(key=side.name, value=str(count)) for side, count in self._counts.items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def make_arm(node: Node, caller: Caller, cell: CellConfig) -> Arm:
    """The arm of the cell's file.  Raises InputError if it needs what is not installed."""
    if cell.arm.backend == "virtual_cell":
        return VirtualCellArm(node, caller, cell.arm.camera, cell.timing.available)
    try:
        from hetnet_ros.nodes.moveit_arm import MoveItArm
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("moveit_msgs"):
            raise InputError(
                "arm.backend is moveit, but moveit_msgs is not installed: install ros-$ROS_DISTRO-moveit-msgs"
            ) from error
        raise
    return MoveItArm(node, caller, cell.arm.moveit, cell.timing.available)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is told to stop; returns the exit code."""
    return run_node(RejectPlanner, args, threads=4, outlive=RejectPlanner.outlive)


if __name__ == "__main__":
    sys.exit(main())
