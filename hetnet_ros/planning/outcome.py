"""Where a part belongs, from what was found out about it.  The only place in which the word "good" is decided."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hetnet_ros.inspection.result import Verdict
from hetnet_ros.planning.cell_config import Policy, Recipe
from hetnet_ros.planning.interfaces import InspectionFailed, MotionFailed, PartVerdict, StepFailed


class Destination(enum.IntEnum):
    """Where a part is; values equal the constants of msg/PartOutcome.  Anything left at its default is not placed."""

    NOT_PLACED = 0
    GOOD = 1
    REJECT = 2
    REINSPECT = 3


_SIDES = {"reject": Destination.REJECT, "reinspect": Destination.REINSPECT}


@dataclass(frozen=True)
class Decision:
    """Where a part is to go, and why: ``reason`` is a stable token, empty only for the good bin."""

    destination: Destination
    reason: str = ""
    detail: str = ""


def decide(recipe: Recipe, policy: Policy, verdict: PartVerdict | None, failure: StepFailed | None) -> Decision:
    """The good bin only if nothing failed, the verdict is PASS, and every viewpoint of the recipe was looked at.

    A REJECT counts whatever else happened.
    """
    if verdict is not None and verdict.verdict is Verdict.REJECT:
        return Decision(Destination.REJECT, verdict.reason or "anomaly", verdict.detail)
    if failure is not None:
        side = {MotionFailed: policy.motion_failed, InspectionFailed: policy.inspection_failed}.get(type(failure), "reinspect")
        return Decision(_SIDES[side], failure.reason, failure.detail)
    if verdict is None:
        return Decision(_SIDES[policy.inspection_failed], "no_verdict", "the inspection ended without one")
    if verdict.verdict is not Verdict.PASS:
        return Decision(_SIDES[policy.uncertain], verdict.reason or "uncertain", verdict.detail)
    missing = [name for name in recipe.viewpoints if name not in {view.viewpoint for view in verdict.views}]
    if missing:
        return Decision(_SIDES[policy.inspection_failed], "view_missing", f"nothing was seen from {', '.join(missing)}")
    others = {view.model_id for view in verdict.views} - {recipe.model_id}
    if recipe.model_id and others:
        return Decision(
            _SIDES[policy.inspection_failed], "wrong_model", f"model {others.pop()} judged, not {recipe.model_id}"
        )
    return Decision(Destination.GOOD)
