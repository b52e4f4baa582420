"""The evaluation as one HTML file that needs nothing else: figures, scores, and the images a person should look at."""

from __future__ import annotations

import io
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from hetnet_ros.evaluation.condition_section import condition_section
from hetnet_ros.evaluation.datasets import LabelledDataset
from hetnet_ros.evaluation.gallery import Exhibit, make_exhibit, worst_false_alarms, worst_misses
from hetnet_ros.evaluation.page import document, html_table, jpeg_uri, tiles
from hetnet_ros.evaluation.result import EvaluationResult, ImageOutcome, VerdictCounts
from hetnet_ros.evaluation.score_plot import score_plot
from hetnet_ros.evaluation.table import HEADINGS, percent, remarks, rows
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.result import Verdict
from hetnet_ros.whole_files import write_file

#: How many images of each kind the gallery shows.
GALLERY_SIZE = 8


def write_report(path: Path, result: EvaluationResult, dataset: LabelledDataset, inspector: PartInspector) -> None:
    """Write the report; the images it shows are inspected once more.  Raises InputError if it cannot be written."""
    write_file(path, report_html(result, dataset, inspector))


def report_html(result: EvaluationResult, dataset: LabelledDataset, inspector: PartInspector) -> str:
    """The whole document."""
    misses, alarms = worst_misses(result, GALLERY_SIZE), worst_false_alarms(result, GALLERY_SIZE)
    title = f"{result.part_name} on {Path(result.data).resolve().name}"
    sections = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="quiet">model {escape(result.model_id)}, preset {escape(result.preset)}, '
        f"on {escape(result.device)}; {len(result.images)} images of {escape(result.data)}, {result.seconds:.1f} s</p>",
        _tiles(result),
        *(f"<p>{escape(remark)}</p>" for remark in remarks(result)),
        "<h2>By defect type</h2>",
        _table(result),
        '<p class="quiet">AUROC and AUPRO (to a false positive rate of 0.3) in per cent, each type against all good '
        "images; the last columns count verdicts.</p>",
        *([condition_section(result.conditions)] if result.conditions else []),
        "<h2>Scores</h2>",
        score_plot(result),
        '<p class="quiet">Below, from left to right: the image, with the ground truth outlined in blue; the anomaly '
        "map, yellow from 1.5 times the pixel threshold on; the verdict.</p>",
        _gallery("Missed defects", _misses_text(misses), misses, dataset, inspector),
        _gallery("False alarms", _alarms_text(alarms), alarms, dataset, inspector),
    ]
    return document(title, sections)


def _tiles(result: EvaluationResult) -> str:
    total = result.total
    return tiles([
        (percent(total.image_auroc), "image AUROC, %"),
        (percent(total.pixel_auroc), "pixel AUROC, %"),
        (percent(total.aupro), "AUPRO, %"),
        (_share(total.defective.passed, total.defective), "defective passed"),
        (_share(total.good.rejected, total.good), "good rejected"),
        (str(total.good.uncertain + total.defective.uncertain), "uncertain"),
    ])


def _share(part: int, counts: VerdictCounts) -> str:
    return f"{part} of {counts.total}"


def _table(result: EvaluationResult) -> str:
    return html_table(HEADINGS, [rows(result)])


def _misses_text(images: list[ImageOutcome]) -> str:
    if not images:
        return "There is no defective image."
    missed = any(image.verdict != Verdict.REJECT for image in images)
    return (
        "Defective images that were not rejected come first."
        if missed
        else ("Every defective image was rejected; these came closest to passing.")
    )


def _alarms_text(images: list[ImageOutcome]) -> str:
    if not images:
        return "There is no good image."
    flagged = any(image.verdict != Verdict.PASS for image in images)
    return (
        "Good images that did not pass come first."
        if flagged
        else ("Every good image passed; these came closest to being flagged.")
    )


def _gallery(
    title: str, text: str, images: list[ImageOutcome], dataset: LabelledDataset, inspector: PartInspector
) -> str:
    figures = "\n".join(_figure(make_exhibit(image, dataset, inspector)) for image in images)
    return f'<h2>{title}</h2>\n<p>{text}</p>\n<div class="gallery">\n{figures}\n</div>'


def _figure(exhibit: Exhibit) -> str:
    outcome = exhibit.outcome
    verdict = outcome.verdict.name
    pictures = (("image", exhibit.source), ("anomaly map", exhibit.heat), ("overlay", exhibit.overlay))
    row = "".join(f'<img alt="{kind} {escape(outcome.name)}" src="{_data_uri(rgb)}">' for kind, rgb in pictures)
    return (
        f'<figure><div>{row}</div><figcaption>{escape(outcome.name)} <b class="{verdict}">{verdict}</b> '
        f'<span class="quiet">score {outcome.score:.3f}, p {outcome.p_value:.3f}</span></figcaption></figure>'
    )


def _data_uri(rgb: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=88)
    return jpeg_uri(buffer.getvalue())
