"""Plain results to ROS messages, field by field as msg/Inspection.msg documents them."""

from __future__ import annotations

from geometry_msgs.msg import Point, Point32
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from hetnet_ros.foreign_text import one_line
from hetnet_ros.inspection import result
from hetnet_ros.inspection.frame_policy import Timings
from hetnet_ros.inspection.geometry import NoPose
from hetnet_ros.msg import Defect, Inspection, StageTimings
from hetnet_ros.nodes.measurements import STAGES


def inspection_message(header: Header, inspection: result.Inspection, part_id: str, timings: Timings) -> Inspection:
    """The message for one inspected image; ``header`` is the image's and goes out unchanged."""
    message = Inspection(
        header=header,
        verdict=int(inspection.verdict),
        reason=inspection.reason,
        detail=one_line(inspection.detail),
        part_id=part_id,
        model_id=inspection.model_id,
        score=float(inspection.score),
        raw_score=float(inspection.raw_score),
        p_value=float(inspection.p_value),
        defects=[_defect_message(defect) for defect in inspection.defects],
        image_width=int(inspection.source_size[1]),
        image_height=int(inspection.source_size[0]),
        roi=_roi_message(inspection.region.box if inspection.region else inspection.roi),
        region_source=inspection.region.source if inspection.region else "",
        inspected_share=float(inspection.share),
        timings=StageTimings(**{stage: getattr(timings, stage) for stage in STAGES}),
    )
    if inspection.region is not None:
        message.region.points = [Point32(x=x, y=y) for x, y in inspection.region.outline]
    message.thresholds.accept = float(inspection.thresholds.accept)
    message.thresholds.reject = float(inspection.thresholds.reject)
    message.thresholds.pixel = float(inspection.thresholds.pixel)
    return message


def _defect_message(defect: result.Defect) -> Defect:
    message = Defect(
        box=_roi_message(defect.box),
        centroid=Point(x=float(defect.centroid[0]), y=float(defect.centroid[1])),
        area_px=float(defect.area_px),
        score=float(defect.score),
        mean_score=float(defect.mean_score),
        has_pose=False,
        pose_reason=NoPose.NOT_SUPPORTED.value,
        area_mm2=float("nan"),
    )
    message.contour.points = [Point32(x=x, y=y) for x, y in defect.contour.astype(float).tolist()]
    return message


def _roi_message(box: result.Box) -> RegionOfInterest:
    return RegionOfInterest(x_offset=int(box.x), y_offset=int(box.y), width=int(box.width), height=int(box.height))
