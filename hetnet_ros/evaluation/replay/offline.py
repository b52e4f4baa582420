"""Offline replay: every frame of a bag through the inspector, as fast as the machine goes.

A frame obeys the policy of the running node (:mod:`hetnet_ros.inspection.frame_policy`); its age is the time from its stamp to
when it was recorded, because that is when a node would have got it.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from hetnet_ros.evaluation.conditions import Condition
from hetnet_ros.evaluation.replay.labels import FrameLabel, Labels
from hetnet_ros.evaluation.replay.outcome import FrameOutcome, ReplayRun
from hetnet_ros.evaluation.replay.pixel_tally import PixelTally
from hetnet_ros.evaluation.replay.showcase import Showcase
from hetnet_ros.inspection.bags import Bag, BagFrame, BagTopic, image_frames
from hetnet_ros.inspection.clock_watch import Moment
from hetnet_ros.inspection.frame_policy import FrameRules, Request, examine
from hetnet_ros.inspection.frozen_camera import FrozenCamera
from hetnet_ros.inspection.maps import source_map
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.result import Inspection, Verdict

TOPIC_AXIS = "topic"
"""Axis of the conditions that tells cameras apart where several topics are replayed."""


def replay_offline(
    inspector: PartInspector,
    bag: Bag,
    topics: Sequence[BagTopic],
    labels: Labels | None = None,
    rules: FrameRules = FrameRules(),
    showcase: Showcase | None = None,
    most: int | None = None,
    progress: bool = False,
) -> ReplayRun:
    """Inspect every frame, or the first ``most``.

    rules: what is asked of a frame, as of the node.  showcase: collects pictures for the report.
    Ctrl-C ends the replay, and what was done so far is the result, marked as stopped.  A frame that cannot be decoded
    or inspected is UNCERTAIN with its reason, as in the node; of frames at which the network fails, the first one's traceback is
    printed.  Raises InputError for a mask that cannot be used.
    """
    inspector.warm_up()
    tally, outcomes, stopped = PixelTally(), [], ""
    faults: set[str] = set()
    cameras = {topic.name: FrozenCamera() for topic in topics}
    total = sum(topic.count for topic in topics) if all(topic.count is not None for topic in topics) else None
    started = time.perf_counter()
    try:
        for frame in tqdm(
            image_frames(bag, topics), desc="replaying", unit="frame", total=total, disable=not progress, leave=False
        ):
            if most is not None and len(outcomes) >= most:
                stopped = f"after {most} frames, as asked"
                break
            label = _label(labels, frame, len(topics) > 1)
            outcomes.append(_one(inspector, frame, label, rules, tally, showcase, cameras[frame.topic], faults))
    except KeyboardInterrupt:
        stopped = f"interrupted after {len(outcomes)} frames"
    axes = labels.axes if labels else ()
    return ReplayRun(
        bag=str(bag.path),
        topics=tuple(topic.name for topic in topics),
        labels=str(labels.source) if labels else "",
        mode="offline",
        model_id=inspector.model_id,
        part_name=inspector.card.part_name,
        preset=inspector.card.preset,
        device=inspector.device,
        thresholds=inspector.calibration.thresholds,
        frames=tuple(outcomes),
        pixels=tally.counts(),
        seconds=time.perf_counter() - started,
        stopped=stopped,
        losses=bag.losses,
        axes=(*axes, TOPIC_AXIS) if len(topics) > 1 else axes,
    )


def _label(labels: Labels | None, frame: BagFrame, several: bool) -> FrameLabel:
    """The frame's label; with an empty ``label`` where none is known."""
    found = labels.find(frame.index, frame.stamp_ns) if labels and labels.topic in ("", frame.topic) else None
    found = found or FrameLabel("")
    if several:
        found = replace(found, condition=Condition((*found.condition.values, (TOPIC_AXIS, frame.topic))))
    return found


def _one(
    inspector: PartInspector,
    frame: BagFrame,
    label: FrameLabel,
    rules: FrameRules,
    tally: PixelTally,
    showcase: Showcase | None,
    camera: FrozenCamera,
    faults: set[str],
) -> FrameOutcome:
    outcome = FrameOutcome(
        frame.index, frame.topic, frame.log_ns, frame.stamp_ns, Verdict.UNCERTAIN, "bad_image", np.nan, np.nan, np.nan,
        0, label.label, label.part, label.condition,
    )
    if frame.message is None:
        return outcome  # damaged bytes, which no node would have got
    request = Request(frame.stamp_ns, functools.partial(frame.rgb, inspector.card.sample_bits), inspector, camera=camera)
    (found,) = examine([request], rules, lambda: Moment(frame.log_ns))
    inspection, timings = found.inspection, found.timings
    if found.fault and inspection.reason not in faults:
        faults.add(inspection.reason)
        print(f"frame {frame.index} of {frame.topic}: {found.fault}", file=sys.stderr)
    outcome = replace(
        outcome,
        verdict=inspection.verdict,
        reason=inspection.reason,
        score=inspection.score,
        raw_score=inspection.raw_score,
        p_value=inspection.p_value,
        regions=len(inspection.defects),
        brightness=np.nan if found.rgb is None else brightness(found.rgb),
        decode=timings.decode,
        preprocess=timings.preprocess,
        inference=timings.inference,
        postprocess=timings.postprocess,
        total=timings.total,
    )
    if inspection.anomaly_map is not None:
        mask = label.mask(found.rgb.shape[:2])
        _count(tally, label, inspection, mask)
        if showcase is not None:
            showcase.offer(outcome, found.rgb, inspection, mask)
    return outcome


def _count(tally: PixelTally, label: FrameLabel, inspection: Inspection, mask: np.ndarray | None) -> None:
    """Only frames whose every pixel is known to be good or defective count."""
    if not label.label or (label.is_defective and mask is None):
        return
    if not np.isfinite(inspection.anomaly_map).all():
        return
    tally.add(label.condition, source_map(inspection), mask)


def brightness(rgb: np.ndarray) -> float:
    """Mean of a sparse grid of pixels, 0 to 1."""
    return float(rgb[::8, ::8].mean()) / 255
