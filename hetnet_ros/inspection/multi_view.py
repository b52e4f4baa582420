"""One verdict on a part from several views of it (ours).

The part is good only if every view is, so the smallest p-value counts, corrected for how many views there are (Bonferroni):
``n`` views reject a good part no more often than one view does, however much the views depend on each other.  In scores:
each view is held against the thresholds of the n-th part of the rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Sequence

from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.result import Inspection, Thresholds, Verdict

_JUDGED = ("", "anomaly", "borderline")
"""Reasons of an inspection that judged the part; any other tells of a fault of the image."""


@dataclass(frozen=True, eq=False)
class SeenView:
    """One view's name, what came of it, and the calibration of the model that judged it."""

    view_id: str
    inspection: Inspection
    calibration: Calibration

    @property
    def usable(self) -> bool:
        """Whether the part was judged in this view."""
        return self.inspection.reason in _JUDGED and math.isfinite(self.inspection.raw_score)


@dataclass(frozen=True)
class PartVerdict:
    """deciding: index of the view that decided, -1 where none did.  p_value: of "this part is good", NaN without usable
    views.  reason, detail: as in :class:`Inspection`; also ``too_few_views``."""

    verdict: Verdict
    reason: str
    detail: str
    deciding: int = -1
    p_value: float = float("nan")


def combine(views: Sequence[SeenView], planned: int, least: int) -> PartVerdict:
    """The verdict if no further view came.

    planned: how many views the part gets at most, at least ``len(views)``.  least: how many usable ones a PASS needs.
    A sure reject in one view rejects the part, whatever became of the others.  A view with a fault never lets it PASS.
    """
    usable = [index for index, view in enumerate(views) if view.usable]
    p_value = min([1.0, *(planned * views[index].inspection.p_value for index in usable)]) if usable else float("nan")
    if usable:
        worst = max(usable, key=lambda index: _ratio(views[index], planned))
        view = views[worst]
        if view.inspection.raw_score >= view.calibration.reject_among(planned):
            return PartVerdict(Verdict.REJECT, "anomaly", f"view {view.view_id}: score {view.inspection.score:.3f} is at or "
                               f"above {thresholds_among(view.calibration, planned).reject:.3f}", worst, p_value)
    for index, view in enumerate(views):
        if not view.usable:
            return PartVerdict(Verdict.UNCERTAIN, view.inspection.reason or "inference_failed",
                               f"view {view.view_id}: {view.inspection.detail}", index, p_value)
    for index in sorted(usable, key=lambda index: -_ratio(views[index], planned)):
        view = views[index]
        if not view.inspection.raw_score < view.calibration.accept_among(planned):
            return PartVerdict(Verdict.UNCERTAIN, "borderline", f"view {view.view_id}: score {view.inspection.score:.3f} "
                               f"is not below {thresholds_among(view.calibration, planned).accept:.3f}", index, p_value)
    if len(usable) < max(least, 1):
        return PartVerdict(Verdict.UNCERTAIN, "too_few_views", f"{len(usable)} usable views, a PASS needs {max(least, 1)}", -1,
                           p_value)
    return PartVerdict(Verdict.PASS, "", "", worst, p_value)


def thresholds_among(calibration: Calibration, planned: int) -> Thresholds:
    """The thresholds of one of ``planned`` views, on the calibrated scale of single views."""
    return Thresholds(calibration.calibrated_score(calibration.accept_among(planned)),
                      calibration.calibrated_score(calibration.reject_among(planned)))


def _ratio(view: SeenView, planned: int) -> float:
    return view.inspection.raw_score / view.calibration.reject_among(planned)
