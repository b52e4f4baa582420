"""Which stamps may lead to a verdict."""

from __future__ import annotations

import pytest

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
    refusal = judge_stamp(stamp, NOW, max_age=2.0, max_clock_skew=0.5)
    assert (refusal.reason if refusal else None) == reason


def test_everything_is_accepted_when_switched_off() -> None:
    assert all(judge_stamp(stamp, NOW, 0.0, 0.5) is None for stamp in (0, 1, NOW, 2 * NOW))


def test_a_clock_that_stands_at_zero_is_named() -> None:
    refusal = judge_stamp(5 * SECOND, 0, 2.0, 0.5)
    assert refusal is not None and "/clock" in refusal.detail
