"""A replay in plain text, for the terminal."""

from __future__ import annotations

import math

from hetnet_ros.evaluation.condition_table import LEGEND, condition_remarks, condition_table
from hetnet_ros.evaluation.replay.rates import ErrorRates, Rate
from hetnet_ros.evaluation.replay.result import ReplayResult
from hetnet_ros.evaluation.replay.timing import Spread
from hetnet_ros.evaluation.table import align, percent

RATE_HEADINGS = ("condition", "labelled", "false PASS", "95 % interval", "false REJECT", "95 % interval", "UNCERTAIN")
_SERIES = {"score": "score of frames not labelled defective", "brightness": "brightness"}


def replay_text(result: ReplayResult) -> str:
    """All of the result in a screenful."""
    run = result.run
    lines = [
        f"{run.part_name} (model {run.model_id}) on {run.bag}, {run.mode}: {len(run.frames)} frames, "
        f"{result.labelled} labelled, {run.seconds:.1f} s on {run.device}"
    ]
    if run.stopped:
        lines.append(f"PARTIAL: {run.stopped}")
    lines += [f"lost: {line}" for line in run.losses]
    if result.labelled:
        lines += ["", *_detection(result)]
    lines += ["", *_timing(result), *_drift(result)]
    return "\n".join(lines)


def rate_rows(result: ReplayResult) -> list[list[tuple[str, ...]]]:
    """Blocks of rows under :data:`RATE_HEADINGS`: one for each axis of the conditions, and the total."""
    blocks: dict[str, list[tuple[str, ...]]] = {}
    for row in result.by_condition:
        blocks.setdefault(row.axis, []).append(_rate_row(f"{row.axis} {row.value}", row.frames, row.rates))
    varied = [rows for rows in blocks.values() if len(rows) > 1]
    return [*varied, [_rate_row("total", result.labelled, result.rates)]]


def remarks(result: ReplayResult) -> list[str]:
    """Why a figure is not defined, and what a reader must know of the frames."""
    named = (("I-AUROC", result.figures.image_auroc), ("P-AUROC", result.figures.pixel_auroc),
             ("AUPRO", result.figures.aupro), ("F1", result.f1_reject))
    reasons: dict[str, list[str]] = {}
    for name, metric in named:
        if not metric.defined:
            reasons.setdefault(metric.reason, []).append(name)
    lines = [f"{', '.join(names)} not defined: {reason}" for reason, names in reasons.items()]
    if result.run.mode == "live" and not result.figures.pixel_auroc.defined:
        lines = [line for line in lines if "P-AUROC" not in line] + ["P-AUROC and AUPRO: only an offline replay has maps"]
    if result.unscored:
        lines.append(f"{result.unscored} labelled frames could not be scored; they count as UNCERTAIN, not in the AUROC")
    return lines


def _detection(result: ReplayResult) -> list[str]:
    figures = result.figures
    lines = [
        f"I-AUROC {percent(figures.image_auroc)}   P-AUROC {percent(figures.pixel_auroc)}   AUPRO {percent(figures.aupro)}"
        f"   F1 at REJECT {percent(result.f1_reject)}   F1 at not PASS {percent(result.f1_accept)}",
        *remarks(result),
        "",
        align([[RATE_HEADINGS], *rate_rows(result)]),
    ]
    if result.conditions:
        lines += ["", condition_table(result.conditions), LEGEND, *condition_remarks(result.conditions)]
    return lines


def _rate_row(name: str, frames: int, rates: ErrorRates) -> tuple[str, ...]:
    unsure = rates.good.uncertain + rates.defective.uncertain
    return (name, str(frames), *rate_texts(rates.false_pass), *rate_texts(rates.false_reject), str(unsure))


def rate_texts(rate: Rate) -> tuple[str, str]:
    """Such as ``2 of 30 = 6.7 %`` and ``1.8 to 21.3 %``."""
    if not rate.defined:
        return "-", "-"
    return f"{rate.count} of {rate.of} = {100 * rate.value:.1f} %", f"{100 * rate.low:.1f} to {100 * rate.high:.1f} %"


def timing_rows(result: ReplayResult) -> list[tuple[str, ...]]:
    """A heading and a row for each stage that was measured, ms."""
    spreads = [*result.timing.stages, *([result.timing.latency] if result.timing.latency else [])]
    head = ("ms", "p50", "p95", "p99", "worst", "jitter")
    return [head, *(_spread_row(spread) for spread in spreads if not math.isnan(spread.p50))]


def timing_lines(result: ReplayResult) -> list[str]:
    """Rates, stamps and drops as sentences."""
    timing, transport = result.timing, result.run.transport
    lines = [f"{timing.rate_hz:.1f} frames a second inspected" + (", the recording's pauses counted" if transport else "")]
    if not math.isnan(timing.bag_rate_hz):
        lines[0] += f"; recorded at {timing.bag_rate_hz:.1f} a second, jitter {timing.bag_jitter_ms:.1f} ms"
    if timing.backward_stamps:
        lines.append(f"{timing.backward_stamps} frames are stamped before their predecessor")
    if transport:
        node = "" if transport.dropped is None else f" (the node received {transport.received} and dropped {transport.dropped})"
        lines.append(f"{transport.published} frames published at {transport.rate:g} x the recorded speed, "
                     f"{transport.verdicts} verdicts, {timing.dropped} without{node}")
    return lines


def _timing(result: ReplayResult) -> list[str]:
    rows = timing_rows(result)
    return [*timing_lines(result), *([align([rows[:1], rows[1:]])] if len(rows) > 1 else [])]


def _spread_row(spread: Spread) -> tuple[str, ...]:
    return (spread.name, *(f"{getattr(spread, name):.1f}" for name in ("p50", "p95", "p99", "worst", "jitter")))


def drift_lines(result: ReplayResult) -> list[str]:
    """A line for each jump of a series."""
    return [
        f"{_SERIES[series.name]}: {change.before:.3f} -> {change.after:.3f} at {change.seconds:.1f} s"
        for series in result.drift
        for change in series.changes
    ]


def _drift(result: ReplayResult) -> list[str]:
    return ["", "changes over time:", *drift_lines(result)] if drift_lines(result) else []
