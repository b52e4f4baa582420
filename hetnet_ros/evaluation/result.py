"""What an evaluation found, as plain values: per image, per defect type, per condition and over all."""

from __future__ import annotations

from dataclasses import dataclass

from hetnet_ros.evaluation.condition_report import ConditionReport
from hetnet_ros.evaluation.conditions import Condition
from hetnet_ros.evaluation.metric import Metric
from hetnet_ros.inspection.result import Thresholds, Verdict


@dataclass(frozen=True)
class ImageOutcome:
    """One test image and what the model said about it.

    name: as :attr:`LabelledImage.name`.  milliseconds: wall time of the inspection alone, without reading the file.
    condition: empty where none is known.
    """

    name: str
    defect_type: str
    is_defective: bool
    verdict: Verdict
    reason: str
    score: float
    raw_score: float
    p_value: float
    regions: int
    milliseconds: float
    condition: Condition = Condition()


@dataclass(frozen=True)
class VerdictCounts:
    """How many images got which verdict."""

    passed: int = 0
    rejected: int = 0
    uncertain: int = 0

    @classmethod
    def of(cls, outcomes: list[ImageOutcome]) -> VerdictCounts:
        verdicts = [outcome.verdict for outcome in outcomes]
        return cls(verdicts.count(Verdict.PASS), verdicts.count(Verdict.REJECT), verdicts.count(Verdict.UNCERTAIN))

    @property
    def total(self) -> int:
        return self.passed + self.rejected + self.uncertain


@dataclass(frozen=True)
class GroupResult:
    """Metrics of a group of images against the good ones: one defect type, or all of them.

    good, defective: verdicts on the good images and on the group's defective ones.  regions: defect regions in the
    group's ground truth.
    """

    name: str
    image_auroc: Metric
    pixel_auroc: Metric
    aupro: Metric
    good: VerdictCounts
    defective: VerdictCounts
    regions: int


@dataclass(frozen=True)
class EvaluationResult:
    """A whole evaluation.

    data: the data set as the user named it.  total: all images.  types: one entry per defect type.  images: every image
    in the data set's order.  seconds: wall time from the first image to the last metric.  conditions: the figures by
    condition, None where no conditions were given.  remarks: lines about ground truth that may be not as it was meant.
    """

    model_id: str
    part_name: str
    preset: str
    device: str
    data: str
    thresholds: Thresholds
    total: GroupResult
    types: tuple[GroupResult, ...]
    images: tuple[ImageOutcome, ...]
    seconds: float
    conditions: ConditionReport | None = None
    remarks: tuple[str, ...] = ()
