"""The evaluation as one HTML file that needs nothing else: figures, scores, and the images a person should look at."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from hetnet_ros.evaluation.condition_section import condition_section
from hetnet_ros.evaluation.datasets import LabelledDataset
from hetnet_ros.evaluation.gallery import Exhibit, make_exhibit, worst_false_alarms, worst_misses
from hetnet_ros.evaluation.output_files import write_file
from hetnet_ros.evaluation.result import EvaluationResult, ImageOutcome, VerdictCounts
from hetnet_ros.evaluation.score_plot import score_plot
from hetnet_ros.evaluation.table import HEADINGS, percent, remarks, rows
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.result import Verdict

#: How many images of each kind the gallery shows.
GALLERY_SIZE = 8

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1240px; margin: 2em auto; padding: 0 1em; }
h1 { margin-bottom: 0; } h2 { margin-top: 2em; border-bottom: 1px solid #ddd; } .quiet { color: #666; }
.tiles { display: flex; flex-wrap: wrap; gap: 1em; margin: 1.5em 0; }
.tile { border: 1px solid #ddd; border-radius: 8px; padding: .6em 1.2em; } .tile b { display: block; font-size: 1.8em; }
table { border-collapse: collapse; } td, th { padding: .25em .9em; text-align: right; }
td:first-child, th:first-child { text-align: left; } th { border-bottom: 2px solid #999; }
tbody tr:last-child td { border-top: 2px solid #999; font-weight: bold; }
.conditions tbody tr:last-child td { border-top: 1px solid #ccc; border-bottom: 1px solid #999; }
.conditions tbody:last-child td { border: 0; font-weight: bold; } .conditions .worst td { color: #d62d2a; }
svg { width: 100%; height: auto; } svg text { font-size: 13px; fill: #444; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(460px, 1fr)); gap: 1em; }
figure { margin: 0; border: 1px solid #ddd; border-radius: 8px; overflow: hidden; }
figure div { display: flex; } figure img { width: 33.34%; display: block; }
figcaption { padding: .4em .8em; } .PASS { color: #26a052; } .REJECT { color: #d62d2a; } .UNCERTAIN { color: #b86f00; }
"""


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
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n" + "\n".join(sections) + "\n</body></html>\n"
    )


def _tiles(result: EvaluationResult) -> str:
    total = result.total
    tiles = [
        (percent(total.image_auroc), "image AUROC, %"),
        (percent(total.pixel_auroc), "pixel AUROC, %"),
        (percent(total.aupro), "AUPRO, %"),
        (_share(total.defective.passed, total.defective), "defective passed"),
        (_share(total.good.rejected, total.good), "good rejected"),
        (str(total.good.uncertain + total.defective.uncertain), "uncertain"),
    ]
    return '<div class="tiles">' + "".join(f'<div class="tile"><b>{v}</b>{text}</div>' for v, text in tiles) + "</div>"


def _share(part: int, counts: VerdictCounts) -> str:
    return f"{part} of {counts.total}"


def _table(result: EvaluationResult) -> str:
    head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows(result))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


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
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
