"""Where in the picture a part lies, however it and the robot are off: what a model of it need look at."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from hetnet_ros.cell.camera import CameraPose, PartPose, PinholeCamera
from hetnet_ros.cell.canvas import HALF_X_MM, HALF_Y_MM, TEXEL_MM
from hetnet_ros.cell.nominal import nominal
from hetnet_ros.cell.parts import CAMERA_PLAY, PART_PLAY, missed


def part_frame(
    faces: Sequence[str],
    camera: PinholeCamera = PinholeCamera(),
    viewpoint: CameraPose = CameraPose(),
    jitter: float = 1.0,
) -> tuple[float, float, float, float]:
    """The smallest part of the picture that holds all of any part: left edge, upper edge, width and height, as shares of the
    picture's width and height, 0 to 1, rounded outwards to hundredths.  InputError for an unknown face.

    The extremes of the play in the part's pose and the robot's (PART_PLAY, CAMERA_PLAY) are tried in all combinations.
    """
    corners = np.concatenate([_corners(face) for face in faces])
    play = np.array([*PART_PLAY, *CAMERA_PLAY]) * jitter
    pixels = np.concatenate([_seen(corners, camera, viewpoint, play * sides) for sides in itertools.product((-1, 1), repeat=7)])
    shares = (pixels + 0.5) / (camera.width, camera.height)
    low = np.clip(np.floor(100 * shares.min(0)) / 100, 0, 1)
    high = np.clip(np.ceil(100 * shares.max(0)) / 100, 0, 1)
    return tuple(float(round(value, 2)) for value in (*low, *(high - low)))


def _seen(corners: np.ndarray, camera: PinholeCamera, viewpoint: CameraPose, off: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) of face points (N, 3), part and robot ``off`` by (7,)."""
    pose = missed(viewpoint, off[3:]).transform() @ PartPose(off[0], off[1], 0.0, off[2]).transform()
    return camera.project(pose.apply(corners))


def _corners(face: str) -> np.ndarray:
    """The corners of the box around the face's metal, (8, 3), mm in the face frame."""
    maps = nominal(face)
    rows, columns = np.nonzero(maps.part)
    x = np.array([columns.min(), columns.max() + 1]) * TEXEL_MM - HALF_X_MM
    y = HALF_Y_MM - np.array([rows.min(), rows.max() + 1]) * TEXEL_MM
    z = maps.height[maps.part].min(), maps.height[maps.part].max()
    return np.array(list(itertools.product(x, y, z)))
