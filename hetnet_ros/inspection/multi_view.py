"""One verdict on a part from several views of it (ours), by one of two rules.

``bonferroni``: the smallest p-value counts, times the number of views.  ``n`` views reject a good part no more often than
one view does, however much they depend on each other.  In scores: each view is held against the reject threshold of the
n-th part of the rate.

``fisher``: the p-values' product counts (Fisher 1932), so several views that are a little suspicious add up.  It finds more
and keeps the rate where the scores of a good part's views are independent of each other; where they are not, it may
reject more good parts than promised.

How many views are taken may depend on what they show (an early PASS, an end at the first reject).  So a REJECT is decided
as if all planned views had been taken and the missing ones spoke for the part: then the rate holds wherever the inspection
ends.  A PASS is decided by the views seen alone, each of which must be a PASS by itself: views never taken excuse nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import gammaincc

from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.result import Inspection, Thresholds, Verdict

RULES = ("bonferroni", "fisher")
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

    @property
    def passed(self) -> bool:
        """Whether this view alone would let the part pass."""
        return self.usable and self.inspection.verdict is Verdict.PASS and (
            self.inspection.raw_score < self.calibration.score_accept)


@dataclass(frozen=True)
class PartVerdict:
    """deciding: index of the view that decided, -1 where none did.  p_value: of "this part is good", NaN without usable
    views.  reason, detail: as in :class:`Inspection`; also ``too_few_views``."""

    verdict: Verdict
    reason: str
    detail: str
    deciding: int = -1
    p_value: float = float("nan")


def combine(views: Sequence[SeenView], planned: int, least: int, rule: str = "bonferroni") -> PartVerdict:
    """The verdict if no further view came.

    planned: how many views the part gets at most, at least ``len(views)``.  least: how many usable ones a PASS needs.  rule:
    of :data:`RULES`; by either, a PASS needs every view to be a PASS by itself.  A sure reject in one view rejects the part,
    whatever became of the others.  A view with a fault never lets it PASS.  The p-value is over the views seen; that of a
    REJECT over those planned, by which it was decided.
    """
    usable = [index for index, view in enumerate(views) if view.usable]
    worst = max(usable, key=lambda index: _ratio(views[index], planned), default=-1)
    rejected = _rejected(views, usable, worst, planned, rule)
    if rejected is not None:
        return rejected
    p_value = _combined([views[index].inspection.p_value for index in usable], len(usable), rule)
    for index, view in enumerate(views):
        if not view.usable:
            return PartVerdict(Verdict.UNCERTAIN, view.inspection.reason or "inference_failed",
                               f"view {view.view_id}: {view.inspection.detail}", index, p_value)
    for index in sorted(usable, key=lambda index: -_ratio(views[index], planned)):
        view = views[index]
        if not view.passed:
            return PartVerdict(Verdict.UNCERTAIN, "borderline", f"view {view.view_id} is no PASS by itself: score "
                               f"{view.inspection.score:.3f}, accept {view.calibration.thresholds.accept:.3f}", index, p_value)
    doubtful = _mean(views, usable, "false_reject") + _mean(views, usable, "doubt")
    if rule == "fisher" and len(usable) > 1 and p_value <= doubtful:
        return PartVerdict(Verdict.UNCERTAIN, "borderline", f"all views together: p-value {p_value:.2g} is at or below "
                           f"{doubtful:.2g}", worst, p_value)
    if len(usable) < max(least, 1):
        return PartVerdict(Verdict.UNCERTAIN, "too_few_views", f"{len(usable)} usable views, a PASS needs {max(least, 1)}", -1,
                           p_value)
    return PartVerdict(Verdict.PASS, "", "", worst, p_value)


def _rejected(views: Sequence[SeenView], usable: list[int], worst: int, planned: int, rule: str) -> PartVerdict | None:
    """The REJECT that no further view could take back, or None."""
    if not usable:
        return None
    view, p_value = views[worst], _combined([views[index].inspection.p_value for index in usable], planned, rule)
    rate = _mean(views, usable, "false_reject")
    if rule == "fisher" and planned > 1:
        if p_value <= rate:
            return PartVerdict(Verdict.REJECT, "anomaly", f"all views together: p-value {p_value:.2g} is at or below "
                               f"{rate:.2g}; most suspicious is view {view.view_id}", worst, p_value)
    elif view.inspection.raw_score >= view.calibration.reject_among(planned):
        return PartVerdict(Verdict.REJECT, "anomaly", f"view {view.view_id}: score {view.inspection.score:.3f} is at or "
                           f"above {thresholds_among(view.calibration, planned).reject:.3f}", worst, p_value)
    return None


def _mean(views: Sequence[SeenView], usable: list[int], rate: str) -> float:
    return sum(getattr(views[index].calibration, rate) for index in usable) / max(len(usable), 1)


def _combined(p_values: Sequence[float], count: int, rule: str) -> float:
    """p-value of "this part is good" over ``count`` views, NaN without any; one that is missing counts as p = 1."""
    if not p_values:
        return float("nan")
    if rule == "fisher" and count > 1:
        return float(gammaincc(count, -sum(math.log(value) for value in p_values)))  # chi-square, 2 * count degrees
    return min(1.0, count * min(p_values))


def thresholds_among(calibration: Calibration, planned: int) -> Thresholds:
    """The thresholds of one of ``planned`` views, on the calibrated scale of single views: accept is that of a single one."""
    return Thresholds(calibration.thresholds.accept, calibration.calibrated_score(calibration.reject_among(planned)))


def _ratio(view: SeenView, planned: int) -> float:
    return view.inspection.raw_score / view.calibration.reject_among(planned)
