"""Pixels to rays: what a CameraInfo says about a camera, lens distortion included.

Frames and units follow REP 103 and REP 104: the optical frame has x right, y down, z along the view; (0, 0) is the centre
of the top left pixel.  Distortion is OpenCV's, which is what ROS's models are defined by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from hetnet_ros.errors import InputError

PINHOLE_MODELS = {"": (0, 4, 5), "plumb_bob": (0, 4, 5), "rational_polynomial": (0, 8, 12, 14)}
"""Distortion model -> the numbers of coefficients that OpenCV takes for it."""
FISHEYE_MODELS = {"equidistant": (4,), "fisheye": (4,)}
_STOP = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-9)


@dataclass(frozen=True)
class CameraModel:
    """Intrinsics of one image stream.

    width, height: size of the images, px.  matrix: K, row by row, px.  distortion: coefficients of ``model``, which is
    ``plumb_bob``, ``rational_polynomial``, ``equidistant`` (``fisheye``) or empty.  binning, offset: how the images were
    cut from the sensor that K describes: u_sensor = u * binning + offset.
    Raises InputError for intrinsics that are no camera's (an uncalibrated one publishes zeros) or an unknown model.
    """

    width: int
    height: int
    matrix: tuple[float, ...]
    distortion: tuple[float, ...] = ()
    model: str = "plumb_bob"
    binning: tuple[int, int] = (1, 1)
    offset: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if len(self.matrix) != 9 or not all(math.isfinite(v) for v in (*self.matrix, *self.distortion)):
            raise InputError("camera_info has no finite 3x3 matrix: calibrate the camera")
        if not (self.matrix[0] > 0 and self.matrix[4] > 0):
            raise InputError(
                f"camera_info has focal lengths {self.matrix[0]:g} and {self.matrix[4]:g}: calibrate the camera"
            )
        known = {**PINHOLE_MODELS, **FISHEYE_MODELS}
        if self.model not in known:
            raise InputError(f"camera_info has distortion model {self.model!r}; known are {', '.join(filter(None, known))}")
        if len(self.distortion) not in known[self.model]:
            raise InputError(
                f"camera_info has {len(self.distortion)} coefficients for distortion model {self.model!r}; it takes "
                f"{' or '.join(map(str, known[self.model]))}"
            )

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """x/z and y/z of the rays through pixels, float64 (N, 2) from (N, 2) columns u, v."""
        pixels = np.asarray(pixels, np.float64).reshape(-1, 2) * self.binning + self.offset
        k = np.array(self.matrix).reshape(3, 3)
        if self.model in FISHEYE_MODELS:
            return cv2.fisheye.undistortPoints(pixels[:, None], k, np.array(self.distortion))[:, 0]
        if not any(self.distortion):
            return (pixels - (k[0, 2], k[1, 2])) / (k[0, 0], k[1, 1])
        bent = np.array(self.distortion)
        return cv2.undistortPointsIter(pixels[:, None], k, bent, np.eye(3), np.eye(3), _STOP)[:, 0]
