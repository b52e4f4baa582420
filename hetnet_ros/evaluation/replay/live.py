"""A live replay as a result of the same form as an offline one, and its pictures.

The verdicts come from the running node.  Its maps stay there, so pixel figures are not defined, and the frames worth
showing are inspected once more here: the same image through the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.replay.labels import FrameLabel, Labels
from hetnet_ros.evaluation.replay.offline import brightness
from hetnet_ros.evaluation.replay.outcome import FrameOutcome, ReplayRun, Transport
from hetnet_ros.evaluation.replay.showcase import Showcase, choose_frames
from hetnet_ros.inspection.bags import Bag, BagFrame, BagTopic, image_frames
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.result import Box, Verdict


class Played(Protocol):
    """What is read of a frame that was played; ``verdict`` is a hetnet_ros/Inspection message or None."""

    index: int
    topic: str
    log_ns: int
    stamp_ns: int
    brightness: float
    verdict: object
    latency_ms: float


class Counts(Protocol):
    """The node's own counts."""

    received: int | None
    dropped: int | None


def live_run(
    bag: Bag,
    topic: BagTopic,
    labels: Labels | None,
    inspector: PartInspector,
    played: Sequence[Played],
    counts: Counts,
    rate: float,
    seconds: float,
    stopped: str,
) -> ReplayRun:
    """The run; frames without a verdict are counted as dropped and are not among its frames."""
    outcomes = tuple(
        _outcome(frame, (labels.find(frame.index, frame.stamp_ns) if labels else None) or FrameLabel(""))
        for frame in played
        if frame.verdict is not None
    )
    return ReplayRun(
        bag=str(bag.path),
        topics=(topic.name,),
        labels=str(labels.source) if labels else "",
        mode="live",
        model_id=inspector.model_id,
        part_name=inspector.card.part_name,
        preset=inspector.card.preset,
        device=inspector.device,
        thresholds=inspector.calibration.thresholds,
        frames=outcomes,
        pixels={},
        seconds=seconds,
        stopped=stopped,
        losses=bag.losses,
        transport=Transport(len(played), counts.received, counts.dropped, len(outcomes), rate, topic.reliable),
        axes=labels.axes if labels else (),
        played=tuple((frame.topic, frame.index, frame.stamp_ns) for frame in played),
    )


def _outcome(frame: Played, label: FrameLabel) -> FrameOutcome:
    verdict = frame.verdict
    timings = verdict.timings
    return FrameOutcome(
        frame.index, frame.topic, frame.log_ns, frame.stamp_ns, Verdict(verdict.verdict), verdict.reason,
        verdict.score, verdict.raw_score, verdict.p_value, len(verdict.defects), label.label, label.part,
        label.condition, frame.brightness, timings.decode, timings.preprocess, timings.inference, timings.postprocess,
        timings.total, frame.latency_ms,
    )


def frame_brightness(frame: BagFrame) -> float:
    """Mean of all pixels, 0 to 1; NaN for a frame that cannot be decoded."""
    try:
        return brightness(frame.rgb())
    except InputError:
        return float("nan")


def draw_showcase(
    showcase: Showcase,
    run: ReplayRun,
    bag: Bag,
    topic: BagTopic,
    labels: Labels | None,
    inspector: PartInspector,
    roi: Box | None,
) -> None:
    """Read the bag again and draw the frames that are worth showing."""
    chosen = choose_frames(run.frames)
    outcomes = {(outcome.topic, outcome.index): outcome for outcome in run.frames}
    for frame in image_frames(bag, [topic]):
        key = (frame.topic, frame.index)
        if key not in chosen:
            continue
        try:
            rgb = frame.rgb(inspector.card.sample_bits)
            inspection = inspector.inspect(np.asarray(rgb), roi)
        except InputError:
            continue
        label = (labels.find(frame.index, frame.stamp_ns) if labels else None) or FrameLabel("")
        showcase.offer(outcomes[key], rgb, inspection, label.mask(rgb.shape[:2]))
