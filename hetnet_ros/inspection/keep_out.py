"""Boxes around defects that a gripper must not touch, from their poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hetnet_ros.inspection.geometry import DefectPose

_SIGMAS = 2.0


@dataclass(frozen=True, eq=False)
class KeepOutBox:
    """centre: (3,) m.  rotation: (3, 3), columns are the box's axes.  size: (3,) m along them."""

    centre: np.ndarray
    rotation: np.ndarray
    size: np.ndarray


def keep_out_box(pose: DefectPose, margin_m: float) -> KeepOutBox:
    """The box of a defect: its extent, plus the margin and twice the position's standard deviation on every side.

    It is centred on the surface, so it reaches as far into the metal as out of it.
    """
    own = pose.rotation.T @ pose.covariance[:3, :3] @ pose.rotation
    unsure = np.sqrt(np.maximum(np.diag(own), 0.0))
    return KeepOutBox(pose.position, pose.rotation, pose.extent * (1, 1, 2) + 2 * (margin_m + _SIGMAS * unsure))
