"""The anomaly map on the source image's pixel grid: raw, calibrated, and as a mask.

An Inspection carries its map at the network's resolution; whoever needs it at another asks here, so that the mask a
node publishes, the overlay a person sees and the map an evaluation scores are one and the same interpolation.
"""

from __future__ import annotations

import numpy as np

from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.resizing import resized
from hetnet_ros.inspection.result import Box, Inspection


def source_map(inspection: Inspection) -> np.ndarray:
    """Raw map at source size, float32 (H, W), 0 outside the inspected region.

    Each axis linear where it is enlarged, an area average where it shrinks: neither invents values the network did not give.
    Raises ValueError if the inspection carries no map.
    """
    if inspection.anomaly_map is None:
        raise ValueError("this inspection carries no anomaly map")
    return in_place(np.asarray(inspection.anomaly_map, np.float32), inspection.roi, inspection.source_size)


def in_place(raw_map: np.ndarray, roi: Box, size: tuple[int, int]) -> np.ndarray:
    """A map, float32, that covers ``roi`` of an image, at that image's (height, width), 0 outside."""
    resized = at_source_size(raw_map, (roi.height, roi.width))
    if (roi.height, roi.width) == tuple(size):
        return resized
    full = np.zeros(size, np.float32)
    full[roi.y : roi.y + roi.height, roi.x : roi.x + roi.width] = resized
    return full


def at_source_size(raw_map: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map, float32, of the whole image or region at that image's or region's (height, width), interpolated as above."""
    return resized(raw_map, size)


def calibrated_source_map(inspection: Inspection, calibration: Calibration) -> np.ndarray:
    """Calibrated map at source size, float32 (H, W) in [0, 1], 0.5 at the pixel threshold, 0 outside the region."""
    return calibration.calibrated_map(source_map(inspection))


def source_mask(inspection: Inspection, calibration: Calibration) -> np.ndarray:
    """uint8 (H, W), 255 where the map reaches the pixel threshold and 0 elsewhere."""
    return np.where(source_map(inspection) >= calibration.pixel, np.uint8(255), np.uint8(0))
