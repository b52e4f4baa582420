"""Any result of ~/inspect_part: only one that is a PASS in every field that matters is believed, and no message raises."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion
from hetnet_ros.action import InspectPart
from hetnet_ros.msg import Defect
from hypothesis import example, given
from hypothesis import strategies as st
from inspect_part_double import passed
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from hetnet_ros.foreign_text import MOST_IN_LINE
from hetnet_ros.inspection.result import Box
from hetnet_ros.nodes.inspect_client import _Inspection, fault_of
from hetnet_ros.nodes.view_settings import ViewSettings
from hetnet_ros.planning.interfaces import InspectionFailed

SINCE = {"top": 1_000_000_000_500, "side": 1_000_000_000_900}
floats = st.one_of(st.floats(width=32), st.sampled_from([0.0, -0.0, 0.1, 0.3, 0.5, 1.0, math.nan, math.inf, -1.0]))
names = st.sampled_from(["", "top", "side", "lid", "pan", "another", "\n", "a" * 3000])
changes = {
    "status": st.integers(-1, 7), "verdict": st.integers(0, 255), "reason": names, "detail": names, "part_id": names, "model_id": names,
    "deciding_view": st.integers(-5, 5), "p_value": floats, "accept": floats, "views": st.sampled_from(["none", "one", "twice", "more", "turned"]),
    **{f"{view}.{field}": values for view in (0, 1) for field, values in {
        "view_id": names, "verdict": st.integers(0, 255), "reason": names, "model_id": names, "part_id": names, "seen_as": names,
        "score": floats, "p_value": floats, "accept": floats, "sec": st.sampled_from([1000, 999, 0, -1, -(2**31), 2**31 - 1, 1001]),
        "nanosec": st.sampled_from([0, 1000, 500, 499, 900, 899, 999_999_999, 10**9, 2**32 - 1])}.items()},
}
altered = st.sets(st.sampled_from(sorted(changes)), max_size=3).flatmap(lambda keys: st.fixed_dictionaries({key: changes[key] for key in keys}))


def answer(change: dict[str, Any]) -> tuple[int, Any]:
    """Status and result of a good part with two views, changed so."""
    goal = InspectPart.Goal(part_id="lid", view_ids=list(SINCE))
    stamps = {name: Time(sec=1000, nanosec=1000) for name in SINCE}
    result = passed(goal, {name: Header(stamp=stamp) for name, stamp in stamps.items()})
    for key, value in change.items():
        place, _, field = key.rpartition(".")
        if place:
            view = result.views[int(place)]
            inspection = view.inspection
            where, name = {"view_id": (view, "view_id"), "seen_as": (inspection, "view_id"), "accept": (inspection.thresholds, "accept"),
                           "sec": (inspection.header.stamp, "sec"), "nanosec": (inspection.header.stamp, "nanosec")}.get(field, (inspection, field))
            setattr(where, name, value)
        elif key == "accept":
            result.thresholds.accept = value
        elif key not in ("status", "views"):
            setattr(result, key, value)
    views = list(result.views)
    result.views = {"none": [], "one": views[:1], "twice": [views[0], views[0]], "more": [*views, views[0]],
                    "turned": views[::-1]}.get(change.get("views"), views)
    return change.get("status", GoalStatus.STATUS_SUCCEEDED), result


def is_due(status: int, result: Any) -> bool:
    """Whether a PASS is one by all that action/InspectPart and msg/Inspection say of it, written down anew."""
    if not (status == 4 and result.verdict == 1 and result.reason == "" and result.part_id == "lid" and result.model_id != ""):
        return False
    if not (result.p_value > 0 and result.p_value <= 1 and len(result.views) == 2 and {v.view_id for v in result.views} == {"top", "side"}):
        return False
    for view in result.views:
        seen = view.inspection
        limits = [seen.thresholds.accept] + ([result.thresholds.accept] if seen.model_id == result.model_id else [])
        stamp = seen.header.stamp
        if not (seen.thresholds.accept <= seen.thresholds.reject
                and seen.verdict == 1 and seen.reason == "" and seen.model_id != "" and seen.part_id == "lid" and seen.view_id == view.view_id
                and 0 <= seen.score < 1 and all(seen.score < limit for limit in limits) and 0 < seen.p_value <= 1
                and 0 <= stamp.nanosec < 10**9 and stamp.sec * 10**9 + stamp.nanosec >= SINCE[view.view_id]):
            return False
    return True


@given(altered)
@example({})
@example({"0.sec": -1})
@example({"0.sec": 999, "0.nanosec": 2**32 - 1})
@example({"0.part_id": "pan"})
@example({"1.seen_as": "top"})
@example({"0.model_id": "another", "0.score": 0.4})
@example({"0.accept": math.nan})
@example({"accept": math.nan})
@example({"views": "twice"})
@example({"views": "turned"})
@example({"0.view_id": "side", "1.view_id": "top"})
@example({"0.score": -0.0})
@example({"verdict": 0, "0.verdict": 9})
@example({"part_id": "a" * 3000})
def test_only_a_pass_in_due_form_is_believed(change):
    status, result = answer(change)
    fault = fault_of(status, result, "lid", SINCE)
    if result.verdict == InspectPart.Result.PASS:
        assert (fault == "") == is_due(status, result)
    assert fault or result.verdict in (0, 1, 2) and all(view.inspection.verdict in (0, 1, 2) for view in result.views)


class _Goal:
    def __init__(self, status: int, result: Any) -> None:
        self._answer = (status, result)

    def result(self, _timeout: float) -> tuple[int, Any]:
        return self._answer


def verdict(status: int, result: Any) -> Any:
    """What the planner makes of a result, or None where it is not believed."""
    inspection = _Inspection(None, None, _Goal(status, result), "lid", [], 0.005)
    inspection._since = dict(SINCE)
    try:
        return inspection.verdict(1.0)
    except InspectionFailed as error:
        assert error.reason == "malformed_result" and str(error).isprintable() and len(str(error)) < MOST_IN_LINE + 200
        return None


@given(altered)
@example({"verdict": 2, "detail": "\n" * 3000, "reason": "\x1b"})
def test_what_is_believed_is_told_in_short_lines(change):
    found = verdict(*answer(change))
    if found is not None:
        for line in (found.reason, found.detail, *(text for view in found.views for text in (view.viewpoint, view.reason, view.model_id))):
            assert line.isprintable() and len(line) < MOST_IN_LINE + 100


numbers = st.one_of(st.floats(-1, 1), st.sampled_from([0.0, math.nan, math.inf, 1e308, -1e308, 5e-324]))


@given(st.tuples(numbers, numbers, numbers), st.tuples(numbers, numbers, numbers, numbers), st.tuples(numbers, numbers, numbers),
       st.lists(numbers, min_size=36, max_size=36), st.sampled_from(["", "base", "\n", "b" * 5000]), st.integers(0, 2))
@example((0.0, 0.0, 0.4), (0.0, 0.0, 0.0, 0.0), (0.01, 0.01, 0.0), [0.0] * 36, "", 2)
@example((0.0, 0.0, math.nan), (0.0, 0.0, 0.0, 1.0), (0.01, 0.01, 0.0), [0.0] * 36, "", 2)
@example((0.0, 0.0, 0.4), (0.0, 0.0, 0.0, 1.0), (-1.0, 0.01, 0.0), [0.0] * 36, "", 2)
@example((0.0, 0.0, 0.4), (0.0, 0.0, 0.0, 1.0), (0.01, 0.01, 0.0), [math.inf] * 36, "", 1)
@example((0.0, 0.0, 0.4), (0.0, 0.0, 0.0, 1.0), (0.01, 0.01, 0.0), [0.0] * 36, "", 2)
def test_a_box_around_a_defect_is_a_box_or_the_result_is_not_believed(position, orientation, extent, covariance, frame, said):
    status, result = answer({"verdict": said})
    defect = Defect(has_pose=True, frame_id=frame)
    place = defect.pose.pose
    place.position.x, place.position.y, place.position.z = position
    place.orientation = Quaternion(x=orientation[0], y=orientation[1], z=orientation[2], w=orientation[3])
    defect.extent.x, defect.extent.y, defect.extent.z = extent
    defect.pose.covariance = np.array(covariance)
    result.views[0].inspection.defects = [defect]
    found = verdict(status, result)
    for zone in found.keep_out if found is not None else ():
        box = zone.box
        assert np.isfinite(box.centre).all() and np.isfinite(box.size).all() and (box.size > 0).all()
        assert np.allclose(box.rotation @ box.rotation.T, np.eye(3), atol=1e-6)
        assert zone.frame_id.isprintable() and zone.frame_id != ""  # which MoveIt takes for its own planning frame


def test_a_sound_box_is_believed():
    status, result = answer({"verdict": 2})
    result.views[0].inspection.header.frame_id = "camera"
    defect = Defect(has_pose=True)
    defect.pose.pose.position.z, defect.pose.pose.orientation.w, defect.extent.x = 0.4, 1.0, 0.01
    result.views[0].inspection.defects = [defect]
    (zone,) = verdict(status, result).keep_out
    assert zone.box.centre[2] == pytest.approx(0.4) and zone.box.size == pytest.approx([0.02, 0.01, 0.01])


@given(*[st.one_of(st.integers(0, 700), st.integers(0, 2**32 - 1))] * 4, st.booleans(), names)
@example(2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1, False, "")
@example(5, 0, 0, 0, False, "top")
def test_a_region_from_the_topic_is_the_one_that_was_sent(x, y, width, height, rectified, view_id):
    """Nothing but four zeros lifts it: a region of no area is refused where it is used."""
    views = ViewSettings()
    views.restrict(RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height, do_rectify=rectified))
    _, region = views.of(view_id)
    assert (region is None) == (x == y == width == height == 0)
    if region is not None:
        assert region.box == Box(x, y, width, height)
        assert (region.flaw is None) == (min(width, height) >= 16)
    views.restrict(RegionOfInterest())
    assert views.of(view_id) == (None, None)
