"""The anomaly map on the source image's pixel grid: raw, calibrated, and as a mask.

An Inspection carries its map at the network's resolution; whoever needs it at another asks here, so that the mask a
node publishes, the overlay a person sees and the map an evaluation scores are one and the same interpolation.
"""

from __future__ import annotations

import cv2
import numpy as np

from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.result import Inspection


def source_map(inspection: Inspection) -> np.ndarray:
    """Raw map at source size, float32 (H, W), 0 outside the inspected region.

    Linear interpolation when enlarging, area average when shrinking: neither invents values the network did not give.
    Raises ValueError if the inspection carries no map.
    """
    if inspection.anomaly_map is None:
        raise ValueError("this inspection carries no anomaly map")
    raw, roi = np.asarray(inspection.anomaly_map, np.float32), inspection.roi
    shrinks = roi.width < raw.shape[1] and roi.height < raw.shape[0]
    resized = cv2.resize(raw, (roi.width, roi.height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    if (roi.height, roi.width) == tuple(inspection.source_size):
        return resized
    full = np.zeros(inspection.source_size, np.float32)
    full[roi.y : roi.y + roi.height, roi.x : roi.x + roi.width] = resized
    return full


def calibrated_source_map(inspection: Inspection, calibration: Calibration) -> np.ndarray:
    """Calibrated map at source size, float32 (H, W) in [0, 1], 0.5 at the pixel threshold, 0 outside the region."""
    return calibration.calibrated_map(source_map(inspection))


def source_mask(inspection: Inspection, calibration: Calibration) -> np.ndarray:
    """uint8 (H, W), 255 where the map reaches the pixel threshold and 0 elsewhere."""
    return np.where(source_map(inspection) >= calibration.pixel, np.uint8(255), np.uint8(0))
