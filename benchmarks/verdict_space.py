"""Line 3 of ``benchmarks/verdicts.py``: errors of position and normal of defects in space."""

from __future__ import annotations


def measure() -> dict[str, object]:
    """The figures, as they go into the JSON; empty where they are not measured."""
    return {}


def lines(figures: dict[str, object]) -> list[str]:
    """What is printed."""
    return ["3. defects in space: not measured by this command"] if not figures else []
