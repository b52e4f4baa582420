"""Places in space, as messages and back: intrinsics, poses of defects, keep-out boxes."""

from __future__ import annotations

import math

import cv2
import numpy as np
from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Quaternion, Vector3
from sensor_msgs.msg import CameraInfo
from shape_msgs.msg import SolidPrimitive

from hetnet_ros.inspection.camera_model import CameraModel
from hetnet_ros.inspection.geometry import DefectPose
from hetnet_ros.inspection.keep_out import KeepOutBox
from hetnet_ros.msg import Defect


def camera_model(info: CameraInfo, rectified: bool) -> CameraModel:
    """Intrinsics of the image stream that ``info`` comes with; of its rectified images if ``rectified``.

    Raises InputError for intrinsics of no camera.
    """
    binning = (max(1, info.binning_x), max(1, info.binning_y))
    cut = info.roi
    width, height = (cut.width, cut.height) if cut.width and cut.height else (info.width, info.height)
    matrix = [*info.p[0:3], *info.p[4:7], *info.p[8:11]] if rectified else info.k
    return CameraModel(
        width // binning[0],
        height // binning[1],
        tuple(float(v) for v in matrix),
        () if rectified else tuple(float(v) for v in info.d),
        "" if rectified else info.distortion_model,
        binning,
        (int(cut.x_offset), int(cut.y_offset)),
    )


def fill_pose(message: Defect, pose: DefectPose, frame_id: str, reason: str = "") -> None:
    """Write a pose into a defect's message; an empty ``frame_id`` means the frame of the enclosing header."""
    message.has_pose, message.pose_reason, message.frame_id = True, reason, frame_id
    message.pose = PoseWithCovariance(
        pose=pose_message(pose.position, pose.rotation), covariance=[float(v) for v in pose.covariance.ravel()]
    )
    message.extent = Vector3(**dict(zip("xyz", map(float, pose.extent))))
    message.area_mm2 = float(pose.area_mm2)


def defect_pose(message: Defect) -> DefectPose:
    """The pose in a defect's message that has one; the noise it was found with is not in the message (NaN)."""
    pose, extent = message.pose.pose, message.extent
    return DefectPose(
        np.array([pose.position.x, pose.position.y, pose.position.z]),
        rotation_matrix(pose.orientation),
        np.array(message.pose.covariance).reshape(6, 6),
        np.array([extent.x, extent.y, extent.z]),
        message.area_mm2,
        float("nan"),
    )


def pose_message(position: np.ndarray, rotation: np.ndarray) -> Pose:
    """A pose from (3,) m and (3, 3)."""
    return Pose(position=Point(**dict(zip("xyz", map(float, position)))), orientation=_quaternion(rotation))


def box_message(box: KeepOutBox) -> tuple[SolidPrimitive, Pose]:
    """A keep-out box as the shape and pose of a collision object."""
    shape = SolidPrimitive(type=SolidPrimitive.BOX, dimensions=[float(v) for v in box.size])
    return shape, pose_message(box.centre, box.rotation)


def rotation_matrix(q: Quaternion) -> np.ndarray:
    """(3, 3) of a quaternion, which need not have unit length; of one without length NaN."""
    w, v = q.w, np.array([q.x, q.y, q.z])
    length = w * w + v @ v or math.nan
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return ((w * w - v @ v) * np.eye(3) + 2 * np.outer(v, v) + 2 * w * cross) / length


def _quaternion(rotation: np.ndarray) -> Quaternion:
    """The quaternion of a rotation, w >= 0."""
    axis = cv2.Rodrigues(np.asarray(rotation, np.float64))[0][:, 0]
    angle = float(np.linalg.norm(axis))
    x, y, z = np.sin(angle / 2) * axis / angle if angle > 1e-12 else (0.0, 0.0, 0.0)
    return Quaternion(x=float(x), y=float(y), z=float(z), w=float(np.cos(angle / 2)))
