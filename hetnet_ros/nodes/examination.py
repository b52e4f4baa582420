"""From one image message to one Inspection, whatever the message holds.

Every way in which a frame can fail to give a verdict ends here as UNCERTAIN with a reason, so that the worker only has
to publish.  Nothing in this file knows topics, threads or lifecycle states.
"""

from __future__ import annotations

import dataclasses
import math
import time
import traceback
from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.result import Box, Inspection, Verdict
from hetnet_ros.nodes.bridge import cv_bridge_fallback
from hetnet_ros.nodes.image_conversion import BadImage, compressed_to_rgb, image_to_rgb
from hetnet_ros.nodes.loaded_model import LoadedModel
from hetnet_ros.nodes.measurements import Timings
from hetnet_ros.nodes.parameters import InspectorParameters
from hetnet_ros.nodes.stamp_rule import Refusal, judge_stamp

NAN = float("nan")


@dataclass(frozen=True)
class Examination:
    """What came of one frame.

    rgb: the decoded image, uint8 (H, W, 3), None if it could not be decoded. bad_image: cause if the frame is to be
    counted as bad, else empty. fault: traceback of a failed inference, else empty; ``error`` is its exception.
    """

    inspection: Inspection
    timings: Timings
    rgb: np.ndarray | None = None
    bad_image: str = ""
    fault: str = ""
    error: Exception | None = None


def examine(
    message: Any, model: LoadedModel, parameters: InspectorParameters, now_ns: Callable[[], int]
) -> Examination:
    """Decode and inspect one sensor_msgs/Image or CompressedImage; never raises for what the message holds.

    now_ns: the node's clock, ns; asked twice, because a verdict may also come too late.
    """
    started = time.perf_counter()
    stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
    begun_ns = now_ns()
    timings = Timings(input_age=(begun_ns - stamp_ns) / 1e6 if stamp_ns else NAN)
    size = (getattr(message, "height", 0), getattr(message, "width", 0))
    refusal = judge_stamp(stamp_ns, begun_ns, parameters.max_age, parameters.max_clock_skew)
    if refusal is not None:
        return _refused(model, size, refusal, timings, started)
    try:
        rgb = _decode(message)
    except BadImage as error:
        return _refused(model, size, Refusal("bad_image", str(error)), timings, started, bad_image=error.cause)
    except Exception as error:  # a decoder's defect must cost one frame, not the node
        refusal = Refusal("bad_image", f"the image could not be converted: {error}")
        return _refused(model, size, refusal, timings, started, bad_image="undecodable", fault=traceback.format_exc())
    decoded = time.perf_counter()
    timings = dataclasses.replace(timings, decode=1e3 * (decoded - started))
    outside = _roi_refusal(rgb, parameters.roi_box)
    if outside is not None:
        return _refused(model, rgb.shape[:2], outside, timings, started, rgb=rgb)
    try:
        inspection = model.inspector.inspect(rgb, parameters.roi_box)
    except InputError as error:
        return _refused(
            model, rgb.shape[:2], Refusal("bad_image", str(error)), timings, started, rgb=rgb, bad_image="unusable"
        )
    except Exception as error:
        refusal = Refusal(
            "inference_failed", f"inference failed: {' '.join(str(error).split()) or type(error).__name__}"[:500]
        )
        return _refused(
            model, rgb.shape[:2], refusal, timings, started, rgb=rgb, fault=traceback.format_exc(), error=error
        )
    inspection = _never_pass_on_a_fault(inspection)
    late = judge_stamp(stamp_ns, now_ns(), parameters.max_age, parameters.max_clock_skew)
    if late is not None:
        detail = f"{late.detail} (the verdict would have been {inspection.verdict.name})"
        inspection = dataclasses.replace(inspection, verdict=Verdict.UNCERTAIN, reason=late.reason, detail=detail)
    took = inspection.timings
    timings = dataclasses.replace(
        timings,
        preprocess=took.preprocess_ms,
        inference=took.inference_ms,
        postprocess=took.regions_ms,
        total=1e3 * (time.perf_counter() - started),
    )
    return Examination(inspection, timings, rgb)


def _decode(message: Any) -> np.ndarray:
    if hasattr(message, "encoding"):
        return image_to_rgb(message, cv_bridge_fallback())
    return compressed_to_rgb(message.data, message.format)


def _roi_refusal(rgb: np.ndarray, roi: Box | None) -> Refusal | None:
    height, width = rgb.shape[:2]
    if roi is None or (roi.x + roi.width <= width and roi.y + roi.height <= height):
        return None
    return Refusal(
        "roi_outside_image",
        f"roi [{roi.x}, {roi.y}, {roi.width}, {roi.height}] leaves the {width}x{height} image; "
        "set the parameter roi to a region inside it",
    )


def _never_pass_on_a_fault(inspection: Inspection) -> Inspection:
    if inspection.verdict is Verdict.PASS and not (
        math.isfinite(inspection.score) and math.isfinite(inspection.raw_score)
    ):
        return dataclasses.replace(
            inspection, verdict=Verdict.UNCERTAIN, reason="inference_failed", detail="the score is not a finite number"
        )
    return inspection


def _refused(
    model: LoadedModel, size: tuple[int, int], refusal: Refusal, timings: Timings, started: float, **rest: Any
) -> Examination:
    inspection = Inspection(
        verdict=Verdict.UNCERTAIN,
        reason=refusal.reason,
        detail=refusal.detail,
        score=NAN,
        raw_score=NAN,
        p_value=NAN,
        thresholds=model.inspector.calibration.thresholds,
        source_size=size,
        roi=Box(0, 0, size[1], size[0]),
        model_id=model.inspector.model_id,
    )
    timings = dataclasses.replace(timings, total=1e3 * (time.perf_counter() - started))
    return Examination(inspection, timings, **rest)
