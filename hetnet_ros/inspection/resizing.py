"""Pictures, masks and maps at another size: the one place that shrinks by area, whatever the other axis does.

OpenCV averages areas only where both axes shrink; where one grows it falls back to points, and of a strip it then drops
most of the lines across.  So each axis is resized by what happens to it: averaged by area where it shrinks, interpolated
linearly where it grows.
"""

from __future__ import annotations

import cv2
import numpy as np


def resized(pixels: np.ndarray, size: tuple[int, int], enlarge: int = cv2.INTER_LINEAR) -> np.ndarray:
    """uint8 or float32 (H, W) or (H, W, C) -> the same at ``size`` (height, width); ``pixels`` itself where it has that size.

    enlarge: OpenCV's flag for an axis that grows.
    """
    height, width = size
    if pixels.shape[:2] == (height, width):
        return pixels
    if pixels.shape[0] >= height and pixels.shape[1] >= width:
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    if pixels.shape[0] > height or pixels.shape[1] > width:  # the axis that shrinks first: the other then has less to do
        between = min(pixels.shape[0], height), min(pixels.shape[1], width)
        pixels = cv2.resize(pixels, between[::-1], interpolation=cv2.INTER_AREA)
    return cv2.resize(pixels, (width, height), interpolation=enlarge)
