"""Figures by condition, in the shape of the HetNet paper's Table I: a block for each axis, a row for each of its
values.

A row sets the defective images of its condition against the good images of the *same* condition, so it says how well
defects are seen there. Three averages are formed, because they answer different questions: an axis's mean is that of
its rows; the cells' mean is that over every combination of values scored by itself; the total pools all images, so
that, as in a cell with one threshold for all conditions, scores must also be comparable between them. In the paper
the three axes have one and the same average, which holds for means over cells and not for pooled rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hetnet_ros.evaluation.conditions import Condition, Conditions
from hetnet_ros.evaluation.figures import Figures, figures, mean_figures, undefined_figures
from hetnet_ros.evaluation.pixel_counts import PixelCounts, add_counts


@dataclass(frozen=True)
class ConditionRow:
    """All images with one value on one axis.  worst: whether the axis's lowest image AUROC is this one (where rows tie,
    the lowest AUPRO among them decides)."""

    axis: str
    value: str
    figures: Figures
    good: int
    defective: int
    worst: bool = False

    @property
    def images(self) -> int:
        return self.good + self.defective


@dataclass(frozen=True)
class AxisMean:
    """The mean of an axis's rows, over those rows that define a figure."""

    axis: str
    figures: Figures


@dataclass(frozen=True)
class ConditionReport:
    """rows: axis by axis, values in order.  means: one for each axis.  cells: mean over the ``cell_count`` combinations
    of values that hold good and defective images.  total: all images pooled.  unplaced: images without a condition.
    source: where the conditions come from."""

    source: str
    rows: tuple[ConditionRow, ...]
    means: tuple[AxisMean, ...]
    cells: Figures
    cell_count: int
    total: Figures
    unplaced: int

    def rows_on(self, axis: str) -> tuple[ConditionRow, ...]:
        return tuple(row for row in self.rows if row.axis == axis)


@dataclass(frozen=True)
class ConditionCell:
    """The images of one combination of values: raw scores, truth, and their pixels' counts added up."""

    condition: Condition
    scores: tuple[float, ...]
    defective: tuple[bool, ...]
    counts: PixelCounts


def report_conditions(
    conditions: Conditions, scores: Sequence[float], defective: Sequence[bool], counts: Sequence[PixelCounts]
) -> ConditionReport:
    """Score every condition.  scores (raw), defective (truth) and counts: one for each image, as in ``conditions``."""
    return report_cells(conditions, _cells(conditions, scores, defective, counts))


def report_cells(conditions: Conditions, cells: Sequence[ConditionCell]) -> ConditionReport:
    """The same from images that were added up by condition already."""
    rows: list[ConditionRow] = []
    for axis in conditions.axes:
        rows += mark_worst([_row(axis, value, cells) for value in conditions.values_on(axis)])
    scores = [score for cell in cells for score in cell.scores]
    defective = [label for cell in cells for label in cell.defective]
    placed = [cell for cell in cells if cell.condition.values]
    scored = [cell for cell in placed if len(set(cell.defective)) == 2]
    return ConditionReport(
        source=conditions.source,
        rows=tuple(rows),
        means=tuple(
            AxisMean(axis, mean_figures([row.figures for row in rows if row.axis == axis], "row"))
            for axis in conditions.axes
        ),
        cells=mean_figures([_figures([cell]) for cell in scored], "combination of conditions"),
        cell_count=len(scored),
        total=figures(scores, defective, add_counts(cell.counts for cell in cells)),
        unplaced=sum(not condition.values for condition in conditions.of_images),
    )


def _cells(
    conditions: Conditions, scores: Sequence[float], defective: Sequence[bool], counts: Sequence[PixelCounts]
) -> list[ConditionCell]:
    members: dict[Condition, list[int]] = {}
    for index, condition in enumerate(conditions.of_images):
        members.setdefault(condition, []).append(index)
    return [
        ConditionCell(
            condition,
            tuple(scores[index] for index in indices),
            tuple(defective[index] for index in indices),
            add_counts(counts[index] for index in indices),
        )
        for condition, indices in members.items()
    ]


def _row(axis: str, value: str, cells: Sequence[ConditionCell]) -> ConditionRow:
    chosen = [cell for cell in cells if cell.condition.on(axis) == value]
    bad = sum(sum(cell.defective) for cell in chosen)
    return ConditionRow(axis, value, _figures(chosen), sum(len(cell.defective) for cell in chosen) - bad, bad)


def _figures(cells: Sequence[ConditionCell]) -> Figures:
    """Figures of the cells' images together; none is defined unless there are both good and defective ones."""
    defective = [label for cell in cells for label in cell.defective]
    if len(set(defective)) < 2:
        return undefined_figures(f"there is no {'good' if all(defective) else 'defective'} image")
    scores = [score for cell in cells for score in cell.scores]
    return figures(scores, defective, add_counts(cell.counts for cell in cells))


def mark_worst(rows: list[ConditionRow]) -> list[ConditionRow]:
    """The rows, with the worst one marked where there are several that differ."""

    def quality(row: ConditionRow) -> tuple[float, float]:
        overlap = row.figures.aupro
        return row.figures.image_auroc.value, overlap.value if overlap.defined else 1.0

    known = [row for row in rows if row.figures.image_auroc.defined]
    if len({quality(row) for row in known}) < 2:
        return rows
    worst = min(known, key=quality)
    return [replace(row, worst=row is worst) for row in rows]
