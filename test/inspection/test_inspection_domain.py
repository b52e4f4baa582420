"""Images of another kind never PASS: blank, dark, overexposed and foreign ones are UNCERTAIN with the likely cause."""

import numpy as np
import pytest
from model_fixtures import made_up_part

from hetnet_ros.inspection.domain import Domain, DomainLimits, MapSpread, distances, fit_limits
from hetnet_ros.inspection.image_statistics import fit_statistics, measure
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.result import Verdict

STATISTICS = fit_statistics([measure(made_up_part(i)) for i in range(8)])


LIMITS = DomainLimits(0.1, 0.2, 1.0, STATISTICS)


@pytest.fixture(scope="module")
def inspector(tiny_model):
    return PartInspector.load(tiny_model, "cpu")


@pytest.mark.parametrize("value, reason", [(0, "out_of_domain_dark"), (255, "out_of_domain_bright"),
                                           (110, "out_of_domain_appearance")])
def test_a_blank_image_is_uncertain_with_its_cause(inspector, value, reason):
    result = inspector.inspect(np.full((96, 128, 3), value, np.uint8))
    assert (result.verdict, result.reason) == (Verdict.UNCERTAIN, reason) and "\n" not in result.detail


def test_noise_never_passes(inspector):
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3)).astype(np.uint8)
    assert inspector.inspect(noise).verdict != Verdict.PASS


def test_good_parts_are_in_the_domain(inspector):
    reasons = [inspector.inspect(made_up_part(600 + i)).reason for i in range(6)]
    assert not any(reason.startswith("out_of_domain") for reason in reasons)


def test_the_distance_is_to_the_nearest_reference():
    references = np.eye(3, dtype=np.float32)
    half = np.array([np.sqrt(0.5), np.sqrt(0.5), 0], np.float32)
    assert distances(references, np.stack([half, references[2]])) == pytest.approx([1 - np.sqrt(0.5), 0])
    assert Domain(references, LIMITS).distance(half) == pytest.approx(1 - np.sqrt(0.5))




@pytest.mark.parametrize("distance, verdict, stands", [
    (0.05, Verdict.PASS, True), (0.15, Verdict.PASS, False), (0.15, Verdict.REJECT, True), (0.25, Verdict.REJECT, False),
    (float("nan"), Verdict.PASS, False), (float("nan"), Verdict.REJECT, False)])
def test_an_unfamiliar_image_does_not_pass_and_a_foreign_one_gives_no_verdict(distance, verdict, stands):
    assert (LIMITS.judge(distance, verdict, MapSpread(0.5, 1.0), measure(made_up_part(7))) is None) == stands


def test_a_bad_exposure_leaves_no_verdict_standing():
    reason, detail = LIMITS.judge(0.01, Verdict.REJECT, MapSpread(0.5, 1.0), measure(made_up_part(7) // 8))
    assert reason == "out_of_domain_dark" and "brightness" in detail


def test_an_image_that_is_anomalous_all_over_is_no_defect():
    reason, detail = LIMITS.judge(0.01, Verdict.REJECT, MapSpread(1.1, 2.0), measure(made_up_part(7)))
    assert reason == "out_of_domain_appearance" and "most of the image" in detail
    somewhere = MapSpread.of(np.pad(np.full((8, 8), 9.0, np.float32), 12, constant_values=1.1))
    assert LIMITS.judge(0.01, Verdict.REJECT, somewhere, measure(made_up_part(7))) is None


def test_limits_follow_the_spread_of_good_images():
    tight, wide = (fit_limits(np.array(far), np.array([0.5, 0.6]), STATISTICS) for far in ([0.001, 0.002], [0.03, 0.06]))
    assert 0.6 < tight.level < 1.2
    assert tight.familiar < wide.familiar and tight.foreign < wide.foreign
    assert wide.familiar == wide.foreign > 0.06  # parts that vary much are foreign only beyond their own spread


def test_a_map_without_half_of_its_own_level_may_rise_by_half_as_much():
    whole, half = (fit_limits(np.array([0.01]), np.array([1.0]), STATISTICS, share).level for share in (0.0, 0.5))
    assert whole > 1.2 and half == pytest.approx(whole ** 0.5)
