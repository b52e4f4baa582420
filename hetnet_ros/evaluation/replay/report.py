"""A replay as one HTML file that needs nothing else: figures, curves, conditions, drift and the frames to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from hetnet_ros.evaluation.condition_section import condition_section
from hetnet_ros.evaluation.page import document, html_table, tiles
from hetnet_ros.evaluation.replay.charts import Line, Mark, histogram, line_chart
from hetnet_ros.evaluation.replay.gallery_page import GALLERY_SCRIPT, GALLERY_STYLE, gallery
from hetnet_ros.evaluation.replay.rates import Rate
from hetnet_ros.evaluation.replay.result import ReplayResult
from hetnet_ros.evaluation.replay.showcase import Shown
from hetnet_ros.evaluation.replay.table import (
    RATE_HEADINGS,
    drift_lines,
    rate_rows,
    rate_texts,
    remarks,
    timing_lines,
    timing_rows,
)
from hetnet_ros.evaluation.table import percent
from hetnet_ros.whole_files import write_file

_STYLE = """
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(400px, 100%), 1fr)); gap: 1em; }
.chart { border-radius: 8px; background: var(--card); } .chart figcaption { padding: .5em .8em 0; }
.chart span { white-space: nowrap; margin-left: .8em; }
.chart i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .3em; }
.partial { border: 2px solid var(--unsure); border-radius: 8px; padding: .6em 1em; }
.chart svg text { paint-order: stroke; stroke: var(--card); stroke-width: 4px; } td, th { white-space: nowrap; }
"""
_GOOD, _BAD, _MARK = "var(--good)", "var(--bad)", "var(--mark)"


def write_report(path: Path, result: ReplayResult, shown: Sequence[Shown]) -> None:
    """Write the report with these pictures.  Raises InputError if it cannot be written."""
    write_file(path, report_html(result, shown))


def report_html(result: ReplayResult, shown: Sequence[Shown]) -> str:
    """The whole document."""
    run = result.run
    title = f"{run.part_name} on {Path(run.bag).name}"
    sections = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="quiet">{run.mode} replay of {escape(", ".join(run.topics))} in {escape(run.bag)}; model '
        f"{escape(run.model_id)}, preset {escape(run.preset)}, on {escape(run.device)}; {len(run.frames)} frames, "
        f"{result.labelled} labelled</p>",
        *_warnings(result),
        tiles(_tiles(result)),
        *_detection(result),
        "<h2>Timing</h2>",
        *(f"<p>{escape(line)}</p>" for line in timing_lines(result)),
        html_table(timing_rows(result)[0], [timing_rows(result)[1:]]),
        '<p class="quiet">Milliseconds for each frame; jitter is the standard deviation.</p>',
        '<div class="charts">', *_timing_charts(result), "</div>",
        "<h2>Over time</h2>",
        *([f"<p>{escape(line)}</p>" for line in drift_lines(result)] or ["<p>No jump was found.</p>"]),
        '<div class="charts">', *_drift_charts(result), "</div>",
        "<h2>Frames</h2>",
        '<p class="quiet">The most telling frames of each kind. From left to right: the image, with the ground truth '
        "outlined in blue; the anomaly map, yellow from 1.5 times the pixel threshold on; the verdict with its mask. "
        "A click or the Enter key enlarges one.</p>",
        gallery(shown, _varying(result)),
    ]
    return document(title, sections, _STYLE + GALLERY_STYLE, GALLERY_SCRIPT if shown else "")


def _warnings(result: ReplayResult) -> list[str]:
    run, lines = result.run, []
    if run.stopped:
        lines.append(f'<p class="partial"><b>Partial result:</b> {escape(run.stopped)}</p>')
    if run.losses:
        items = "".join(f"<li>{escape(loss)}</li>" for loss in run.losses)
        lines.append(f'<div class="partial"><b>Not all of the bag could be read:</b><ul>{items}</ul></div>')
    return lines


def _tiles(result: ReplayResult) -> list[tuple[str, str]]:
    timing = result.timing
    boxes = [(f"{timing.rate_hz:.1f}", "frames a second" + (", pauses counted" if result.run.mode == "live" else ""))]
    slow = timing.latency or timing.stages[-1]
    if math.isfinite(slow.p95):
        boxes.append((f"{slow.p95:.0f} ms", f"p95 {'from image to verdict' if timing.latency else 'of one inspection'}"))
    if result.run.transport:
        boxes.append((str(timing.dropped), "frames without a verdict"))
    if not result.labelled:
        return boxes
    figures = result.figures
    return [
        (_short(result.rates.false_pass), f"defects passed ({rate_texts(result.rates.false_pass)[1]})"),
        (_short(result.rates.false_reject), f"good rejected ({rate_texts(result.rates.false_reject)[1]})"),
        *(
            (percent(metric), f"{name}, %")
            for name, metric in (("image AUROC", figures.image_auroc), ("pixel AUROC", figures.pixel_auroc),
                                 ("AUPRO", figures.aupro), ("F1 at REJECT", result.f1_reject))
            if metric.defined
        ),
        *boxes,
    ]


def _short(rate: Rate) -> str:
    return f"{rate.count} of {rate.of}" if rate.defined else "-"


def _detection(result: ReplayResult) -> list[str]:
    if not result.labelled:
        return ["<p>No labels were given, so detection is not measured; <code>hetnet label</code> helps to write them.</p>"]
    return [
        *(f"<p>{escape(remark)}</p>" for remark in remarks(result)),
        "<h2>Verdicts</h2>",
        html_table(RATE_HEADINGS, rate_rows(result), "conditions"),
        '<p class="quiet">False PASS: defective frames that passed. False REJECT: good frames that were rejected. The '
        "intervals are Wilson's; frames of one part resemble each other, so the truth is less certain than they say.</p>",
        *([condition_section(result.conditions)] if result.conditions else []),
        "<h2>Curves</h2>",
        '<div class="charts">', *_curves(result), "</div>",
    ]


def _curves(result: ReplayResult) -> list[str]:
    charts, unit = [], (0.0, 1.0)
    frames, thresholds = result.run.frames, result.run.thresholds
    groups = [("good", _GOOD, [f.score for f in frames if f.is_good]),
              ("defective", _BAD, [f.score for f in frames if f.is_defective])]
    marks = [Mark(thresholds.accept, f"accept {thresholds.accept:.2f}"), Mark(thresholds.reject, "reject 0.50")]
    charts.append(histogram("Scores", groups, "calibrated score", marks, unit))
    for name, curve, x, y in (
        ("ROC", result.roc, "good frames above the threshold", "defective frames above it"),
        ("PRO", result.pro, "normal pixels above the threshold", "mean overlap with defect regions"),
    ):
        if curve.x:
            charts.append(line_chart(name, [Line(name, _MARK, curve.x, curve.y)], x, y,
                                     [Mark(0.3, "AUPRO up to here", low=True)] if name == "PRO" else [], unit, unit))
    return charts


def _timing_charts(result: ReplayResult) -> list[str]:
    frames = result.run.frames
    live = result.timing.latency is not None
    values = [frame.latency if live else frame.total for frame in frames]
    what = "From image to verdict" if live else "Time of one inspection"
    spread = result.timing.latency if live else result.timing.stages[-1]
    if not math.isfinite(spread.p50):
        return []
    upper = max(spread.p99 * 1.15, spread.p50 * 1.5)
    marks = [Mark(spread.p50, f"p50 {spread.p50:.0f}"), Mark(spread.p95, f"p95 {spread.p95:.0f}"),
             Mark(spread.p99, f"p99 {spread.p99:.0f}")]
    return [histogram(what, [("frames", _MARK, values)], "ms", marks, (0.0, upper))]


def _drift_charts(result: ReplayResult) -> list[str]:
    titles = {"score": "Score of frames not labelled defective", "brightness": "Brightness"}
    return [
        line_chart(titles[series.name], [Line(series.name, _MARK, series.seconds, series.values)],
                   "seconds since the first frame", series.name,
                   [Mark(change.seconds, f"{change.seconds:.0f} s") for change in series.changes])
        for series in result.drift
        if series.values
    ]


def _varying(result: ReplayResult) -> list[str]:
    frames = result.run.frames
    return [axis for axis in result.run.axes if len({frame.condition.on(axis) for frame in frames}) > 1]
