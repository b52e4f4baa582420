"""Where a part belongs, from what was found out about it.  The only place in which the word "good" is decided."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from hetnet_ros.inspection.result import Verdict
from hetnet_ros.planning.cell_config import Policy, Recipe
from hetnet_ros.planning.interfaces import InspectionFailed, MotionFailed, StepFailed, ViewVerdict


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


def decide(recipe: Recipe, policy: Policy, views: Sequence[ViewVerdict], failure: StepFailed | None) -> Decision:
    """The good bin only if nothing failed and every viewpoint of the recipe has a PASS of one and the same model.

    A REJECT counts whatever else happened; of several views, the last verdict on each viewpoint counts.
    """
    rejected = next((view for view in views if view.verdict is Verdict.REJECT), None)
    if rejected is not None:
        return Decision(Destination.REJECT, rejected.reason or "anomaly", f"seen from {rejected.viewpoint}")
    if isinstance(failure, MotionFailed):
        return Decision(_SIDES[policy.motion_failed], failure.reason, failure.detail)
    if isinstance(failure, InspectionFailed):
        return Decision(_SIDES[policy.inspection_failed], failure.reason, failure.detail)
    if failure is not None:
        return Decision(Destination.REINSPECT, failure.reason, failure.detail)
    last = {view.viewpoint: view for view in views}
    for viewpoint in recipe.viewpoints:
        view = last.get(viewpoint)
        if view is None:
            return Decision(_SIDES[policy.inspection_failed], "view_missing", f"nothing was seen from {viewpoint}")
        if view.verdict is not Verdict.PASS:
            return Decision(_SIDES[policy.uncertain], view.reason or "uncertain", f"{viewpoint}: {view.detail}")
    models = {view.model_id for view in last.values()}
    if len(models) != 1 or "" in models:
        return Decision(_SIDES[policy.inspection_failed], "model_changed", "the views were judged by different models")
    if recipe.model_id and models != {recipe.model_id}:
        return Decision(
            _SIDES[policy.inspection_failed], "wrong_model", f"model {models.pop()} judged, not {recipe.model_id}"
        )
    return Decision(Destination.GOOD)
