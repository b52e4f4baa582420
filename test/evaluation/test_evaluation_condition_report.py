"""Figures by condition: rows, averages and the worst row, on maps and scores small enough to solve by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hetnet_ros.evaluation.condition_report import report_conditions
from hetnet_ros.evaluation.condition_section import condition_section
from hetnet_ros.evaluation.condition_table import condition_remarks, condition_table
from hetnet_ros.evaluation.conditions import Condition, Conditions
from hetnet_ros.evaluation.metrics import aupro, pixel_auroc
from hetnet_ros.evaluation.pixel_counts import add_counts, count_pixels


def made_up(images, masks: bool = True):
    """A report on images given as (conditions, score, defective); axes are light and pose.

    Each map is 0.1 but for a patch of the image's score, which is the defect where there is one.
    """
    of_images, scores, labels, counts = [], [], [], []
    for values, score, defective in images:
        raw = np.full((16, 16), 0.1, np.float32)
        raw[4:8, 4:8] = score
        mask = np.zeros(raw.shape, bool)
        mask[4:8, 4:8] = defective and masks
        of_images.append(Condition(tuple((axis, value) for axis, value in values.items())))
        scores.append(score)
        labels.append(defective)
        counts.append(count_pixels(raw, mask) if masks or not defective else add_counts([]))
    axes = ("light", "pose")
    return report_conditions(Conditions(axes, tuple(of_images), "a test"), scores, labels, counts), counts


def image_aurocs(report, axis):
    return {row.value: row.figures.image_auroc.value for row in report.rows_on(axis)}


# Within each light every defect scores above every good part; but the bright light lifts all scores above the dim ones.
SHIFTED = [
    ({"light": "high", "pose": "1"}, 0.80, False),
    ({"light": "high", "pose": "2"}, 0.82, False),
    ({"light": "high", "pose": "1"}, 0.90, True),
    ({"light": "high", "pose": "2"}, 0.92, True),
    ({"light": "low", "pose": "1"}, 0.20, False),
    ({"light": "low", "pose": "2"}, 0.22, False),
    ({"light": "low", "pose": "1"}, 0.30, True),
    ({"light": "low", "pose": "2"}, 0.32, True),
]


def test_a_row_sets_defects_against_the_good_images_of_its_own_condition():
    report, counts = made_up(SHIFTED)
    assert image_aurocs(report, "light") == {"high": 1.0, "low": 1.0}
    # Of a pose's 2 x 2 pairs of a defective and a good image, only the dim defect against the bright good one is lost.
    assert image_aurocs(report, "pose") == {"1": 0.75, "2": 0.75}
    high = next(row for row in report.rows if row.value == "high")
    assert (high.images, high.good, high.defective) == (4, 2, 2)
    chosen = add_counts(counts[:4])
    assert high.figures.pixel_auroc == pixel_auroc(chosen) and high.figures.aupro == aupro(chosen)


def test_the_total_pools_what_means_and_cells_keep_apart():
    report, counts = made_up(SHIFTED)
    means = {mean.axis: mean.figures.image_auroc.value for mean in report.means}
    assert means == {"light": 1.0, "pose": 0.75}
    assert report.cell_count == 4 and report.cells.image_auroc.value == 1.0
    assert report.total.image_auroc.value == 0.75  # of 16 pairs, the 4 of a dim defect and a bright good part are lost
    assert report.total.aupro == aupro(add_counts(counts))


def test_the_worst_row_of_each_axis_is_marked():
    images = [*SHIFTED, ({"light": "low", "pose": "3"}, 0.40, False), ({"light": "low", "pose": "3"}, 0.10, True)]
    report, _ = made_up(images)
    assert [(row.axis, row.value) for row in report.rows if row.worst] == [("light", "low"), ("pose", "3")]
    marked = [line for line in condition_table(report).splitlines() if line.rstrip().endswith("worst")]
    assert [line.split()[:2] for line in marked] == [["light", "low"], ["pose", "3"]]


def test_where_all_rows_are_alike_or_there_is_one_none_is_the_worst():
    alike = [({"light": light, "pose": "1"}, score, score > 0.5) for light in "ab" for score in (0.3, 0.8)]
    report, _ = made_up(alike)
    assert [row.figures.image_auroc.value for row in report.rows] == [1.0, 1.0, 1.0]
    assert not any(row.worst for row in report.rows)


def test_a_row_that_lacks_a_class_has_no_figures_and_says_why():
    images = [*SHIFTED, ({"light": "mid", "pose": "1"}, 0.5, True), ({"light": "off", "pose": "1"}, 0.5, False)]
    report, _ = made_up(images)
    for value, reason in (("mid", "there is no good image"), ("off", "there is no defective image")):
        row = next(row for row in report.rows if row.value == value)
        for metric in (row.figures.image_auroc, row.figures.pixel_auroc, row.figures.aupro):
            assert math.isnan(metric.value) and metric.reason == reason
        assert f"light {value} not scored: {reason}" in condition_remarks(report)
        assert not row.worst
    light = next(mean for mean in report.means if mean.axis == "light")
    assert light.figures.image_auroc.value == 1.0  # of the two rows that have one
    assert report.cell_count == 4


def test_images_without_a_condition_count_in_the_total_only():
    report, _ = made_up([*SHIFTED, ({}, 0.05, True)])
    assert sum(row.images for row in report.rows_on("light")) == 8
    assert report.total.image_auroc.value == pytest.approx(12 / 20)
    assert report.cell_count == 4 and report.cells.image_auroc.value == 1.0
    assert condition_remarks(report) == ["images without a condition, which are in the total only: 1"]


def test_without_masks_image_figures_remain():
    report, _ = made_up(SHIFTED, masks=False)
    assert image_aurocs(report, "light") == {"high": 1.0, "low": 1.0}
    assert not report.total.aupro.defined and not report.means[0].figures.aupro.defined
    assert condition_remarks(report) == []  # the whole set's remark says it once


def test_the_table_has_a_block_for_each_axis_and_lines_of_one_width():
    report, _ = made_up(SHIFTED)
    lines = condition_table(report).splitlines()
    assert len({len(line) for line in lines}) == 1
    names = [line.split("  ")[0] for line in lines if not line.startswith("-")]
    assert names == [
        "condition",
        "light high",
        "light low",
        "light mean",
        "pose 1",
        "pose 2",
        "pose mean",
        "mean of 4 combinations",
        "total",
    ]
    total = lines[-1].split()
    assert total[1] == "75.00"


def test_values_cannot_break_the_report():
    images = [({"light": "<b>", "pose": "1"}, score, score > 0.5) for score in (0.3, 0.8)]
    assert "<b>" not in condition_section(made_up(images)[0])
