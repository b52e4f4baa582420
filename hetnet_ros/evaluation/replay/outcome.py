"""What came of one frame, and of a whole replay, before anything is computed from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hetnet_ros.evaluation.conditions import Condition
from hetnet_ros.evaluation.datasets.labelled import GOOD
from hetnet_ros.evaluation.pixel_counts import PixelCounts
from hetnet_ros.inspection.result import Thresholds, Verdict

NAN = math.nan
STAGES = ("decode", "preprocess", "inference", "postprocess", "total")
"""Stages of one inspection, in ms; names as in msg/StageTimings."""


@dataclass(frozen=True)
class FrameOutcome:
    """One inspected frame.

    index: number on its topic.  log_ns, stamp_ns: when it was recorded, and its header's stamp.  label: empty where the
    truth is not known.  brightness: mean of all pixels, 0 to 1; NaN if it could not be decoded.
    decode to total: ms.  latency: ms from publishing to the arrival of the verdict, NaN offline.
    """

    index: int
    topic: str
    log_ns: int
    stamp_ns: int
    verdict: Verdict
    reason: str
    score: float
    raw_score: float
    p_value: float
    regions: int
    label: str = ""
    part: str = ""
    condition: Condition = Condition()
    brightness: float = NAN
    decode: float = NAN
    preprocess: float = NAN
    inference: float = NAN
    postprocess: float = NAN
    total: float = NAN
    latency: float = NAN

    @property
    def is_labelled(self) -> bool:
        return bool(self.label)

    @property
    def is_defective(self) -> bool:
        return self.is_labelled and self.label != GOOD

    @property
    def is_good(self) -> bool:
        return self.label == GOOD


@dataclass(frozen=True)
class Transport:
    """What became of the frames on their way through a running node.

    published: sent by the player.  received, dropped: by the inspector's own count, None where it did not tell.
    verdicts: inspections that came back.  rate: factor on the bag's speed.
    """

    published: int
    received: int | None
    dropped: int | None
    verdicts: int
    rate: float
    reliable: bool


@dataclass(frozen=True)
class ReplayRun:
    """Everything that was seen.

    mode: ``offline`` or ``live``.  pixels: counts by condition, of the frames whose truth is known pixel by pixel.
    stopped: why the replay ended early, empty where it did not.  losses: what could not be read of the bag.  played: topic,
    number and stamp (ns) of every frame that was published, live, those without a verdict included.
    """

    bag: str
    topics: tuple[str, ...]
    labels: str
    mode: str
    model_id: str
    part_name: str
    preset: str
    device: str
    thresholds: Thresholds
    frames: tuple[FrameOutcome, ...]
    pixels: dict[Condition, PixelCounts]
    seconds: float
    stopped: str = ""
    losses: tuple[str, ...] = ()
    transport: Transport | None = None
    axes: tuple[str, ...] = ()
    played: tuple[tuple[str, int, int], ...] = ()

    @property
    def read(self) -> tuple[tuple[str, int, int], ...]:
        """Topic, number on it and stamp (ns) of every frame that was read of the bag, whether or not a verdict came back."""
        return self.played or tuple((frame.topic, frame.index, frame.stamp_ns) for frame in self.frames)
