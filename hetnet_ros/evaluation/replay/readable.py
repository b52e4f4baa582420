"""Whether a replay has seen what was recorded: figures of the few frames that could be read are no figures of the recording."""

from __future__ import annotations

from collections.abc import Sequence

from hetnet_ros.evaluation.replay.outcome import ReplayRun
from hetnet_ros.inspection.bags import BagTopic


def mostly_unreadable(run: ReplayRun, topics: Sequence[BagTopic]) -> str:
    """A line for the user where more than half of the frames could not be read, empty otherwise.

    Frames that cannot be decoded count, and those that the recording's own count has and reading it did not give.
    """
    read = len(run.read)
    counts = [topic.count for topic in topics]
    recorded = read if run.stopped or None in counts else max(read, sum(counts))
    unread = recorded - read + sum(frame.reason == "bad_image" for frame in run.frames)
    if 2 * unread <= recorded:
        return ""
    why = f" ({run.losses[0]})" if run.losses else ""
    return (f"{run.bag}: {unread} of {recorded} frames could not be read{why}; the figures are of the others only: restore the recording "
            "or record it again")
