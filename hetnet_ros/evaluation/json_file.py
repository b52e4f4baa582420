"""The JSON form of an evaluation; its keys are an interface (docs/evaluation.md) that scripts and ``compare`` rely on.

Metrics are fractions.  One that is not defined is ``null``, never NaN (which is not JSON), and has its reason under
``undefined``.
"""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

from hetnet_ros.evaluation.condition_report import ConditionReport
from hetnet_ros.evaluation.figures import Figures
from hetnet_ros.evaluation.metrics import FPR_LIMIT
from hetnet_ros.evaluation.result import EvaluationResult, GroupResult, ImageOutcome, VerdictCounts
from hetnet_ros.whole_files import write_file

FORMAT = "hetnet-evaluation-1"

_METRICS = ("image_auroc", "pixel_auroc", "aupro")


def write_json(path: Path, result: EvaluationResult) -> None:
    """Write the evaluation to ``path``; raises InputError if it cannot be written."""
    write_file(path, json.dumps(to_json(result), indent=2, allow_nan=False) + "\n")


def to_json(result: EvaluationResult) -> dict:
    """The evaluation as plain JSON values."""
    total = result.total
    return {
        "format": FORMAT,
        "model": {
            "id": result.model_id,
            "part": result.part_name,
            "preset": result.preset,
            "device": result.device,
            "accept": result.thresholds.accept,
            "reject": result.thresholds.reject,
        },
        "data": result.data,
        "remarks": list(result.remarks),
        "fpr_limit": FPR_LIMIT,
        **metric_values(total),
        "counts": {
            "images": len(result.images),
            "good": total.good.total,
            "defective": total.defective.total,
            "regions": total.regions,
            "good_verdicts": verdict_values(total.good),
            "defective_verdicts": verdict_values(total.defective),
        },
        "seconds": result.seconds,
        "seconds_per_image": statistics.median(image.milliseconds for image in result.images) / 1000,
        "types": {
            group.name: {
                **metric_values(group),
                "counts": {
                    "images": group.defective.total,
                    "regions": group.regions,
                    "verdicts": verdict_values(group.defective),
                },
            }
            for group in result.types
        },
        **condition_values(result.conditions),
        "images": [_image(image) for image in result.images],
    }


def condition_values(report: ConditionReport | None) -> dict:
    """The keys ``conditions``, ``condition_means`` and ``condition_cells``."""
    if report is None:
        return {"conditions": [], "condition_means": {}, "condition_cells": None}
    rows = [
        {
            "axis": row.axis,
            "value": row.value,
            **metric_values(row.figures),
            "images": row.images,
            "good": row.good,
            "defective": row.defective,
            "worst": row.worst,
        }
        for row in report.rows
    ]
    return {
        "conditions": rows,
        "condition_means": {mean.axis: metric_values(mean.figures) for mean in report.means},
        "condition_cells": {"cells": report.cell_count, **metric_values(report.cells)},
    }


def metric_values(group: GroupResult | Figures) -> dict:
    """The three figures by name, ``null`` where not defined, and ``undefined`` with the reasons."""
    metrics = {name: getattr(group, name) for name in _METRICS}
    values = {name: metric.value if metric.defined else None for name, metric in metrics.items()}
    return {**values, "undefined": {name: metric.reason for name, metric in metrics.items() if not metric.defined}}


def verdict_values(counts: VerdictCounts) -> dict[str, int]:
    """How often each verdict was given."""
    return {"pass": counts.passed, "reject": counts.rejected, "uncertain": counts.uncertain}


def _image(image: ImageOutcome) -> dict:
    return {
        "name": image.name,
        "type": image.defect_type,
        "defective": image.is_defective,
        "condition": dict(image.condition.values),
        "verdict": image.verdict.name,
        "reason": image.reason,
        "score": _finite(image.score),
        "raw_score": _finite(image.raw_score),
        "p_value": _finite(image.p_value),
        "regions": image.regions,
        "milliseconds": round(image.milliseconds, 3),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
