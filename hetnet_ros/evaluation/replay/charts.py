"""Curves and histograms as inline SVG in the report's colours; they need no script and print well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

_WIDTH, _HEIGHT = 460, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 30, 46


@dataclass(frozen=True)
class Line:
    """A curve with its name and colour (a CSS value)."""

    name: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Mark:
    """A vertical dashed line at ``x`` with a word beside it, at the top or (``low``) at the bottom."""

    x: float
    text: str
    low: bool = False


def line_chart(title: str, lines: Sequence[Line], x_label: str, y_label: str, marks: Sequence[Mark] = (),
               x_range: tuple[float, float] | None = None, y_range: tuple[float, float] | None = None) -> str:
    """``<figure>`` with the curves; ranges are those of the data unless given."""
    plot = _Plot(x_range or _range([x for line in lines for x in line.x]),
                 y_range or _range([y for line in lines for y in line.y]))
    shapes = []
    for line in lines:
        points = " ".join(f"{plot.x(x):.1f},{plot.y(y):.1f}" for x, y in zip(line.x, line.y))
        shapes.append(f'<polyline points="{points}" fill="none" stroke="{line.colour}" stroke-width="2"/>')
    return _figure(title, plot, shapes, x_label, y_label, marks, [(line.name, line.colour) for line in lines])


def histogram(title: str, groups: Sequence[tuple[str, str, Sequence[float]]], x_label: str, marks: Sequence[Mark] = (),
              x_range: tuple[float, float] | None = None, bins: int = 30) -> str:
    """``<figure>`` with bars of counts; groups: name, colour, values.  Groups are drawn over each other."""
    finite = [(name, colour, [v for v in values if math.isfinite(v)]) for name, colour, values in groups]
    span = x_range or _range([v for _, _, values in finite for v in values])
    counted = [(name, colour, np.histogram(np.clip(values, *span), bins, span)[0]) for name, colour, values in finite]
    top = max((int(counts.max()) for _, _, counts in counted), default=1) or 1
    plot = _Plot(span, (0, top))
    shapes, step = [], (span[1] - span[0]) / bins
    for _, colour, counts in counted:
        for place, count in enumerate(counts):
            if count:
                x, y = plot.x(span[0] + place * step), plot.y(count)
                width = plot.x(span[0] + (place + 1) * step) - x
                shapes.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width - 1, 1):.1f}" '
                              f'height="{plot.y(0) - y:.1f}" fill="{colour}" fill-opacity=".6"/>')
    return _figure(title, plot, shapes, x_label, "frames", marks, [(name, colour) for name, colour, _ in counted])


class _Plot:
    """From values to places in the picture."""

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        self.x_range, self.y_range = x_range, y_range

    def x(self, value: float) -> float:
        low, high = self.x_range
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)


def _figure(title: str, plot: _Plot, shapes: list[str], x_label: str, y_label: str, marks: Sequence[Mark],
            names: list[tuple[str, str]]) -> str:
    bottom, middle = _HEIGHT - _BOTTOM, (_LEFT + _WIDTH - _RIGHT) / 2
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">']
    for value in _ticks(*plot.x_range):
        x = plot.x(value)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}" stroke="var(--line)"/>'
                     f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{value:g}</text>')
    for value in _ticks(*plot.y_range):
        y = plot.y(value)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
                     f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    parts += shapes
    for row, mark in enumerate(marks[:8]):
        if not plot.x_range[0] <= mark.x <= plot.x_range[1]:
            continue
        x = plot.x(mark.x)
        late = x > _WIDTH - 110
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}" stroke="var(--ink)" '
                     f'stroke-dasharray="4 3"/><text x="{x + (-4 if late else 4):.1f}" y="{bottom - 8 if mark.low else _TOP + 14 + 15 * (row % 4)}" '
                     f'text-anchor="{"end" if late else "start"}">{escape(mark.text)}</text>')
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
                 f'<text x="{_LEFT - 40}" y="{_TOP - 12}">{escape(y_label)}</text></svg>')
    legend = "".join(f'<span><i style="background:{colour}"></i>{escape(name)}</span>' for name, colour in names)
    legend = legend if len(names) > 1 else ""
    return f'<figure class="chart"><figcaption><b>{escape(title)}</b> {legend}</figcaption>{"".join(parts)}</figure>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    margin = (high - low) * 0.05 or max(abs(low) * 0.05, 1e-3)
    return (0.0 if 0 <= low <= margin * 4 else low - margin), high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Four to eight round values."""
    raw = (high - low) / 6
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
    return [round(place * step, 12) for place in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
