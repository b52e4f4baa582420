"""One goal of ``~/inspect_part``: which frames it takes for which view, and what they amount to.

The worker asks it about every frame (:meth:`PartInspection.claim`) and hands back what came of those it claimed; the
action's thread waits on it.  It knows no topics and no action, so that its rules can be read, and tested, in one place.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hetnet_ros.foreign_text import MOST_IN_NAME, fits_name, shown
from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.multi_view import PartVerdict, SeenView, combine
from hetnet_ros.inspection.result import Inspection, Verdict
from hetnet_ros.inspection.stamp_rule import STAMP_REASONS, is_time
from hetnet_ros.nodes.view_settings import Announcement

_TIME_REASONS = STAMP_REASONS
"""Frames refused for their stamp are waited out; those refused for what they show are tried a few times."""


@dataclass(frozen=True)
class PartGoal:
    """What is asked for.  view_ids: one for each view wanted.  least: usable views that a PASS needs.  not_before_ns: ns on
    the node's clock.  tries: frames with a fault until a view counts as faulty.  cameras: names that bind a view to a
    camera.  rule: how views are combined.  begun: announcements received before, s on the monotonic clock, were meant for
    another goal."""

    part_id: str
    view_ids: tuple[str, ...]
    least: int
    not_before_ns: int
    stop_on_reject: bool = False
    wait_for_view: bool = False
    tries: int = 3
    cameras: frozenset[str] = frozenset()
    rule: str = "bonferroni"
    begun: float = 0.0


def check_names(part_id: str, view_ids: Sequence[str]) -> None:
    """Raise ValueError, worded for the caller, for names that are no names: they come back in messages, logs and reports."""
    for what, name in (("part_id", part_id), *(("a view_id", name) for name in view_ids)):
        if not fits_name(name):
            raise ValueError(f"{what} is {shown(name, 60)!r}: give at most {MOST_IN_NAME} printable characters")


def plan_views(view_ids: Sequence[str], min_views: int, max_views: int) -> tuple[str, ...]:
    """Names of all views wanted, made up where the goal gives none.  Raises ValueError, worded for the caller, for numbers
    that contradict each other."""
    wanted = max_views or max(len(view_ids), min_views, 1)
    if wanted > MOST_VIEWS:
        raise ValueError(f"{wanted} views are wanted, at most {MOST_VIEWS} are possible")
    if min_views > wanted:
        raise ValueError(f"min_views is {min_views} but max_views {max_views}")
    if len(view_ids) > wanted:
        raise ValueError(f"{len(view_ids)} view_ids are given but max_views is {max_views}")
    if len(set(view_ids)) < len(view_ids) or "" in view_ids:
        raise ValueError("view_ids must be different names, none of them empty")
    made_up = [f"view_{number}" for number in range(len(view_ids) + 1, wanted + 1)]
    if set(made_up) & set(view_ids):  # one announcement would serve both
        raise ValueError(f"{sorted(set(made_up) & set(view_ids))[0]} is a name that a view without one gets: give all {wanted} views names")
    return (*view_ids, *made_up)


def check_times(timeout: Any, not_before: Any) -> None:
    """Raise ValueError, worded for the caller, for a goal's times that are none, or a goal that would go on for days."""
    if not (is_time(timeout) and timeout.sec < LONGEST_SECONDS):
        raise ValueError(f"timeout is {timeout.sec} s and {timeout.nanosec} ns: give 0 (the inspector's own) to {LONGEST_SECONDS} s")
    if not is_time(not_before):
        raise ValueError(f"not_before is {not_before.sec} s and {not_before.nanosec} ns, which is no time: give 0 (now) or a time")


MOST_VIEWS = 100
LONGEST_SECONDS = 86_400
"""A day; the inspector takes no other part meanwhile."""


@dataclass(frozen=True)
class Claim:
    """A frame is taken for view number ``index``."""

    index: int
    view_id: str


@dataclass(frozen=True, eq=False)
class Evidence:
    """A settled view: what was seen, the message that told it, and how many of its frames were refused before."""

    seen: SeenView
    message: Any
    refused: int


@dataclass(eq=False)
class _Slot:
    """One wanted view while it is open."""

    view_id: str
    camera: str | None
    refused: int = 0
    tries: int = 0
    in_work: bool = False
    evidence: Evidence | None = field(default=None)


class PartInspection:
    """Safe between threads.  ``changed`` is notified whenever a view was settled."""

    def __init__(self, goal: PartGoal) -> None:
        self.goal = goal
        self.changed = threading.Condition()
        self._slots = [_Slot(name, name if name in goal.cameras else None) for name in goal.view_ids]
        self._last_stamp_ns = -1
        self._settled: list[Evidence] = []
        self._last_refusal = ""
        self._spoiled = ""

    def spoil(self, why: str) -> None:
        """End without a verdict: what verdicts depend on was changed, so the views would not have been judged alike."""
        with self.changed:
            self._spoiled = self._spoiled or why
            self.changed.notify_all()

    def claim(self, camera: str, stamp_ns: int, shown: Announcement | None) -> Claim | None:
        """The view that a frame is for, or None.  shown: the last announcement."""
        with self.changed:
            slot = self._open_slot(camera)
            if slot is None or self._finished():
                return None
            earliest = self.goal.not_before_ns
            if self.goal.wait_for_view:
                if not self._announced(slot, shown):
                    return None
                earliest = max(earliest, shown.stamp_ns)
            if slot.camera is None and stamp_ns <= self._last_stamp_ns:
                return None
            if stamp_ns < earliest:
                slot.refused += 1
                self._last_refusal = f"view {slot.view_id}: its last frame was taken before it was due"
                return None
            slot.in_work = True
            return Claim(self._slots.index(slot), slot.view_id)

    def release(self, claim: Claim) -> None:
        """The claimed frame came to nothing."""
        with self.changed:
            self._slots[claim.index].in_work = False

    def settle(self, claim: Claim, stamp_ns: int, inspection: Inspection, calibration: Calibration, message: Any) -> None:
        """What came of a claimed frame.  A frame with a fault is tried again before the view counts as faulty."""
        with self.changed:
            slot = self._slots[claim.index]
            slot.in_work = False
            if self._spoiled:
                return
            seen = SeenView(slot.view_id, inspection, calibration)
            if not seen.usable:
                self._last_refusal = f"view {slot.view_id}: {inspection.reason}, {inspection.detail}"
                slot.tries += inspection.reason not in _TIME_REASONS
                if inspection.reason in _TIME_REASONS or slot.tries < self.goal.tries:
                    slot.refused += 1
                    return
            slot.evidence = Evidence(seen, message, slot.refused)
            self._settled.append(slot.evidence)
            self._last_stamp_ns = max(self._last_stamp_ns, stamp_ns)
            self.changed.notify_all()

    @property
    def settled(self) -> list[Evidence]:
        """The settled views in the order in which they were settled."""
        with self.changed:
            return list(self._settled)

    @property
    def finished(self) -> bool:
        """Whether no further view is needed."""
        with self.changed:
            return self._finished()

    @property
    def verdict(self) -> PartVerdict:
        """The verdict if no further view came; ``deciding`` is an index into :attr:`settled`."""
        with self.changed:
            return self._verdict()

    @property
    def waiting_for(self) -> str:
        """One line on what is missing."""
        with self.changed:
            missing = [slot.view_id for slot in self._slots if slot.evidence is None]
            why = f" ({self._last_refusal})" if self._last_refusal else " (no frame came)"
            return f"{len(self._settled)} of {len(self._slots)} views came, waiting for {', '.join(missing[:5])}{why}"

    def _announced(self, slot: _Slot, shown: Announcement | None) -> bool:
        """Whether ``shown`` tells of this view, and to this goal: one of the goal before shows nothing of this part."""
        if shown is None or shown.received < self.goal.begun:
            return False
        if shown.trouble:
            self._last_refusal = f"no announcement counts: {shown.trouble}"
            return False
        return shown.view_id == slot.view_id and shown.stamp_ns >= self.goal.not_before_ns

    def _open_slot(self, camera: str) -> _Slot | None:
        """The view of this camera's own, else the next of those that any camera may show."""
        free = [slot for slot in self._slots if slot.evidence is None]
        own = next((slot for slot in free if slot.camera is not None and slot.camera == camera), None)
        slot = own or next((slot for slot in free if slot.camera is None), None)
        return None if slot is None or slot.in_work else slot

    def _verdict(self) -> PartVerdict:
        if self._spoiled:
            return PartVerdict(Verdict.UNCERTAIN, "settings_changed", self._spoiled, -1, float("nan"))
        return combine([evidence.seen for evidence in self._settled], len(self._slots), self.goal.least,
                       self.goal.rule)

    def _finished(self) -> bool:
        if self._spoiled or len(self._settled) == len(self._slots):
            return True
        found = self._verdict().verdict if self._settled else Verdict.UNCERTAIN
        return found == Verdict.PASS or (found == Verdict.REJECT and self.goal.stop_on_reject)
