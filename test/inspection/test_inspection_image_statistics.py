"""Exposure, saturation and sharpness: what good images keep within, and which fault is named beyond."""

import cv2
import numpy as np
import pytest
from model_fixtures import made_up_part

from hetnet_ros.inspection.image_statistics import fit_statistics, measure

LIMITS = fit_statistics([measure(made_up_part(i)) for i in range(12)])


def blurred(image):
    return cv2.GaussianBlur(image, (0, 0), 5)


def smeared(image):
    """Moved while it was exposed: sharp across, blurred along."""
    return cv2.blur(image, (15, 1))


def darker(image):
    return (image * 0.25).astype(np.uint8)


def brighter(image):
    return np.clip(image.astype(int) * 3, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("spoil, cause", [(blurred, "blurred"), (smeared, "blurred"), (darker, "dark"), (brighter, "bright"),
                                          (np.zeros_like, "dark"), (lambda image: np.full_like(image, 255), "bright")])
def test_a_spoiled_image_is_named_by_its_fault(spoil, cause):
    found = [LIMITS.fault(measure(spoil(made_up_part(50 + i)))) for i in range(5)]
    assert all(fault is not None and fault[0] == cause and "\n" not in fault[1] for fault in found)


def test_good_and_defective_parts_keep_within():
    assert not [i for i in range(40) if LIMITS.fault(measure(made_up_part(100 + i, defect=i % 2 == 1)))]


def test_an_image_without_features_is_not_called_blurred():
    assert LIMITS.fault(measure(np.full((64, 64, 3), 110, np.uint8))) is None
