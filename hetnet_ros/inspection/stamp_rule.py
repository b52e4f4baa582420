"""Which stamps may lead to a verdict: never an old image, and never one whose age cannot be known.

A camera driver that hangs keeps sending its last picture, a bag played twice sends stamps from the past, and a camera
on another machine may run ahead.  In each case a PASS would speak of a part that is no longer there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hetnet_ros.inspection.clock_watch import Moment

_NS = 1_000_000_000
_LONGEST_STEP_S = 0.1
"""Simulated time comes in steps, which may be this long however small max_clock_skew is."""

STAMP_REASONS = ("stale", "no_stamp", "stamp_in_future", "clock_stopped", "clock_jumped")
"""Tokens of the refusals below: the frame may be good, but nobody knows that it is of now."""


@dataclass(frozen=True)
class Refusal:
    """Why a frame gives no verdict: the ``reason`` token of the message and one line for a person."""

    reason: str
    detail: str


def is_time(stamp: Any) -> bool:
    """Whether a builtin_interfaces/Time or Duration is one that is not negative."""
    return stamp.sec >= 0 and 0 <= stamp.nanosec < _NS


def stamp_ns(stamp: Any) -> int:
    """A builtin_interfaces/Time in ns; 0, which is no stamp, where it is no time.

    More than a second of nanoseconds would make an old image look new, and one image look like several.
    """
    return stamp.sec * _NS + stamp.nanosec if is_time(stamp) else 0


def judge_stamp(stamp_ns: int, moment: Moment, max_age: float, max_clock_skew: float) -> Refusal | None:
    """None if an image stamped ``stamp_ns``, ns, may be judged at ``moment``, else why not.

    max_age, max_clock_skew: s; ``max_age`` 0 accepts every stamp.  A clock that stands still is wrong by at least as long, and an
    image may be older by as much; after a jump back, an image from before it looks younger than it is until all are too old.
    """
    if max_age == 0:
        return None
    if stamp_ns == 0:
        return Refusal(
            "no_stamp", "the image has no stamp, or one that is no time, so its age is unknown; let the driver stamp it or set max_age to 0"
        )
    if moment.now_ns == 0:
        return Refusal("stamp_in_future", "this node's clock reads 0: use_sim_time is set, but nobody publishes /clock")
    if moment.stood > max(max_clock_skew, _LONGEST_STEP_S):
        return Refusal("clock_stopped", f"this node's clock has stood still for {moment.stood:.3g} s, so the image's age is unknown; "
                                        "with use_sim_time, see why nobody publishes /clock")
    if moment.since_jump < max_age:
        return Refusal("clock_jumped", f"this node's clock jumped back {moment.since_jump:.3g} s ago, so the image's age is unknown "
                                       f"until max_age ({max_age:g} s) has passed")
    ahead = (stamp_ns - moment.now_ns) / _NS
    age = moment.stood - ahead
    if age > max_age:
        return Refusal("stale", f"the image is {age:.3g} s old, more than max_age ({max_age:g} s)")
    if ahead > max_clock_skew:
        return Refusal(
            "stamp_in_future",
            f"the image is stamped {ahead:.3g} s ahead of this node's clock, more than "
            f"max_clock_skew ({max_clock_skew:g} s); synchronise the clocks",
        )
    return None
