"""What the virtual cell knows for certain, as messages: the camera's intrinsics and the truth about a picture.

The truth comes as the same message as a verdict, so whatever reads verdicts (a bag's labels, a report, a test of
poses) reads the truth the same way.
"""

from __future__ import annotations

import cv2
import numpy as np
from geometry_msgs.msg import Point, Point32, Pose, PoseWithCovariance, Quaternion, Vector3
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from std_msgs.msg import Header

from hetnet_ros.cell.camera import PinholeCamera
from hetnet_ros.cell.parts import Part
from hetnet_ros.cell.scene import DefectGeometry, Render
from hetnet_ros.msg import Defect, Inspection, StageTimings, Thresholds

_NAN = float("nan")


def camera_info_message(header: Header, camera: PinholeCamera) -> CameraInfo:
    """The intrinsics as ``plumb_bob``; the camera is not rectified."""
    k = camera.matrix
    projection = np.column_stack([k, np.zeros(3)])
    return CameraInfo(
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=[float(v) for v in camera.distortion],
        k=k.ravel().tolist(),
        r=np.eye(3).ravel().tolist(),
        p=projection.ravel().tolist(),
    )


def truth_message(header: Header, part: Part, picture: Render, fault: str) -> Inspection:
    """The truth about one picture.

    verdict: PASS for a sound part, REJECT for a defective one, UNCERTAIN where the cell has a fault.  reason: the
    kind of the defect, or the fault.  part_id: ``<face>_<index>``.  defects: one for each that can be seen, with its
    outline in the mask and its exact pose; scores are 1.  Score, p-value, thresholds and timings are NaN.
    """
    message = Inspection(
        header=header,
        part_id=f"{part.face}_{part.index:04d}",
        score=_NAN,
        raw_score=_NAN,
        p_value=_NAN,
        thresholds=Thresholds(accept=_NAN, reject=_NAN, pixel=_NAN),
        image_width=picture.camera.width,
        image_height=picture.camera.height,
        roi=RegionOfInterest(width=picture.camera.width, height=picture.camera.height),
        timings=StageTimings(**{name: _NAN for name in StageTimings.get_fields_and_field_types()}),
    )
    if fault != "none":
        message.verdict, message.reason = Inspection.UNCERTAIN, fault
        message.detail = f"the cell shows the fault {fault}"
        return message
    message.verdict = Inspection.REJECT if part.defects else Inspection.PASS
    if part.defects:
        spec = part.defects[0]
        message.reason = spec.kind
        message.detail = (
            f"{spec.kind} of {spec.size_mm:.1f} mm at x {spec.x:.1f}, y {spec.y:.1f} mm on face {part.face}"
        )
    if len(picture.defects) == 1:
        message.defects = [m for m in (_defect_message(picture.defects[0], picture.mask),) if m is not None]
    return message


def _defect_message(defect: DefectGeometry, mask: np.ndarray) -> Defect | None:
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    outlines, _ = cv2.findContours(
        cv2.dilate(mask, np.ones((3, 3), np.uint8)), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    outline = max(outlines, key=cv2.contourArea)[:, 0]
    x, y = int(columns.min()), int(rows.min())
    message = Defect(
        box=RegionOfInterest(x_offset=x, y_offset=y, width=int(columns.max()) - x + 1, height=int(rows.max()) - y + 1),
        centroid=Point(x=float(columns.mean()), y=float(rows.mean())),
        area_px=float(len(rows)),
        score=1.0,
        mean_score=1.0,
        has_pose=True,
        pose=PoseWithCovariance(
            pose=Pose(
                position=Point(**dict(zip("xyz", defect.position_m))), orientation=_z_along(np.array(defect.normal))
            )
        ),
        extent=Vector3(x=defect.extent_mm[0] / 1e3, y=defect.extent_mm[1] / 1e3, z=abs(defect.depth_mm) / 1e3),
        area_mm2=defect.area_mm2,
    )
    message.contour.points = [Point32(x=float(u), y=float(v)) for u, v in outline]
    return message


def _z_along(normal: np.ndarray) -> Quaternion:
    """The smallest rotation that takes the z axis to ``normal``."""
    axis = np.array([-normal[1], normal[0], 0.0])
    w = 1.0 + normal[2]
    if w < 1e-9:  # straight back: half a turn about x
        return Quaternion(x=1.0, y=0.0, z=0.0, w=0.0)
    q = np.array([axis[0], axis[1], axis[2], w])
    q /= np.linalg.norm(q)
    return Quaternion(x=float(q[0]), y=float(q[1]), z=float(q[2]), w=float(q[3]))
