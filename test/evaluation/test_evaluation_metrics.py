"""AUROC and AUPRO against scikit-learn, a slow reference that tries every threshold, and cases solved by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from hetnet_ros.evaluation.metrics import aupro, image_auroc, pixel_auroc, pro_curve
from hetnet_ros.evaluation.pixel_counts import add_counts, count_pixels


def reference_aupro(maps, masks, limit: float = 0.3) -> float:
    """Every distinct value as a threshold, region by region: the definition, slow and plain."""
    labelled = [ndimage.label(mask, structure=np.ones((3, 3))) for mask in masks]
    thresholds = np.unique(np.concatenate([values.ravel() for values in maps]))[::-1]
    normal = np.concatenate([values[~mask] for values, mask in zip(maps, masks)])
    regions = [
        values[labels == number] for values, (labels, count) in zip(maps, labelled) for number in range(1, count + 1)
    ]
    rate = np.array([0.0] + [np.mean(normal >= threshold) for threshold in thresholds])
    overlap = np.array([0.0] + [np.mean([np.mean(region >= t) for region in regions]) for t in thresholds])
    area = 0.0
    for left, right, low, high in zip(rate, rate[1:], overlap, overlap[1:]):
        if left >= limit:
            break
        if right > limit:
            high = low + (high - low) * (limit - left) / (right - left)
            right = limit
        area += (right - left) * (low + high) / 2
    return area / limit


def random_case(seed: int, images: int = 2, side: int = 18):
    """Overlapping distributions with several regions, some of which touch only at a corner."""
    rng = np.random.default_rng(seed)
    masks = rng.random((images, side, side)) > 0.93
    masks[0, 2:9, 3:12] = True
    maps = (rng.gamma(2.0, 0.05, masks.shape) + 0.05 * masks * rng.random()).astype(np.float32)
    return list(maps), list(masks)


def counts_of(maps, masks):
    return add_counts(count_pixels(values, mask) for values, mask in zip(maps, masks))


@pytest.mark.parametrize("seed", range(5))
def test_aupro_agrees_with_every_threshold_tried(seed):
    maps, masks = random_case(seed)
    assert aupro(counts_of(maps, masks)).value == pytest.approx(reference_aupro(maps, masks), abs=2e-4)


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_aupro_agrees_at_other_limits(limit):
    maps, masks = random_case(7)
    assert aupro(counts_of(maps, masks), limit).value == pytest.approx(reference_aupro(maps, masks, limit), abs=2e-4)


def test_aupro_agrees_with_many_equal_values():
    maps, masks = random_case(3)
    coarse = [np.round(values * 16) / 16 for values in maps]
    assert aupro(counts_of(coarse, masks)).value == pytest.approx(reference_aupro(coarse, masks), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_pixel_auroc_agrees_with_scikit_learn_on_all_pixels(seed):
    maps, masks = random_case(seed)
    expected = roc_auc_score(np.concatenate([m.ravel() for m in masks]), np.concatenate([m.ravel() for m in maps]))
    assert pixel_auroc(counts_of(maps, masks)).value == pytest.approx(expected, abs=1e-4)


def test_pixel_metrics_do_not_change_under_a_monotone_map_that_may_be_negative():
    maps, masks = random_case(1)
    logs = [np.log(values) for values in maps]  # all negative, another spacing
    assert aupro(counts_of(logs, masks)).value == pytest.approx(reference_aupro(maps, masks), abs=5e-4)
    exact = pixel_auroc(counts_of(maps, masks)).value
    assert pixel_auroc(counts_of(logs, masks)).value == pytest.approx(exact, abs=5e-4)


def test_a_perfect_map_scores_one_and_an_inverted_one_zero():
    mask = np.zeros((20, 20), bool)
    mask[4:8, 5:9] = True
    for good, bad, expected in ((0.1, 0.9, 1.0), (0.9, 0.1, 0.0)):
        counts = count_pixels(np.where(mask, bad, good).astype(np.float32), mask)
        assert aupro(counts).value == expected
        assert pixel_auroc(counts).value == expected


def test_a_constant_map_is_chance():
    mask = np.zeros((20, 20), bool)
    mask[4:8, 5:9] = True
    counts = count_pixels(np.full((20, 20), 0.5, np.float32), mask)
    assert pixel_auroc(counts).value == 0.5
    assert aupro(counts).value == pytest.approx(0.15)  # the diagonal up to 0.3: mean overlap 0.15


def test_every_region_counts_the_same_however_large():
    """One region of 100 pixels found, one of 1 pixel missed: half the overlap until the rate passes the limit."""
    mask = np.zeros((40, 40), bool)
    mask[0:10, 0:10] = True
    mask[30, 30] = True
    raw = np.full((40, 40), 0.2, np.float32)
    raw[mask] = 0.9
    raw[30, 30] = 0.1  # below every normal pixel
    counts = count_pixels(raw, mask)
    assert counts.regions == 2
    assert aupro(counts).value == pytest.approx(0.5)
    assert pixel_auroc(counts).value == pytest.approx(100 / 101)  # pixels, by contrast, hardly notice


def test_half_of_a_region_found_before_any_false_positive():
    """Rate 0: overlap 1/2; the other half lies below all normal pixels."""
    mask = np.zeros((10, 10), bool)
    mask[2, 2:6] = True
    raw = np.full((10, 10), 0.5, np.float32)
    raw[2, 2:4], raw[2, 4:6] = 0.9, 0.1
    rate, overlap = pro_curve(count_pixels(raw, mask))
    assert rate.tolist() == [0, 0, 1, 1] and overlap.tolist() == [0, 0.5, 0.5, 1]
    assert aupro(count_pixels(raw, mask)).value == 0.5


def test_regions_touching_at_a_corner_are_one():
    mask = np.eye(6, dtype=bool)
    assert count_pixels(np.zeros((6, 6), np.float32), mask).regions == 1


def test_regions_of_different_images_are_different():
    mask = np.zeros((6, 6), bool)
    mask[1:3, 1:3] = True
    one = count_pixels(np.zeros((6, 6), np.float32), mask)
    assert add_counts([one, one, one]).regions == 3


def test_counts_add_up_to_the_pixels():
    maps, masks = random_case(2)
    counts = counts_of(maps, masks)
    assert counts.normal.sum() + counts.defective.sum() == sum(values.size for values in maps)
    assert counts.defective.sum() == sum(mask.sum() for mask in masks)
    assert counts.coverage.sum() == pytest.approx(counts.regions)


def test_a_good_image_adds_only_normal_pixels():
    values = np.random.default_rng(0).random((9, 11)).astype(np.float32)
    for mask in (None, np.zeros((9, 11), bool)):
        counts = count_pixels(values, mask)
        assert counts.normal.sum() == 99 and counts.regions == 0 and len(counts.defect_bins) == 0


def test_pixel_metrics_without_defects_or_without_normal_pixels_are_undefined_and_say_why():
    values = np.random.default_rng(0).random((8, 8)).astype(np.float32)
    for counts, reason in (
        (count_pixels(values), "no defect region"),
        (count_pixels(values, np.ones((8, 8), bool)), "no normal pixel"),
        (add_counts([]), "no defect region"),
    ):
        for metric in (aupro(counts), pixel_auroc(counts)):
            assert math.isnan(metric.value) and not metric.defined and reason in metric.reason


def test_maps_that_are_not_finite_or_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        count_pixels(np.array([[0.0, np.nan]], np.float32))
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        count_pixels(np.zeros((2, 3), np.float32), np.zeros((3, 2), bool))


def test_image_auroc_by_hand():
    # Of the 2 x 2 pairs, 0.9 beats both good scores, 0.4 ties with one and beats the other: 3.5 of 4.
    assert image_auroc([0.4, 0.1, 0.4, 0.9], [False, False, True, True]).value == 3.5 / 4


@pytest.mark.parametrize(
    ("scores", "defective", "reason"),
    [
        ([0.1, 0.2], [True, True], "no good image"),
        ([0.1], [False], "no defective image"),
        ([], [], "no defective image"),
        ([math.nan, 0.2], [True, False], "no finite score"),
    ],
)
def test_image_auroc_without_both_kinds_is_undefined_and_says_why(scores, defective, reason):
    metric = image_auroc(scores, defective)
    assert math.isnan(metric.value) and reason in metric.reason
