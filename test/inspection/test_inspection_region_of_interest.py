"""Regions of interest: outside of them nothing enters score, map or defects."""

import dataclasses

import numpy as np
import pytest
from model_fixtures import made_up_part

from hetnet_ros.inspection.clock_watch import Moment
from hetnet_ros.inspection.frame_policy import FrameRules, Request, examine
from hetnet_ros.inspection.part_inspector import PartInspector, View
from hetnet_ros.inspection.region_of_interest import Region, RegionError, score_inside
from hetnet_ros.inspection.result import Box, Verdict

WHOLE = Box(0, 0, 128, 96)


@pytest.fixture(scope="module")
def inspector(tiny_model):
    return PartInspector.load(tiny_model, "cpu")


def ruined(left=70, top=34):
    image = made_up_part(0)
    image[top:top + 28, left:left + 28] = 0
    return image


def test_a_box_a_polygon_and_a_mask_of_the_same_place_agree():
    mask = np.zeros((96, 128), bool)
    mask[24:72, 32:96] = True
    corners = ((31.5, 23.5), (95.5, 23.5), (95.5, 71.5), (31.5, 71.5))
    found = [region.inside((96, 128), WHOLE, (48, 64)) for region in
             (Region(box=Box(32, 24, 64, 48)), Region(polygon=corners), Region(mask=mask))]
    wanted = np.zeros((48, 64), bool)
    wanted[12:36, 16:48] = True
    assert np.array_equal(found[2], wanted)
    for inside in found[:2]:  # a polygon's edge counts as inside: up to one pixel of the map more
        assert inside[wanted].all() and inside.sum() <= 26 * 34


def test_what_lies_outside_is_ignored(inspector):
    away = Region(polygon=((0, 0), (50, 0), (50, 95), (0, 95)))
    seen, ignored = inspector.inspect(ruined()), inspector.inspect(ruined(), region=away)
    assert seen.defects and seen.raw_score > 1.5 * ignored.raw_score
    assert not [d for d in ignored.defects if d.box.x > 52] and (ignored.anomaly_map[:, 27:] == 0).all()


def test_what_lies_inside_counts(inspector):
    region = Region(box=Box(60, 24, 60, 50))
    seen, inside = inspector.inspect(ruined()), inspector.inspect(ruined(), region=region)
    assert inside.raw_score == pytest.approx(seen.raw_score) and inside.verdict == seen.verdict and inside.defects


@pytest.mark.parametrize("region, said", [
    (Region(box=Box(100, 0, 64, 64)), "outside the 128x96 image"), (Region(polygon=((0, 0), (500, 0), (0, 50))), "x=500"),
    (Region(mask=np.ones((10, 10), bool)), "10x10"), (Region(mask=np.zeros((96, 128), bool)), "nothing")])
def test_a_region_that_does_not_fit_is_refused(inspector, region, said):
    with pytest.raises(RegionError, match=said):
        inspector.inspect(made_up_part(0), region=region)


def mask_of(left, top, right, bottom):
    mask = np.zeros((96, 128), bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize("region", [
    Region(box=Box(60, 24, 60, 50)), Region(polygon=((60, 24), (119.5, 40), (60, 74))), Region(mask=mask_of(60, 24, 120, 74))],
    ids=["box", "polygon", "mask"])
def test_a_region_of_which_a_part_is_not_inspected_is_refused(inspector, region):
    with pytest.raises(RegionError, match="10 px beyond the 100x80 px at x=10 y=10 that are inspected"):
        inspector.inspect(made_up_part(0), Box(10, 10, 100, 80), region)
    assert inspector.inspect(made_up_part(0), region=region).defects == ()


def test_a_region_up_to_the_edge_of_what_is_inspected_is_fine(inspector):
    roi = Box(10, 10, 100, 80)
    for region in (Region(box=roi), Region(box=Box(9, 10, 102, 80)), Region(mask=mask_of(10, 10, 110, 90)),
                   Region(box=Box(20, 20, 50, 50), mask=np.ones((96, 128), bool))):  # both hold: their overlap counts
        assert inspector.inspect(made_up_part(0), roi, region).roi == roi


def test_the_score_is_read_as_the_network_reads_it():
    raw = np.arange(12, dtype=np.float32).reshape(3, 4)
    inside = raw < 10
    assert score_inside(raw, inside, "max", 0.1) == 9
    assert score_inside(raw, inside, "top", 0.2) == 8.5
    assert np.isnan(score_inside(np.full((3, 4), np.nan), inside, "top", 0.2))


def test_a_batch_gives_what_single_images_give(inspector):
    images = [made_up_part(1), ruined(), made_up_part(3)]
    region = Region(box=Box(0, 0, 64, 96))
    singles = [inspector.inspect(images[0]), inspector.inspect(images[1], Box(10, 10, 100, 80)),
               inspector.inspect(images[2], region=region)]
    batch = inspector.inspect_batch([View(images[0]), View(images[1], Box(10, 10, 100, 80)), View(images[2], region=region)])
    for one, many in zip(singles, batch, strict=True):
        assert many.verdict == one.verdict and many.roi == one.roi
        assert many.raw_score == pytest.approx(one.raw_score, rel=1e-4)


POINT, LINE = ((9.0, 9.0),) * 3, ((0.0, 0.0), (60.0, 60.0), (90.0, 90.0))
COMB = tuple((float(x), 0.0 if x % 2 else 95.0) for x in range(0, 128)) + tuple((float(x), 0.0 if x % 2 else 95.0) for x in range(127, -1, -1))


@pytest.mark.parametrize("region, reason", [
    (Region(box=Box(5, 5, 1, 1)), "roi_too_small"), (Region(box=Box(5, 5, 0, 40)), "roi_too_small"),
    (Region(polygon=POINT), "roi_too_small"), (Region(polygon=LINE), "roi_too_small"), (Region(polygon=COMB), "roi_too_small"),
    (Region(polygon=LINE[:2]), "roi_invalid"), (Region(polygon=((0.0, 0.0), (float("nan"), 90.0), (90.0, 0.0))), "roi_invalid"),
    (Region(polygon=((0.0, 0.0), (90.0, 90.0), (90.0, 0.0), (0.0, 90.0))), "roi_invalid"),
    (Region(polygon=((0.0, 0.0), (float("inf"), 90.0), (90.0, 0.0))), "roi_invalid"),
    (Region(polygon=((0.0, 0.0), (1e300, 90.0), (90.0, 0.0))), "roi_outside_image"),
    (Region(polygon=((-50.0, -50.0), (60.0, 0.0), (0.0, 60.0))), "roi_outside_image"),
    (Region(mask=mask_of(5, 5, 12, 12)), "roi_too_small"),
    (Region(box=Box(0, 0, 20, 20)), "roi_too_small"),  # 3 % of the image
    (Region(box=Box(0, 0, 40, 96), polygon=((30.0, 0.0), (90.0, 0.0), (90.0, 90.0), (30.0, 90.0))), "roi_too_small"),  # 7 % in common
    (Region(mask=mask_of(0, 0, 20, 20) | mask_of(108, 76, 128, 96)), "roi_too_small"),  # far apart, 7 % together
])
def test_a_region_of_almost_nothing_never_leads_to_a_verdict(inspector, region, reason):
    for part in (made_up_part(0), ruined()):
        (found,) = examine([Request(1, lambda part=part: part, inspector, region=region)], FrameRules(max_age=0), lambda: Moment(2))
        assert (found.inspection.verdict, found.inspection.reason) == (Verdict.UNCERTAIN, reason)


def test_a_region_is_told_with_its_share(inspector):
    triangle = ((0.0, 0.0), (120.0, 0.0), (0.0, 90.0))
    (found,) = examine([Request(1, lambda: made_up_part(0), inspector, region=Region(polygon=triangle, source="recipe"))],
                       FrameRules(max_age=0), lambda: Moment(2))
    seen = found.inspection
    assert seen.region.source == "recipe" and seen.region.outline == triangle and seen.region.box == Box(0, 0, 121, 91)
    assert seen.share == pytest.approx(120 * 90 / 2 / (128 * 96)) and "(recipe), 44%" in seen.detail
    both = Region(box=Box(20, 10, 60, 90 - 10), mask=mask_of(0, 0, 50, 96))
    assert inspector.inspect(made_up_part(0), region=both).region.box == Box(20, 10, 30, 80)


def test_the_share_is_of_what_the_model_looks_at_in_the_whole_image(inspector):
    rules, half = FrameRules(roi=Box(0, 0, 64, 48), max_age=0), Region(box=Box(0, 0, 32, 48))
    (quarter, eighth) = examine([Request(1, lambda: made_up_part(0), inspector, region=region) for region in (None, half)], rules,
                                lambda: Moment(2))
    assert quarter.inspection.share == 0.25 and eighth.inspection.share == pytest.approx(0.125, abs=0.005)
    stricter = dataclasses.replace(rules, min_region_share=0.2)
    (quarter, eighth) = examine([Request(1, lambda: made_up_part(0), inspector, region=region) for region in (None, half)], stricter,
                                lambda: Moment(2))
    assert quarter.inspection.reason != "roi_too_small" == eighth.inspection.reason
