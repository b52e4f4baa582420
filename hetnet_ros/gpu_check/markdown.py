"""The result as Markdown to paste into an issue: what it was measured on, how each part ended, and a small table for each."""

from __future__ import annotations

from collections.abc import Sequence

from hetnet_ros.gpu_check.aims import against_aims
from hetnet_ros.gpu_check.plan import MACHINE
from hetnet_ros.gpu_check.record import FAILED, INTERRUPTED, LIMIT, OK, SKIPPED, PartResult, Row

_WORDS = {OK: "done", FAILED: "**failed**", SKIPPED: "skipped", LIMIT: "**past its limit**", INTERRUPTED: "**interrupted**"}
_CAPTIONS = {
    "latency": "One 640x480 `rgb8` picture to its verdict, ms; the last columns are medians of the stages",
    "throughput": "Pictures a second with so many inspected in one run of the network",
    "copies": "Copies between host and card, ms",
    "host": "On one core of the host, median ms",
    "parity": "Largest differences to torch in float32 on the CPU, relative to the thresholds",
    "teaching": "Time in s, of which features, training and rest are parts; the I-AUROC is of few pictures, and only to tell a sound model",
    "node": "Stamp to verdict, ms, of the pictures that got one; each camera offers its pictures at the rate given",
}


def to_markdown(results: Sequence[PartResult], on_cpu: bool, quick: bool = False) -> str:
    """Everything, headings from the third level on, as fits inside an issue; of a run on a card also whether it reaches the aims."""
    machine = next((result for result in results if result.name == MACHINE), None)
    card = next((str(row.figures.get("value", "")) for row in machine.rows if row.name == "card"), "") if machine else ""
    where = "tried on a CPU" if on_cpu else card.split(",")[0] or "no card"
    lines = [f"### hetnet gpu-check{' --quick' if quick else ''}: {where}", ""]
    if machine is not None and machine.rows:  # a machine that did not come to that has no table
        lines += _table(("", ""), [(row.name, str(row.figures.get("value", row.reason))) for row in machine.rows])
    if not on_cpu:
        lines += _table(("aim", "found", "met"), against_aims(results))
    lines += _table(("part", "", "s", ""), [(result.name, _WORDS[result.state], f"{result.seconds:g}" if result.seconds else "",
                                             result.reason) for result in results])
    for result in results:
        if result is not machine and (result.rows or result.notes):
            lines += [f"#### {result.title}", "", *_of_part(result)]
    return "\n".join(lines).rstrip() + "\n"


def _of_part(result: PartResult) -> list[str]:
    lines = []
    for name in dict.fromkeys(row.table for row in result.rows):
        rows = [row for row in result.rows if row.table == name]
        if name in _CAPTIONS:
            lines += [f"{_CAPTIONS[name]}:", ""]
        measured = [row for row in rows if row.figures]
        columns = list(dict.fromkeys(column for row in measured for column in row.figures))
        if measured:
            header = ("", *(_heading(column) for column in columns))
            lines += _table(header, [(row.name, *(_figure(row, column) for column in columns)) for row in measured])
        told = [f"- {row.name}: {'not here' if row.state == SKIPPED else _WORDS[row.state]}: {_plain(row.reason)}" for row in rows
                if row.state != OK]
        lines += [*told, ""] if told else []
    lines += [*(f"- {_plain(note)}" for note in result.notes), ""] if result.notes else []
    return lines


_UNITS = {"hz": "Hz", "mib": "MiB", "auroc": "AUROC"}


def _heading(column: str) -> str:
    return " ".join(_UNITS.get(word, word) for word in column.split("_"))


def _figure(row: Row, column: str) -> str:
    return str(row.figures.get(column, ""))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, *rows]
    text = ["| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines]
    return [text[0], "|" + "---|" * len(header), *text[1:], ""]


def _plain(text: str) -> str:
    """What libraries say must not draw lines into a table or tags onto a page."""
    return text.replace("|", "\\|").replace("<", "&lt;")
