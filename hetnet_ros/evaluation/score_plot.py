"""The scores of good and defective images over the thresholds, as an inline SVG: verdicts explained at a glance."""

from __future__ import annotations

import math
from html import escape

from hetnet_ros.evaluation.result import EvaluationResult, ImageOutcome

_WIDTH, _LANE, _LEFT, _RIGHT, _TOP = 900, 64, 90, 20, 26
_GOOD, _BAD = "var(--good)", "var(--bad)"


def score_plot(result: EvaluationResult) -> str:
    """``<svg>`` with a lane per kind of image, a dot per image and a line per threshold."""
    height = _TOP + 2 * _LANE + 28
    accept, reject = result.thresholds.accept, result.thresholds.reject
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Scores of good and defective images">',
        _zone(accept, reject),
        _threshold(accept, "accept", "end"),
        _threshold(reject, "reject", "start"),
        *_lane("good", [image for image in result.images if not image.is_defective], 0, _GOOD),
        *_lane("defective", [image for image in result.images if image.is_defective], 1, _BAD),
        *(_tick(step / 10) for step in range(0, 11, 2)),
        "</svg>",
    ]
    return "\n".join(parts)


def _x(score: float) -> float:
    return _LEFT + score * (_WIDTH - _LEFT - _RIGHT)


def _zone(accept: float, reject: float) -> str:
    left, right = _x(accept), _x(reject)
    return f'<rect x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}" height="{2 * _LANE}" fill="#e6911430"/>'


def _threshold(score: float, name: str, anchor: str) -> str:
    x = _x(score)
    shift = -4 if anchor == "end" else 4
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{_TOP + 2 * _LANE}" '
        'stroke="var(--rule)" stroke-dasharray="4 3"/>'
        f'<text x="{x + shift:.1f}" y="{_TOP - 10}" text-anchor="{anchor}">{name} {score:.2f}</text>'
    )


def _tick(score: float) -> str:
    y = _TOP + 2 * _LANE
    return f'<text x="{_x(score):.1f}" y="{y + 18}" text-anchor="middle">{score:.1f}</text>'


def _lane(name: str, images: list[ImageOutcome], row: int, colour: str) -> list[str]:
    """Dots of one lane, spread over its height so that equal scores do not hide each other."""
    top = _TOP + row * _LANE
    parts = [
        f'<rect x="{_LEFT}" y="{top}" width="{_WIDTH - _LEFT - _RIGHT}" height="{_LANE}" fill="none" stroke="var(--grid)"/>',
        f'<text x="{_LEFT - 8}" y="{top + _LANE / 2 + 4}" text-anchor="end">{name}</text>',
    ]
    for index, image in enumerate(images):
        if not math.isfinite(image.score):
            continue
        y = top + 8 + (index * 0.618034 % 1) * (_LANE - 16)  # the golden ratio spreads any number evenly
        parts.append(
            f'<circle cx="{_x(image.score):.1f}" cy="{y:.1f}" r="4" fill="{colour}" fill-opacity="0.6">'
            f"<title>{escape(image.name)}: {image.score:.3f} {image.verdict.name}</title></circle>"
        )
    return parts
