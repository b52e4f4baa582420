"""What a card of a data centre is to reach, held against what was measured: the first thing that whoever pastes the table sees."""

from __future__ import annotations

from collections.abc import Sequence

from hetnet_ros.gpu_check.record import PartResult, Row

VERDICT_MS, TEACH_S = 8.0, 20.0
FOUR_CAMERAS = "4 cameras, 640x480, 60 Hz"


def against_aims(results: Sequence[PartResult]) -> list[tuple[str, str, str]]:
    """Each aim, what was found, and whether that meets it; an aim whose part gave no figures reads so."""
    rows = {(result.name, row.table, row.name): row for result in results for row in result.rows if row.figures}
    trusted = {name for part, _, name in rows if part == "parity" and rows[part, "parity", name].figures.get("within_limits") == "yes"}
    fast = [row for (part, table, name), row in rows.items() if (part, table) == ("edge-384", "latency") and name in trusted]
    best = min((row for row in fast if "p95_ms" in row.figures), key=lambda row: row.figures["p95_ms"], default=None)
    cameras = rows.get(("node", "node", FOUR_CAMERAS))
    taught = next((row for (part, _, _), row in rows.items() if part == "teach"), None)
    return [
        (f"a verdict within {VERDICT_MS:g} ms of a 640x480 picture's arrival at p95",
         *_held(best, "p95_ms", VERDICT_MS, lambda row: f"{row.figures['p95_ms']} ms ({row.name})")),
        ("four cameras of 640x480 at 60 Hz without a dropped picture",
         *_held(cameras, "dropped", 0, lambda row: f"{row.figures['dropped']} of {row.figures['of']} dropped")),
        (f"a part taught in {TEACH_S:g} s", *_held(taught, "seconds", TEACH_S, lambda row: f"{row.figures['seconds']} s")),
    ]


def _held(row: Row | None, column: str, most: float, say) -> tuple[str, str]:  # noqa: ANN001 - a function of the row
    if row is None:
        return "not measured", ""
    return say(row), "yes" if row.figures[column] <= most else "**no**"
