"""An evaluation as a table in plain text, for the terminal."""

from __future__ import annotations

from hetnet_ros.evaluation.metric import Metric
from hetnet_ros.evaluation.result import EvaluationResult, GroupResult, VerdictCounts

HEADINGS = ("type", "images", "I-AUROC", "P-AUROC", "AUPRO", "PASS", "UNCERTAIN", "REJECT")


def rows(result: EvaluationResult) -> list[tuple[str, ...]]:
    """One row per defect type, then the good images, then all; texts in the order of :data:`HEADINGS`."""
    types = [_row(group.name, group, group.defective) for group in result.types]
    good, bad = result.total.good, result.total.defective
    blank = ("", "", "")
    good_row = ("good", str(good.total), *blank, *_verdicts(good))
    both = VerdictCounts(good.passed + bad.passed, good.rejected + bad.rejected, good.uncertain + bad.uncertain)
    return [*types, good_row, _row("total", result.total, both)]


def text_table(result: EvaluationResult) -> str:
    """The rows with aligned columns and a rule above the total."""
    *parts, total = rows(result)
    return align([[HEADINGS], parts, [total]])


def align(blocks: list[list[tuple[str, ...]]]) -> str:
    """Rows of one length with aligned columns, the first one to the left, and a rule between the blocks."""
    table = [row for block in blocks for row in block]
    widths = [max(map(len, column)) for column in zip(*table)]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return f"\n{rule}\n".join("\n".join(_line(row, widths) for row in block) for block in blocks)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    others = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
    return "  ".join([row[0].ljust(widths[0]), *others])


def remarks(result: EvaluationResult) -> list[str]:
    """One line for each reason why a metric of the total is not defined, and for each doubt about the ground truth."""
    total = result.total
    metrics = (("I-AUROC", total.image_auroc), ("P-AUROC", total.pixel_auroc), ("AUPRO", total.aupro))
    reasons: dict[str, list[str]] = {}
    for name, metric in metrics:
        if not metric.defined:
            reasons.setdefault(metric.reason, []).append(name)
    return [*(f"{', '.join(names)} not defined: {reason}" for reason, names in reasons.items()), *result.remarks]


def _row(name: str, group: GroupResult, verdicts: VerdictCounts) -> tuple[str, ...]:
    metrics = (percent(group.image_auroc), percent(group.pixel_auroc), percent(group.aupro))
    return (name, str(verdicts.total), *metrics, *_verdicts(verdicts))


def percent(metric: Metric) -> str:
    """The metric in per cent with two decimals, or a dash."""
    return f"{100 * metric.value:.2f}" if metric.defined else "-"


def _verdicts(counts: VerdictCounts) -> tuple[str, str, str]:
    return str(counts.passed), str(counts.uncertain), str(counts.rejected)
