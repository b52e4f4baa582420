"""A pinhole camera with plumb-bob distortion, and where it stands.

Frames follow REP 103: the optical frame has x right, y down, z along the view.  The cell frame has its origin in the
middle of the nominal face plane, x right, y up, z out of the metal.  Pixel centres have whole coordinates, (0, 0)
being the centre of the top left pixel, as in ROS CameraInfo and OpenCV.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from hetnet_ros.errors import InputError


@dataclass(frozen=True)
class PinholeCamera:
    """Intrinsics in pixels; ``distortion`` is OpenCV's (k1, k2, p1, p2, k3), ROS's ``plumb_bob``."""

    width: int = 640
    height: int = 480
    fx: float = 1600.0
    fy: float = 1600.0
    cx: float = 319.5
    cy: float = 239.5
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if not (16 <= self.width <= 4096 and 16 <= self.height <= 4096):
            raise InputError(f"camera size {self.width}x{self.height} is out of range; use 16 to 4096 pixels a side")

    @classmethod
    def of_size(
        cls, width: int, height: int, distortion: tuple[float, float, float, float, float] = (0.0,) * 5
    ) -> PinholeCamera:
        """The cell's camera at another size: the same view, centred; the focal length is 2.5 times the larger of the
        width and 4/3 of the height, so that at 400 mm it sees 160 mm x 120 mm."""
        focal = 2.5 * max(width, height * 4 / 3)
        return cls(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2, distortion)

    @property
    def matrix(self) -> np.ndarray:
        """float64 (3, 3): K."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]])

    def finer(self, factor: int) -> PinholeCamera:
        """The same camera with each pixel divided into ``factor`` x ``factor``."""
        return PinholeCamera(
            self.width * factor,
            self.height * factor,
            self.fx * factor,
            self.fy * factor,
            (self.cx + 0.5) * factor - 0.5,
            (self.cy + 0.5) * factor - 0.5,
            self.distortion,
        )

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels, float64 (N, 2), of points in the optical frame, (N, 3), any unit; z must be positive."""
        points = np.atleast_2d(np.asarray(points, np.float64))
        return cv2.projectPoints(points, np.zeros(3), np.zeros(3), self.matrix, np.array(self.distortion))[0][:, 0]

    @lru_cache(maxsize=8)  # noqa: B019 - a few cameras live as long as the process
    def rays(self) -> tuple[np.ndarray, np.ndarray]:
        """x/z and y/z of the ray through each pixel's centre: two read-only float32 (height, width)."""
        u, v = np.meshgrid(np.arange(self.width, dtype=np.float64), np.arange(self.height, dtype=np.float64))
        if any(self.distortion):
            grid = np.stack([u, v], -1).reshape(-1, 1, 2)
            stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-9)
            found = cv2.undistortPointsIter(grid, self.matrix, np.array(self.distortion), np.eye(3), np.eye(3), stop)
            x, y = found[:, 0, 0].reshape(u.shape), found[:, 0, 1].reshape(u.shape)
        else:
            x, y = (u - self.cx) / self.fx, (v - self.cy) / self.fy
        x, y = x.astype(np.float32), y.astype(np.float32)
        x.flags.writeable = y.flags.writeable = False
        return x, y


@dataclass(frozen=True, eq=False)
class Rigid:
    """A rigid transform, p' = rotation @ p + translation: (3, 3) and (3,) float64, mm."""

    rotation: np.ndarray
    translation: np.ndarray

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Transform (..., 3) points."""
        return np.asarray(points) @ self.rotation.T + self.translation

    def turn(self, directions: np.ndarray) -> np.ndarray:
        """Rotate (..., 3) directions."""
        return np.asarray(directions) @ self.rotation.T

    def inverse(self) -> Rigid:
        return Rigid(self.rotation.T, -self.rotation.T @ self.translation)

    def __matmul__(self, first: Rigid) -> Rigid:
        """The transform that applies ``first``, then this one."""
        return Rigid(self.rotation @ first.rotation, self.rotation @ first.translation + self.translation)


@dataclass(frozen=True)
class CameraPose:
    """Where the robot holds the camera: it looks at a target point of the cell frame.

    tilt_deg: angle between the view and the face's normal, 0 to 60; azimuth_deg: towards which side it is tilted (0
    is +x, counter-clockwise); roll_deg: turn about the view; distance_mm: from the camera to the target; target_x,
    target_y: mm.
    """

    tilt_deg: float = 0.0
    azimuth_deg: float = 0.0
    roll_deg: float = 0.0
    distance_mm: float = 400.0
    target_x: float = 0.0
    target_y: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.tilt_deg <= 60:
            raise InputError(f"camera tilt {self.tilt_deg:g} degrees is out of range; use 0 to 60")
        if not 50 <= self.distance_mm <= 5000:
            raise InputError(f"camera distance {self.distance_mm:g} mm is out of range; use 50 to 5000")

    def transform(self) -> Rigid:
        """From the cell frame to the optical frame, mm."""
        tilt, azimuth, roll = (math.radians(v) for v in (self.tilt_deg, self.azimuth_deg, self.roll_deg))
        back = np.array([math.sin(tilt) * math.cos(azimuth), math.sin(tilt) * math.sin(azimuth), math.cos(tilt)])
        eye = np.array([self.target_x, self.target_y, 0.0]) + self.distance_mm * back
        # Leaning about the axis across the azimuth keeps "up" up for every azimuth, so roll 0 is never a surprise.
        axis = np.array([-math.sin(azimuth), math.cos(azimuth), 0.0]) * tilt
        lean = cv2.Rodrigues(axis)[0]
        spin = cv2.Rodrigues(np.array([0.0, 0.0, roll]))[0]
        rotation = spin @ np.diag([1.0, -1.0, -1.0]) @ lean.T
        return Rigid(rotation, -rotation @ eye)


@dataclass(frozen=True)
class PartPose:
    """How far the part lies from its nominal place: shift in mm along x, y and z, turn about z in degrees."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    turn_deg: float = 0.0

    def transform(self) -> Rigid:
        """From the face frame to the cell frame, mm."""
        return Rigid(
            cv2.Rodrigues(np.array([0.0, 0.0, math.radians(self.turn_deg)]))[0], np.array([self.x, self.y, self.z])
        )


def plane_homography(camera: PinholeCamera, optical_from_face: Rigid) -> np.ndarray:
    """float64 (3, 3) that maps (x, y, 1) mm of the face's base plane z = 0 to pixels of the undistorted image."""
    r, t = optical_from_face.rotation, optical_from_face.translation
    return camera.matrix @ np.column_stack([r[:, 0], r[:, 1], t])
