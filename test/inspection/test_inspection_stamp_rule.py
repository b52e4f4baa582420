"""Which stamps may lead to a verdict."""

from __future__ import annotations

import pytest

from hetnet_ros.inspection.clock_watch import ClockWatch, Moment
from hetnet_ros.inspection.stamp_rule import judge_stamp

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        (NOW, None),
        (NOW - 2 * SECOND, None),  # just as old as allowed
        (NOW - 2 * SECOND - 1, "stale"),
        (1, "stale"),
        (NOW + SECOND // 2, None),  # just as far ahead as allowed
        (NOW + SECOND // 2 + 1, "stamp_in_future"),
        (0, "no_stamp"),
    ],
)
def test_bounds(stamp: int, reason: str | None) -> None:
    refusal = judge_stamp(stamp, Moment(NOW), max_age=2.0, max_clock_skew=0.5)
    assert (refusal.reason if refusal else None) == reason


def test_everything_is_accepted_when_switched_off() -> None:
    assert all(judge_stamp(stamp, Moment(NOW, 9.0, 0.0), 0.0, 0.5) is None for stamp in (0, 1, NOW, 2 * NOW))


def test_a_clock_that_stands_at_zero_is_named() -> None:
    refusal = judge_stamp(5 * SECOND, Moment(0), 2.0, 0.5)
    assert refusal is not None and "/clock" in refusal.detail


@pytest.mark.parametrize(("moment", "skew", "reason"), [
    (Moment(NOW, 0.4), 0.5, None),
    (Moment(NOW, 0.6), 0.5, "clock_stopped"),
    (Moment(NOW, 0.05), 0.0, None),  # steps of simulated time
    (Moment(NOW, 0.2), 0.0, "clock_stopped"),
    (Moment(NOW, 1.5), 60.0, None),
    (Moment(NOW, 2.5), 60.0, "stale"),  # the image is older by what the clock has missed
    (Moment(NOW, 0.0, 1.9), 0.5, "clock_jumped"),
    (Moment(NOW, 0.0, 2.1), 0.5, None),
])
def test_a_clock_that_stands_still_or_jumped_back_makes_the_age_unknown(moment: Moment, skew: float, reason: str | None) -> None:
    refusal = judge_stamp(NOW, moment, max_age=2.0, max_clock_skew=skew)
    assert (refusal.reason if refusal else None) == reason


class Clocks:
    """The watched clock, ns, and the steady one, s."""

    def __init__(self, simulated: bool) -> None:
        self.now_ns, self.steady = 100 * SECOND, 50.0
        self.watch = ClockWatch(lambda: self.now_ns, lambda: simulated, lambda: self.steady)

    def after(self, steady: float, now: float) -> Moment:
        """The reading after so many seconds on each."""
        self.steady += steady
        self.now_ns += round(now * SECOND)
        return self.watch.read()


def test_simulated_time_may_go_at_any_pace_but_not_stand_or_go_back() -> None:
    clocks = Clocks(simulated=True)
    assert clocks.after(1.0, 0.01) == Moment(100 * SECOND + SECOND // 100)
    assert clocks.after(1.0, 0.0).stood == 1.0 and clocks.after(2.0, 0.0).stood == 3.0
    moved = clocks.after(1.0, 30.0)
    assert moved.stood == 0 and moved.since_jump > 1e9
    assert clocks.after(1.0, -0.5).since_jump == 0 and clocks.after(1.5, 1.5).since_jump == 1.5


def test_the_machines_clock_is_set_back_or_slewed() -> None:
    clocks = Clocks(simulated=False)
    assert clocks.after(3600.0, 3598.2).since_jump > 1e9  # slewed by half a thousandth for an hour without images
    assert clocks.after(1.0, 1.0).since_jump > 1e9 and clocks.after(0.05, -0.01).since_jump > 1e9
    assert clocks.after(0.1, -1.0).since_jump == 0
    assert clocks.after(10.0, 10.0).since_jump == 10.0
    assert clocks.after(5.0, 3.0).since_jump == 0  # set back by 2 s between two images
    assert clocks.after(5.0, 500.0).since_jump == 5.0  # set forward: images look older, which is safe
