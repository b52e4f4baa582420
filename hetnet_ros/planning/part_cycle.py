"""One part from its place to a bin: the planner's state machine.

    PRESENTING -> [PICKING] -> MOVING -> INSPECTING -> (next viewpoint: MOVING) -> DECIDING -> [PICKING] -> PLACING -> DONE
                                   |          |                                                    |          |
                                   +----------+--> DECIDING (reject or re-inspect side)            +----------+--> HALTED

A step that fails is not tried again: it skips what is left to inspect and goes on to DECIDING, which then knows no good bin.
A motion to the bin that fails is followed by motions to the other sides, never to the good bin.  When the part cannot be
picked or put anywhere, or when it cannot be known who acts or answers (MustHalt, at any step), the cycle ends HALTED: the part
is where it is, and a person must look.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from hetnet_ros.planning.cell_config import CellConfig, Recipe, Target
from hetnet_ros.planning.interfaces import Arm, KeepOut, MustHalt, PartInspector, PartVerdict, StepFailed
from hetnet_ros.planning.outcome import Decision, Destination, decide


class State(str, enum.Enum):
    """Where in its cycle the planner is; the values are published."""

    IDLE = "idle"
    PRESENTING = "presenting"
    PICKING = "picking"
    MOVING = "moving"
    INSPECTING = "inspecting"
    DECIDING = "deciding"
    PLACING = "placing"
    DONE = "done"
    HALTED = "halted"


@dataclass(frozen=True)
class PartOutcome:
    """What became of a part.

    destination: where it is now.  decision: where it was to go, and why.  verdict: the inspector's, None without one.
    fault: what went wrong on the way to the bin, empty if nothing did.
    """

    number: int
    destination: Destination
    decision: Decision
    verdict: PartVerdict | None = None
    fault: str = ""

    @property
    def halted(self) -> bool:
        """Whether a person must look before the planner goes on."""
        return self.destination is Destination.NOT_PLACED


class PartCycle:
    """Takes parts of one recipe through the cell, one at a time.

    tell: called with each new state and one line on it.  settle: waits for as many seconds as it is given.  guard: raises
    MustHalt where something forbids to go on; called before a part is begun and before it is put into the good bin.
    """

    def __init__(
        self,
        cell: CellConfig,
        recipe: Recipe,
        arm: Arm,
        inspector: PartInspector,
        settle: Callable[[float], None],
        tell: Callable[[State, str], None],
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        self._cell, self._recipe = cell, recipe
        self._arm, self._inspector = arm, inspector
        self._settle, self._tell, self._guard = settle, tell, guard

    def run(self, number: int) -> PartOutcome:
        """Take part ``number`` to its bin; every way in which that can fail is in the outcome, nothing is raised."""
        verdict: PartVerdict | None = None
        failure: StepFailed | None = None
        before = self._cell.policy.pick == "before_inspection"
        try:
            self._tell(State.PRESENTING, f"part {number}")
            self._guard()
            self._arm.begin_part(number, self._cell.timing.motion)
            if before and (stuck := self._pick(())):
                return self._halt(number, _not_placed(stuck), None, stuck)
            verdict = self._look()
        except MustHalt as error:
            return self._halt(number, _not_placed(error), None, error)
        except StepFailed as error:
            failure = error
        except Exception as error:  # a defect of an arm's or inspector's code must not end in a bin by chance
            failure = _defect(error)
        decision = decide(self._recipe, self._cell.policy, verdict, failure)
        self._tell(State.DECIDING, f"{decision.destination.name}{f', {decision.reason}' if decision.reason else ''}")
        try:
            zones = verdict.keep_out if verdict and self._cell.policy.keep_out else ()
            if not before and (stuck := self._pick(zones)):
                return self._halt(number, decision, verdict, stuck)
            return self._place(number, decision, verdict)
        except MustHalt as error:  # what was decided may have come from the wrong one
            good = decision.destination is Destination.GOOD
            return self._halt(number, _not_placed(error) if good else decision, verdict, error)
        except Exception as error:  # likewise: the part is somewhere on the arm
            return self._halt(number, decision, verdict, _defect(error))

    def _look(self) -> PartVerdict:
        """Go from viewpoint to viewpoint under one goal, so that the verdict is on the part and not on its views."""
        recipe, policy, timing = self._recipe, self._cell.policy, self._cell.timing
        limit = len(recipe.viewpoints) * (timing.motion + timing.settle + timing.inspect)
        inspection = self._inspector.begin(recipe.part_id, recipe.viewpoints, policy.stop_on_reject, limit)
        try:
            for viewpoint in recipe.viewpoints:
                self._tell(State.MOVING, f"to {viewpoint}")
                self._move(self._cell.viewpoints[viewpoint])
                self._settle(timing.settle)
                self._tell(State.INSPECTING, viewpoint)
                if inspection.look(viewpoint, timing.inspect):
                    break
            return inspection.verdict(timing.inspect)
        except Exception:
            inspection.abandon()
            raise

    def _move(self, target: Target) -> None:
        self._arm.move(target, self._cell.timing.motion)

    def _pick(self, zones: tuple[KeepOut, ...]) -> StepFailed | None:
        """Take the part, clear of its defects; what failed, or None."""
        self._tell(State.PICKING, f"{len(zones)} keep-out zones" if zones else "")
        timeout = self._cell.timing.motion
        try:
            if zones:
                self._arm.keep_out(zones, timeout)
            self._move(self._cell.stations.pick)
            self._arm.grasp(timeout)
        except StepFailed as error:
            return error
        return None

    def _place(self, number: int, decision: Decision, verdict: PartVerdict | None) -> PartOutcome:
        stations = {
            Destination.GOOD: self._cell.stations.good,
            Destination.REJECT: self._cell.stations.reject,
            Destination.REINSPECT: self._cell.stations.reinspect,
        }
        fallbacks = [side for side in (Destination.REINSPECT, Destination.REJECT) if side is not decision.destination]
        fault: StepFailed | None = None
        for destination in (decision.destination, *fallbacks):
            self._tell(State.PLACING, destination.name)
            if destination is Destination.GOOD:
                self._guard()
            try:
                self._move(stations[destination])
            except StepFailed as error:
                fault = fault or error
                continue
            if destination is Destination.GOOD:
                self._guard()
            try:
                self._arm.release(self._cell.timing.motion)
            except StepFailed as error:
                return self._halt(number, decision, verdict, error)
            self._tell(State.DONE, f"part {number}: {destination.name}")
            return PartOutcome(number, destination, decision, verdict, str(fault or ""))
        return self._halt(number, decision, verdict, fault or StepFailed("not_placed"))

    def _halt(
        self, number: int, decision: Decision, verdict: PartVerdict | None, fault: StepFailed | MustHalt
    ) -> PartOutcome:
        self._tell(State.HALTED, f"part {number}: {fault}")
        return PartOutcome(number, Destination.NOT_PLACED, decision, verdict, str(fault))


def _not_placed(error: StepFailed | MustHalt) -> Decision:
    return Decision(Destination.NOT_PLACED, error.reason, error.detail)


def _defect(error: Exception) -> StepFailed:
    return StepFailed("planner_failed", f"{type(error).__name__}: {' '.join(str(error).split())}")
