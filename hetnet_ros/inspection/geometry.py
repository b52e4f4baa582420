"""Where a defect is in space: from its region in the image, the camera's rays and an aligned depth image.

The normal is that of the sound surface around the region, never of the region itself: a dent or a hole must not tilt it,
and many sensors see nothing where metal is damaged.  Depth is aligned with the image and in metres along the optical axis
(REP 118); 0 and NaN mean "not measured".
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from hetnet_ros.inspection.camera_model import CameraModel
from hetnet_ros.inspection.result import Defect
from hetnet_ros.inspection.surface_fit import MIN_POINTS, Surface, fit_surface

MAX_LIFTED = 20
"""Defects of highest score that are located; it bounds the time spent on a hopeless image."""
CENTROID_SIGMA_PX = 0.5
"""Standard deviation taken for a region's centroid, px; depth noise does not tell it."""

FARTHEST_M = 1000.0
"""No defect is as far from any frame of its cell; the same bounds its extent, and the squares in its covariance."""

_GAP_PX = 2
_MIN_RING_PX, _MAX_RING_PX = 10, 40
_MIN_VALID_SHARE = 0.2
_SIGNIFICANT = 4.0
_FLAT_M = 5e-5


class NoPose(str, enum.Enum):
    """Why a defect has no pose; the values are those of ``pose_reason`` in msg/Defect.msg."""

    TWO_PUBLISHERS = "two_publishers"
    NO_CAMERA_INFO = "no_camera_info"
    NO_DEPTH = "no_depth"
    STAMP_MISMATCH = "stamp_mismatch"
    SIZE_MISMATCH = "size_mismatch"
    BAD_CAMERA_INFO = "bad_camera_info"
    BAD_DEPTH = "bad_depth"
    DEPTH_HOLE = "depth_hole"
    NO_SURFACE = "no_surface"
    NO_PLACE = "no_place"
    NO_FRAME = "no_frame"
    NO_TRANSFORM = "no_transform"
    NOT_RANKED = "not_ranked"
    FAILED = "geometry_failed"
    NOT_SUPPORTED = "not_supported"


@dataclass(frozen=True, eq=False)
class DefectPose:
    """One defect on the surface.

    position: (3,) m.  rotation: (3, 3), columns are the pose's axes: x along the region's longer side, z out of the sound
    surface.  covariance: (6, 6) of position (m^2) and rotation about the frame's fixed axes (rad^2), as in
    geometry_msgs/PoseWithCovariance.  extent: (3,) m along the pose's axes; z is how far the metal is displaced, 0 where
    that does not stand out of the noise.  area_mm2: on the sound surface.  noise_mm: depth noise found around it.
    """

    position: np.ndarray
    rotation: np.ndarray
    covariance: np.ndarray
    extent: np.ndarray
    area_mm2: float
    noise_mm: float

    @property
    def normal(self) -> np.ndarray:
        """Unit vector out of the metal, (3,)."""
        return self.rotation[:, 2]

    @property
    def is_place(self) -> bool:
        """Whether all its numbers are such as a place in a cell has; intrinsics, depth or a transform may hold any."""
        values = np.concatenate([self.position, self.extent, self.covariance.ravel()])
        turned = self.rotation @ self.rotation.T
        return bool((np.abs(values) <= FARTHEST_M).all() and np.allclose(turned, np.eye(3), atol=1e-3))

    def moved(self, rotation: np.ndarray, translation: np.ndarray) -> DefectPose:
        """The same in another frame: p' = rotation @ p + translation, (3, 3) and (3,) m."""
        both = np.kron(np.eye(2), rotation)
        return replace(
            self,
            position=rotation @ self.position + translation,
            rotation=rotation @ self.rotation,
            covariance=both @ self.covariance @ both.T,
        )


def locate_defects(
    defects: Sequence[Defect], camera: CameraModel, depth: np.ndarray
) -> tuple[DefectPose | NoPose, ...]:
    """The pose of each defect, or why it has none, in the camera's optical frame.

    depth: float32 (H, W), m, aligned with the image that the defects were found in.  Never raises for what it holds.
    """
    if depth.shape != (camera.height, camera.width):
        return (NoPose.SIZE_MISMATCH,) * len(defects)
    ranked = defects[:MAX_LIFTED]
    regions = np.zeros(depth.shape, np.uint8)
    for defect in ranked:
        cv2.fillPoly(regions, [defect.contour.reshape(-1, 1, 2)], 255)
    found: list[DefectPose | NoPose] = []
    for defect in ranked:
        own = np.zeros(depth.shape, np.uint8)
        cv2.fillPoly(own, [defect.contour.reshape(-1, 1, 2)], 255)
        try:
            place = locate_region(own > 0, camera, depth, defect.centroid, others=regions > own)
        except np.linalg.LinAlgError:  # of numbers that no camera and no depth has
            place = NoPose.NO_PLACE
        found.append(place if isinstance(place, NoPose) or place.is_place else NoPose.NO_PLACE)
    return (*found, *(NoPose.NOT_RANKED,) * (len(defects) - len(ranked)))


def locate_region(
    region: np.ndarray,
    camera: CameraModel,
    depth: np.ndarray,
    centroid: tuple[float, float] | None = None,
    others: np.ndarray | None = None,
) -> DefectPose | NoPose:
    """The pose of one region of an image.

    region: bool (H, W), not empty.  depth: float32 (H, W), m.  centroid: (u, v) px, by default the mean of the region's
    pixels.  others: bool (H, W), pixels of other defects, which are no sound surface either.
    """
    rows, columns = np.nonzero(region)
    centroid = centroid or (float(columns.mean()), float(rows.mean()))
    width = int(np.clip(0.75 * math.sqrt(len(rows)), _MIN_RING_PX, _MAX_RING_PX))
    reach = width + _GAP_PX + 2
    window = np.s_[
        max(0, rows.min() - reach) : rows.max() + reach + 1, max(0, columns.min() - reach) : columns.max() + reach + 1
    ]
    area = _Window(window, region, camera, depth)
    around = (area.distance > _GAP_PX) & (area.distance <= _GAP_PX + width)
    if others is not None:
        around &= ~others[window]
    measured = around & area.valid
    if measured.sum() < max(MIN_POINTS, _MIN_VALID_SHARE * around.sum()):
        return NoPose.DEPTH_HOLE
    inside = area.region & area.valid
    surface = fit_surface(
        area.rays[measured],
        area.depth[measured],
        area.smooth[measured],
        np.exp(-area.distance[measured] / width),
        (area.rays[inside], area.smooth[inside]),
        area.noise_m,
    )
    if surface is None:
        return NoPose.NO_SURFACE
    return _pose(area, surface, camera, centroid)


class _Window:
    """The part of the images around a region: rays (h, w, 2), depth and its smoothed copy (h, w) m, where it is
    measured, the region, the distance to it in px, and the noise of the depth, m."""

    def __init__(self, window: tuple[slice, slice], region: np.ndarray, camera: CameraModel, depth: np.ndarray) -> None:
        self.top, self.left = window[0].start, window[1].start
        self.region = region[window]
        self.depth = depth[window].astype(np.float32)
        self.valid = np.isfinite(self.depth) & (self.depth > 0)
        filled = np.where(self.valid, self.depth, np.float32(np.median(self.depth[self.valid]) if self.valid.any() else 0))
        self.smooth = cv2.medianBlur(filled, 5).astype(np.float64)
        self.depth = filled.astype(np.float64)
        height, width = self.depth.shape
        v, u = np.mgrid[self.top : self.top + height, self.left : self.left + width]
        self.rays = camera.rays(np.stack([u.ravel(), v.ravel()], 1)).reshape(height, width, 2)
        self.distance = cv2.distanceTransform((~self.region).astype(np.uint8), cv2.DIST_L2, 5)
        self.noise_m = _noise(self.depth, self.valid)

    def pixel_solid(self) -> np.ndarray:
        """du dv of each pixel in normalised coordinates, (h, w)."""
        down, right = np.gradient(self.rays, axis=(0, 1))
        return np.abs(right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0])


def _noise(depth: np.ndarray, valid: np.ndarray) -> float:
    """Standard deviation of independent noise on a depth image (h, w), m: what each value differs from the mean of its
    neighbours, which on a smooth surface is noise alone (variance 1 + 1/2)."""
    apart = depth[:, 1:-1] - (depth[:, :-2] + depth[:, 2:]) / 2
    usable = valid[:, 1:-1] & valid[:, :-2] & valid[:, 2:]
    return float(1.4826 * np.median(np.abs(apart[usable])) / math.sqrt(1.5)) if usable.any() else 0.0


def _pose(area: _Window, surface: Surface, camera: CameraModel, centroid: tuple[float, float]) -> DefectPose | NoPose:
    ray = camera.rays(np.array([centroid]))[0]
    height = float(surface.depth(ray)[0])
    spots = area.rays[area.region]
    heights = surface.depth(spots)
    if not (math.isfinite(height) and np.isfinite(heights).all()):
        return NoPose.NO_SURFACE
    normal = surface.normal(ray)
    direction = np.array([*ray, 1.0])
    facing = -float(normal @ direction)  # depth along the axis -> distance along the normal
    sunk, sunk_variance, relief = _displacement(area, surface, centroid, facing)
    position = direction * height - normal * sunk
    points = np.column_stack([spots, np.ones(len(spots))]) * heights[:, None]
    rotation = _axes(points - points.mean(0), normal)
    across = points @ rotation[:, :2]
    pixel = height * math.sqrt(float(np.median(area.pixel_solid()[area.region])))
    extent = np.append(np.ptp(across, axis=0) + pixel, relief)
    area_m2 = float(np.sum(area.pixel_solid()[area.region] * heights**2)) / max(facing, 0.1)
    covariance = np.zeros((6, 6))
    lateral = (CENTROID_SIGMA_PX * pixel) ** 2
    depth_variance = surface.depth_variance(ray)
    tangent = np.eye(3) - np.outer(normal, normal)
    covariance[:3, :3] = (
        depth_variance * np.outer(direction, direction) + lateral * tangent + sunk_variance * np.outer(normal, normal)
    )
    turn = _turn_variance(across)
    spread = np.diag([surface.tilt_variance(ray)] * 2 + [turn])
    covariance[3:, 3:] = rotation @ spread @ rotation.T
    return DefectPose(position, rotation, covariance, extent, 1e6 * area_m2, 1e3 * surface.noise_m)


def _displacement(
    area: _Window, surface: Surface, centroid: tuple[float, float], facing: float
) -> tuple[float, float, float]:
    """How far the metal lies below the sound surface at the centroid, m, its variance, and the largest such distance in
    the region; all along the normal, and 0 where nothing stands out of the noise."""
    seen = area.region & area.valid
    if not seen.any():
        return 0.0, 0.0, 0.0
    below = np.zeros(area.depth.shape)
    below[seen] = (area.depth[seen] - surface.depth(area.rays[seen])) * facing
    rows, columns = np.nonzero(seen)
    radius = float(np.clip(0.25 * math.sqrt(len(rows)), 1.5, 6.0))
    relief = max(_relief(below, seen, side, surface.noise_m) for side in (1, 3, max(3, 2 * int(radius) + 1)))
    if not relief:
        return 0.0, 0.0, 0.0
    near = (columns + area.left - centroid[0]) ** 2 + (rows + area.top - centroid[1]) ** 2 <= radius**2
    if not near.any():
        return 0.0, relief**2, relief
    there = below[rows[near], columns[near]]
    return float(np.median(there)), 1.57 * surface.noise_m**2 / len(there), relief


def _relief(below: np.ndarray, seen: np.ndarray, side: int, noise_m: float) -> float:
    """Largest displacement, m, that stands out of the noise once averaged over ``side`` x ``side`` px; 0 if none does."""
    count = cv2.blur(seen.astype(np.float64), (side, side), borderType=cv2.BORDER_CONSTANT) * side * side
    mean = cv2.blur(below, (side, side), borderType=cv2.BORDER_CONSTANT) * side * side / np.maximum(count, 1)
    clear = np.abs(mean) > _SIGNIFICANT * noise_m / np.sqrt(np.maximum(count, 1)) + _FLAT_M
    clear &= seen & (count >= min(side, count.max()))
    return float(np.abs(mean[clear]).max()) if clear.any() else 0.0


def _axes(spread: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Rotation whose z is the normal and whose x is the longest direction of points (N, 3) across it."""
    flat = spread - np.outer(spread @ normal, normal)
    x = np.linalg.svd(flat, full_matrices=False)[2][0] if len(flat) > 2 else np.array([1.0, 0.0, 0.0])
    x = x - normal * (x @ normal)
    if np.linalg.norm(x) < 1e-6:
        x = np.cross(normal, [0.0, 1.0, 0.0])
    x = x / np.linalg.norm(x) * (1.0 if x[np.abs(x).argmax()] > 0 else -1.0)
    return np.stack([x, np.cross(normal, x), normal], 1)


def _turn_variance(across: np.ndarray) -> float:
    """Variance of the direction of the longer side, rad^2: that of any direction for a round region, less for a long
    one."""
    long, short = np.sort(across.var(0))[::-1]
    any_direction = math.pi**2 / 12
    return any_direction * float(min(1.0, (short + 1e-12) / (long + 1e-12)))
