"""Which stamps may lead to a verdict: never an old image, and never one whose age cannot be known.

A camera driver that hangs keeps sending its last picture, a bag played twice sends stamps from the past, and a camera
on another machine may run ahead.  In each case a PASS would speak of a part that is no longer there.
"""

from __future__ import annotations

from dataclasses import dataclass

_NS = 1_000_000_000


@dataclass(frozen=True)
class Refusal:
    """Why a frame gives no verdict: the ``reason`` token of the message and one line for a person."""

    reason: str
    detail: str


def judge_stamp(stamp_ns: int, now_ns: int, max_age: float, max_clock_skew: float) -> Refusal | None:
    """None if an image stamped ``stamp_ns`` may be judged at ``now_ns`` (both ns on the node's clock), else why not.

    max_age, max_clock_skew: s; ``max_age`` 0 accepts every stamp.
    """
    if max_age == 0:
        return None
    if stamp_ns == 0:
        return Refusal(
            "no_stamp", "the image has no stamp, so its age is unknown; let the driver stamp it or set max_age to 0"
        )
    if now_ns == 0:
        return Refusal("stamp_in_future", "this node's clock reads 0: use_sim_time is set, but nobody publishes /clock")
    age = (now_ns - stamp_ns) / _NS
    if age > max_age:
        return Refusal("stale", f"the image is {age:.3g} s old, more than max_age ({max_age:g} s)")
    if age < -max_clock_skew:
        return Refusal(
            "stamp_in_future",
            f"the image is stamped {-age:.3g} s ahead of this node's clock, more than "
            f"max_clock_skew ({max_clock_skew:g} s); synchronise the clocks",
        )
    return None
