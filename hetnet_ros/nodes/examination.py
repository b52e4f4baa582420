"""From image messages to one Inspection each, whatever the messages hold.

Every way in which a frame can fail to give a verdict ends here as UNCERTAIN with a reason, so that the worker only has
to publish.  Nothing in this file knows topics, threads or lifecycle states.
"""

from __future__ import annotations

import dataclasses
import math
import time
import traceback
from dataclasses import dataclass
from typing import Any, Callable, Sequence

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.frozen_camera import FrozenCamera
from hetnet_ros.inspection.image_conversion import BadImage, compressed_to_rgb, image_to_rgb
from hetnet_ros.inspection.picture_budget import CameraBudget
from hetnet_ros.inspection.region_of_interest import Region, RegionError
from hetnet_ros.inspection.result import Box, Inspection, Verdict
from hetnet_ros.nodes.bridge import cv_bridge_fallback
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


@dataclass(frozen=True)
class Request:
    """One frame to examine: sensor_msgs/Image or CompressedImage, the model and the region of interest for it.

    frozen: watches the frame's camera for repeated pictures; None: not watched.  budget: knows how large its pictures are; None: not
    known.  refusal: why the frame is not judged, whatever it shows.
    """

    message: Any
    model: LoadedModel
    region: Region | None = None
    frozen: FrozenCamera | None = None
    budget: CameraBudget | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True)
class _Decoded:
    """A request on its way to the network."""

    request: Request
    rgb: np.ndarray
    stamp_ns: int
    timings: Timings
    started: float

    @property
    def size(self) -> tuple[int, int]:
        return self.rgb.shape[:2]


def examine(requests: Sequence[Request], parameters: InspectorParameters, now_ns: Callable[[], int]) -> list[Examination]:
    """Decode and inspect frames, those of one model in one run of the network; never raises for what a frame holds.

    now_ns: the node's clock, ns; asked twice, because a verdict may also come too late.
    """
    prepared = [_prepared(request, parameters, now_ns) for request in requests]
    results = {index: entry for index, entry in enumerate(prepared) if isinstance(entry, Examination)}
    waiting = {index: entry for index, entry in enumerate(prepared) if isinstance(entry, _Decoded)}
    while waiting:
        model = next(iter(waiting.values())).request.model
        together = [index for index, entry in waiting.items() if entry.request.model is model]
        entries = [waiting.pop(index) for index in together]
        results.update(zip(together, _inspected(entries, model, parameters, now_ns)))
    return [results[index] for index in range(len(requests))]


def _prepared(request: Request, parameters: InspectorParameters, now_ns: Callable[[], int]) -> _Decoded | Examination:
    """The decoded frame, or why it will not be inspected."""
    message, model, started = request.message, request.model, time.perf_counter()
    stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
    begun_ns = now_ns()
    timings = Timings(input_age=(begun_ns - stamp_ns) / 1e6 if stamp_ns else NAN)
    size = (getattr(message, "height", 0), getattr(message, "width", 0))
    refusal = request.refusal or judge_stamp(stamp_ns, begun_ns, parameters.max_age, parameters.max_clock_skew)
    if refusal is None:
        refusal = _frozen_refusal(request, stamp_ns, parameters.frozen_after)
    if refusal is not None:
        return _refused(model, size, refusal, timings, started)
    try:
        rgb = _decode(message, model.inspector.card.sample_bits, request.budget)
    except BadImage as error:
        return _refused(model, size, Refusal("bad_image", str(error)), timings, started, bad_image=error.cause)
    except Exception as error:  # a decoder's defect must cost one frame, not the node
        refusal = Refusal("bad_image", f"the image could not be converted: {error}")
        return _refused(model, size, refusal, timings, started, bad_image="undecodable", fault=traceback.format_exc())
    timings = dataclasses.replace(timings, decode=1e3 * (time.perf_counter() - started))
    outside = _roi_refusal(rgb, parameters.roi_box)
    if outside is not None:
        return _refused(model, rgb.shape[:2], outside, timings, started, rgb=rgb)
    return _Decoded(request, rgb, stamp_ns, timings, started)


def _inspected(
    entries: list[_Decoded], model: LoadedModel, parameters: InspectorParameters, now_ns: Callable[[], int]
) -> list[Examination]:
    """What the network says of frames for one model; where the batch cannot be inspected, each is tried by itself."""
    from hetnet_ros.inspection.part_inspector import View

    views = [View(entry.rgb, parameters.roi_box, entry.request.region) for entry in entries]
    try:
        return [_judged(entry, found, parameters, now_ns) for entry, found in
                zip(entries, model.inspector.inspect_batch(views))]
    except Exception as error:
        if len(entries) > 1:
            return [_inspected([entry], model, parameters, now_ns)[0] for entry in entries]
        return [_failed(entries[0], error, model)]


def _failed(entry: _Decoded, error: Exception, model: LoadedModel) -> Examination:
    """Why a decoded frame could not be inspected; called while ``error`` is being handled."""
    timings, started, rgb = entry.timings, entry.started, entry.rgb
    if isinstance(error, RegionError):
        return _refused(model, entry.size, Refusal("roi_outside_image", str(error)), timings, started, rgb=rgb)
    if isinstance(error, InputError):
        refusal = Refusal("bad_image", str(error))
        return _refused(model, entry.size, refusal, timings, started, rgb=rgb, bad_image="unusable")
    refusal = Refusal(
        "inference_failed", f"inference failed: {' '.join(str(error).split()) or type(error).__name__}"[:500]
    )
    return _refused(
        model, entry.size, refusal, timings, started, rgb=rgb, fault=traceback.format_exc(), error=error
    )


def _judged(
    entry: _Decoded, inspection: Inspection, parameters: InspectorParameters, now_ns: Callable[[], int]
) -> Examination:
    inspection = _never_pass_on_a_fault(inspection)
    late = judge_stamp(entry.stamp_ns, now_ns(), parameters.max_age, parameters.max_clock_skew)
    if late is not None:
        detail = f"{late.detail} (the verdict would have been {inspection.verdict.name})"
        inspection = dataclasses.replace(inspection, verdict=Verdict.UNCERTAIN, reason=late.reason, detail=detail)
    took = inspection.timings
    timings = dataclasses.replace(
        entry.timings,
        preprocess=took.preprocess_ms,
        inference=took.inference_ms,
        postprocess=took.regions_ms,
        total=1e3 * (time.perf_counter() - entry.started),
    )
    return Examination(inspection, timings, entry.rgb)


def _frozen_refusal(request: Request, stamp_ns: int, frozen_after: int) -> Refusal | None:
    """Why an image that repeats the one before is refused; empty images are left to the decoder."""
    if request.frozen is None or frozen_after == 0:
        return None
    repeats = request.frozen.repeats(request.message.data, stamp_ns)
    if repeats < max(frozen_after, 2):
        return None
    return Refusal(
        "frozen_camera",
        f"the camera sent the same pixels {repeats} times under new stamps: it hangs, or it is no camera (set "
        "frozen_after to 0 to inspect still images)",
    )


def _decode(message: Any, bits: int, budget: CameraBudget | None) -> np.ndarray:
    if hasattr(message, "encoding"):
        return image_to_rgb(message, cv_bridge_fallback(), bits)
    rgb = compressed_to_rgb(message.data, message.format, bits, budget.usual_pixels if budget else 0)
    if budget:
        budget.note(rgb.shape)
    return rgb


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
