"""The policy that every frame obeys: from a message's stamp and pixels to one Inspection, whatever the message holds.

The running node and the replay of a recording both examine frames here, so that one rule holds in both.  Every way in
which a frame can fail to give a verdict ends here as UNCERTAIN with a reason; nothing is raised for what a frame holds.
Nothing in this file knows topics, threads or lifecycle states.
"""

from __future__ import annotations

import dataclasses
import math
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import one_line
from hetnet_ros.inspection.clock_watch import Moment
from hetnet_ros.inspection.frozen_camera import FrozenCamera
from hetnet_ros.inspection.image_conversion import BadImage
from hetnet_ros.inspection.image_files import MIN_SIDE_PX
from hetnet_ros.inspection.region_of_interest import Region, RegionError
from hetnet_ros.inspection.result import Box, Inspection, SeenRegion, Verdict
from hetnet_ros.inspection.stamp_rule import Refusal, judge_stamp

if TYPE_CHECKING:
    from hetnet_ros.inspection.part_inspector import PartInspector

NAN = float("nan")


@dataclass(frozen=True)
class FrameRules:
    """What is asked of a frame; names and meaning as the node's parameters and the flags of ``hetnet replay``.

    roi: part of the image to inspect, None for all of it.  max_age, max_clock_skew: s.  frozen_after: 0 for images that may repeat.
    min_region_share: how much must count of what the model looks at in a whole image, 0 to 1.
    """

    roi: Box | None = None
    max_age: float = 2.0
    max_clock_skew: float = 0.5
    frozen_after: int = 2
    min_region_share: float = 0.1


@dataclass(frozen=True)
class Timings:
    """What one inspection took, ms; NaN where a stage did not run.  See hetnet_ros/msg/StageTimings."""

    input_age: float = NAN
    decode: float = NAN
    preprocess: float = NAN
    inference: float = NAN
    postprocess: float = NAN
    total: float = NAN


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
    """One frame to examine.

    stamp_ns: its stamp.  decode: gives its pixels, uint8 RGB (H, W, 3), or raises BadImage.  size: (height, width) that the
    message claims.  region: outside of it nothing counts.  camera: watches the frame's camera for repeated pictures; None: not
    watched.  for_goal: it serves a view of a part, for which no picture will do that came before.  refusal: why it is not judged,
    whatever it shows.  others: of the other cameras, whose pictures serve views of their own.
    """

    stamp_ns: int
    decode: Callable[[], np.ndarray]
    inspector: PartInspector
    size: tuple[int, int] = (0, 0)
    region: Region | None = None
    camera: FrozenCamera | None = None
    for_goal: bool = False
    refusal: Refusal | None = None
    others: Sequence[FrozenCamera] = ()


@dataclass(frozen=True)
class _Decoded:
    """A request on its way to the network."""

    request: Request
    rgb: np.ndarray
    timings: Timings
    started: float


def examine(requests: Sequence[Request], rules: FrameRules, clock: Callable[[], Moment]) -> list[Examination]:
    """Decode and inspect frames, those of one model in one run of the network; never raises for what a frame holds.

    clock: reads the clock that the stamps are held against.  A verdict may also come too late: see :func:`as_published`.
    """
    prepared = [_prepared(request, rules, clock) for request in requests]
    results = {index: entry for index, entry in enumerate(prepared) if isinstance(entry, Examination)}
    waiting = {index: entry for index, entry in enumerate(prepared) if isinstance(entry, _Decoded)}
    while waiting:
        inspector = next(iter(waiting.values())).request.inspector
        together = [index for index, entry in waiting.items() if entry.request.inspector is inspector]
        entries = [waiting.pop(index) for index in together]
        results.update(zip(together, _inspected(entries, inspector, rules)))
    return [results[index] for index in range(len(requests))]


def as_published(examination: Examination, stamp_ns: int, rules: FrameRules, moment: Moment) -> Examination:
    """The examination as it may leave at ``moment``: other frames' runs, or waiting for depth, may have made it too old meanwhile."""
    inspection = examination.inspection
    late = judge_stamp(stamp_ns, moment, rules.max_age, rules.max_clock_skew)
    if late is None or (inspection.verdict is Verdict.UNCERTAIN and inspection.anomaly_map is None):
        return examination
    detail = f"{late.detail} (the verdict would have been {inspection.verdict.name})"
    inspection = dataclasses.replace(inspection, verdict=Verdict.UNCERTAIN, reason=late.reason, detail=detail)
    return dataclasses.replace(examination, inspection=inspection)


def _prepared(request: Request, rules: FrameRules, clock: Callable[[], Moment]) -> _Decoded | Examination:
    """The decoded frame, or why it will not be inspected."""
    started, moment = time.perf_counter(), clock()
    timings = Timings(input_age=(moment.now_ns - request.stamp_ns) / 1e6 if request.stamp_ns else NAN)
    refusal = request.refusal or judge_stamp(request.stamp_ns, moment, rules.max_age, rules.max_clock_skew)
    try:
        rgb = request.decode()
    except Exception as error:  # a decoder's defect must cost one frame, not the node
        if refusal is not None:
            return _refused(request, request.size, refusal, timings, started)
        known = isinstance(error, BadImage)
        said = str(error) if known else one_line(f"the image could not be converted: {str(error).strip() or type(error).__name__}")
        refusal = Refusal("bad_image", said)
        return _refused(request, request.size, refusal, timings, started, bad_image=error.cause if known else "undecodable",
                        fault="" if known else traceback.format_exc())
    repeated = _repeat_refusal(request, rgb, rules.frozen_after)  # also of one refused for its stamp: it may come again with a better one
    timings = dataclasses.replace(timings, decode=1e3 * (time.perf_counter() - started))
    refusal = refusal or repeated or _roi_refusal(rgb, rules.roi)
    if refusal is not None:
        return _refused(request, rgb.shape[:2], refusal, timings, started, rgb=rgb)
    return _Decoded(request, rgb, timings, started)


def _inspected(entries: list[_Decoded], inspector: PartInspector, rules: FrameRules) -> list[Examination]:
    """What the network says of frames for one model; where the batch cannot be inspected, each is tried by itself."""
    from hetnet_ros.inspection.part_inspector import View

    views = [View(entry.rgb, rules.roi, entry.request.region) for entry in entries]
    try:
        return [_judged(entry, found, rules) for entry, found in zip(entries, inspector.inspect_batch(views))]
    except Exception as error:
        if len(entries) > 1:
            return [_inspected([entry], inspector, rules)[0] for entry in entries]
        return [_failed(entries[0], error)]


def _failed(entry: _Decoded, error: Exception) -> Examination:
    """Why a decoded frame could not be inspected; called while ``error`` is being handled."""
    request, size, timings, started, rgb = entry.request, entry.rgb.shape[:2], entry.timings, entry.started, entry.rgb
    if isinstance(error, RegionError):
        return _refused(request, size, Refusal(error.reason, str(error)), timings, started, rgb=rgb)
    if isinstance(error, InputError):
        refusal = Refusal("bad_image", str(error))
        return _refused(request, size, refusal, timings, started, rgb=rgb, bad_image="unusable")
    refusal = Refusal("inference_failed", one_line(f"inference failed: {str(error).strip() or type(error).__name__}", 500))
    return _refused(request, size, refusal, timings, started, rgb=rgb, fault=traceback.format_exc(), error=error)


def _judged(entry: _Decoded, inspection: Inspection, rules: FrameRules) -> Examination:
    inspection = _told_of_its_region(_never_pass_on_a_fault(inspection), rules.min_region_share)
    took = inspection.timings
    timings = dataclasses.replace(
        entry.timings,
        preprocess=took.preprocess_ms,
        inference=took.inference_ms,
        postprocess=took.regions_ms,
        total=1e3 * (time.perf_counter() - entry.started),
    )
    return Examination(inspection, timings, entry.rgb)


def _repeat_refusal(request: Request, rgb: np.ndarray, frozen_after: int) -> Refusal | None:
    """Why a picture that came before is refused."""
    if request.camera is None or frozen_after == 0:
        return None
    seen = request.camera.look(rgb, request.stamp_ns)
    if request.for_goal and any(other.knows(rgb) for other in request.others):
        return Refusal("frozen_camera", "another camera sent this picture as well: one of the two hands on what the other one sees")
    if seen.times < max(frozen_after, 2) and (seen.new or not request.for_goal):
        return None
    what = f"this picture came {seen.times} times under new stamps" if seen.times > 1 else "this picture came before the part was due"
    return Refusal("frozen_camera", f"{what}: the camera hangs or goes round old pictures, or it is no camera (set frozen_after to 0 "
                                    "to inspect still or simulated images)")


def _told_of_its_region(inspection: Inspection, least: float) -> Inspection:
    """A verdict on too small a part of the image is none, and one on a part says so."""
    if not inspection.share >= least:  # NaN is not enough either
        source = inspection.region.source if inspection.region else "the parameter roi"
        detail = (f"only {inspection.share:.2%} of what the model looks at would count ({source}), less than min_region_share "
                  f"({least:.2%}): make the region larger, or teach the part with a crop")
        return dataclasses.replace(inspection, verdict=Verdict.UNCERTAIN, reason="roi_too_small", detail=detail)
    if inspection.region is None:
        return inspection
    told = f"within the region of interest ({inspection.region.source}), {inspection.share:.0%} of what the model looks at"
    return dataclasses.replace(inspection, detail=f"{inspection.detail}; {told}" if inspection.detail else told)


def _roi_refusal(rgb: np.ndarray, roi: Box | None) -> Refusal | None:
    height, width = rgb.shape[:2]
    if roi is not None and min(roi.width, roi.height) < MIN_SIDE_PX:
        return Refusal("roi_too_small", f"roi is {roi.width}x{roi.height} px: at least {MIN_SIDE_PX}x{MIN_SIDE_PX} px are needed")
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


def _refused(request: Request, size: tuple[int, int], refusal: Refusal, timings: Timings, started: float,
             **rest: object) -> Examination:
    inspector, whole = request.inspector, Box(0, 0, size[1], size[0])
    inspection = Inspection(
        verdict=Verdict.UNCERTAIN,
        reason=refusal.reason,
        detail=refusal.detail,
        score=NAN,
        raw_score=NAN,
        p_value=NAN,
        thresholds=inspector.calibration.thresholds,
        source_size=size,
        roi=whole,
        model_id=inspector.model_id,
        region=None if request.region is None else SeenRegion(request.region.source, (), whole),
    )
    timings = dataclasses.replace(timings, total=1e3 * (time.perf_counter() - started))
    return Examination(inspection, timings, **rest)
