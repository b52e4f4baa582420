"""The report's section about conditions, as HTML."""

from __future__ import annotations

from html import escape

from hetnet_ros.evaluation.condition_report import ConditionReport
from hetnet_ros.evaluation.condition_table import CONDITION_HEADINGS, condition_blocks, condition_remarks

_EXPLANATION = (
    "AUROC and AUPRO in per cent. Each row sets the defective images of a condition against the good images of the "
    "same condition; each axis's lowest image AUROC is marked. A mean is that of the rows above it; the mean of "
    "combinations scores every combination of values by itself; the total pools all images, so that scores must also "
    "be comparable between conditions."
)


def condition_section(report: ConditionReport) -> str:
    """Heading, table and explanation."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in CONDITION_HEADINGS)
    body = "".join(f"<tbody>{''.join(map(_row, block))}</tbody>" for block in condition_blocks(report))
    remarks = "".join(f"<p>{escape(remark)}</p>" for remark in condition_remarks(report))
    return (
        f'<h2>By condition</h2>\n<div class="wide" tabindex="0"><table class="conditions"><thead><tr>{head}</tr></thead>'
        f"{body}</table></div>\n{remarks}"
        f'<p class="quiet">{_EXPLANATION} Conditions from {escape(report.source)}.</p>'
    )


def _row(cells: tuple[str, ...]) -> str:
    kind = ' class="worst"' if cells[-1] else ""
    return f"<tr{kind}>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
