"""The figures by condition as a table in plain text."""

from __future__ import annotations

from hetnet_ros.evaluation.condition_report import ConditionReport, ConditionRow
from hetnet_ros.evaluation.figures import Figures
from hetnet_ros.evaluation.table import align, percent

CONDITION_HEADINGS = ("condition", "images", "good", "defective", "I-AUROC", "P-AUROC", "AUPRO", "")

#: What the rows and the averages are, in one line.
LEGEND = "rows: a condition's defective images against its own good ones; mean: of those rows; total: all images pooled"


def condition_blocks(report: ConditionReport) -> list[list[tuple[str, ...]]]:
    """A block of rows for each axis, its mean last, then one of the overall averages; texts as CONDITION_HEADINGS."""
    blocks = []
    for mean in report.means:
        rows = [_row(row) for row in report.rows_on(mean.axis)]
        blocks.append([*rows, _average(f"{mean.axis} mean", mean.figures)])
    blocks.append(
        [
            _average(f"mean of {report.cell_count} combinations", report.cells),
            _average("total", report.total),
        ]
    )
    return blocks


def condition_table(report: ConditionReport) -> str:
    """The blocks with aligned columns, a rule between them."""
    return align([[CONDITION_HEADINGS], *condition_blocks(report)])


def condition_remarks(report: ConditionReport) -> list[str]:
    """One line for what the table cannot say: rows without figures, and images in no row."""
    lines = []
    for row in report.rows:
        if not row.figures.image_auroc.defined:
            lines.append(f"{row.axis} {row.value} not scored: {row.figures.image_auroc.reason}")
        elif report.total.aupro.defined and not row.figures.aupro.defined:
            lines.append(f"{row.axis} {row.value}, P-AUROC, AUPRO not defined: {row.figures.aupro.reason}")
    if report.unplaced:
        lines.append(f"images without a condition, which are in the total only: {report.unplaced}")
    return lines


def _row(row: ConditionRow) -> tuple[str, ...]:
    counts = (str(row.images), str(row.good), str(row.defective))
    return (f"{row.axis} {row.value}", *counts, *_percents(row.figures), "worst" if row.worst else "")


def _average(name: str, figures: Figures) -> tuple[str, ...]:
    return (name, "", "", "", *_percents(figures), "")


def _percents(figures: Figures) -> tuple[str, str, str]:
    return percent(figures.image_auroc), percent(figures.pixel_auroc), percent(figures.aupro)
