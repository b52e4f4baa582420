"""Whatever stamps and clocks do, no old picture is judged, and no repeated one is new."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hetnet_ros.inspection.clock_watch import ClockWatch, Moment
from hetnet_ros.inspection.frame_policy import FrameRules, Request, as_published, examine
from hetnet_ros.inspection.frozen_camera import REMEMBERED, FrozenCamera
from hetnet_ros.inspection.image_conversion import BadImage
from hetnet_ros.inspection.result import Box, Inspection, Thresholds, Verdict
from hetnet_ros.inspection.stamp_rule import STAMP_REASONS, judge_stamp

SECOND = 10**9
NOW = 1_700_000_000 * SECOND
seconds = st.one_of(st.floats(0, 10), st.sampled_from([0.0, 0.1, 0.5, 2.0, 1e9]))
stamps = st.one_of(st.integers(NOW - 5 * SECOND, NOW + 5 * SECOND), st.integers(-(2**31) * SECOND, 2**32 * SECOND), st.sampled_from([0, 1, -1, NOW]))


@given(stamps, st.one_of(st.just(NOW), stamps), seconds, st.one_of(seconds, st.just(math.inf)), st.floats(1e-9, 10), seconds)
@example(NOW - 2 * SECOND - 1, NOW, 0.0, math.inf, 2.0, 0.5)
@example(NOW + SECOND // 2 + 1, NOW, 0.0, math.inf, 2.0, 0.5)
@example(-1, NOW, 0.0, math.inf, 2.0, 0.5)
@example(NOW, NOW, 2.0, math.inf, 2.0, 10.0)
def test_what_may_be_judged_is_recent(stamp, now, stood, since_jump, max_age, skew):
    refusal = judge_stamp(stamp, Moment(now, stood, since_jump), max_age, skew)
    if refusal is not None:
        assert refusal.reason in STAMP_REASONS and refusal.detail.isprintable() and len(refusal.detail) < 300
        return
    oldest, slack = Fraction(now - stamp, SECOND) + Fraction(stood), Fraction(1, 10**6)
    assert stamp != 0 and now != 0 and since_jump >= max_age
    assert oldest <= Fraction(max_age) + slack and Fraction(stamp - now, SECOND) <= Fraction(skew) + slack
    assert stood <= max(skew, 0.1)


@given(stamps, st.integers(0, 10**10), seconds, st.floats(1e-3, 10), seconds)
def test_a_picture_never_becomes_judgeable_by_waiting(stamp, later, stood, max_age, skew):
    """Once too old, always too old: the clock goes on, or stands still for longer."""
    first = judge_stamp(stamp, Moment(NOW, min(stood, 0.1)), max_age, skew)
    if first is not None and first.reason in ("stale", "no_stamp"):
        for moment in (Moment(NOW + later, min(stood, 0.1)), Moment(NOW, min(stood, 0.1) + later / SECOND)):
            assert judge_stamp(stamp, moment, max_age, skew) is not None


moves = st.lists(st.tuples(st.one_of(st.integers(-3 * SECOND, 3 * SECOND), st.just(0)), st.floats(0, 3)), min_size=1, max_size=12)


@given(moves, st.booleans(), st.integers(1, NOW))
@example([(-1, 1.0)], False, NOW)
@example([(0, 1.0), (0, 1.0), (SECOND, 0.5)], True, NOW)
@example([(SECOND, 1.0), (-SECOND, 0.01), (SECOND, 1.0)], True, NOW)
def test_a_clock_that_jumped_back_or_stands_is_noticed(moves, simulated, begin):
    """Against a record of what the clocks really did."""
    clock, steady = [begin], [0.0]
    watch = ClockWatch(lambda: clock[0], lambda: simulated, lambda: steady[0])
    moved_at, jumped_at = 0.0, -math.inf
    for step, passed in moves:
        clock[0] += step
        steady[0] += passed
        moved_at = steady[0] if step else moved_at
        back = step < 0 if simulated else step < -SECOND // 10 - 1 or 0 < step / SECOND < 0.998 * passed - 0.2
        jumped_at = steady[0] if back else jumped_at
        moment = watch.read()
        assert moment.now_ns == clock[0] and moment.stood == steady[0] - moved_at
        assert moment.since_jump <= steady[0] - jumped_at  # noticed at least as late
        assert moment.since_jump >= 0


def noise(seed: int, shape: tuple[int, int] = (24, 32)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


shapes = st.sampled_from([(1, 1), (1, 40), (7, 5), (24, 32), (64, 64)])
pictures = st.one_of(
    st.builds(noise, st.integers(0, 5), shapes),
    st.builds(lambda shape, level: np.full((*shape, 3), level, np.uint8), shapes, st.sampled_from([0, 1, 128, 254, 255])),
    st.builds(lambda shape, seed: (noise(seed, shape) // 128 * 255).astype(np.uint8), shapes, st.integers(0, 5)))


@given(st.lists(st.tuples(pictures, st.integers(-1, 4)), min_size=1, max_size=12))
@example([(noise(1), 0), (noise(1), 0)])
@example([(np.zeros((1, 1, 3), np.uint8), 1), (np.zeros((1, 1, 3), np.uint8), 2)])
@example([(np.full((64, 64, 3), 255, np.uint8), 1), (noise(1), 2), (np.full((64, 64, 3), 255, np.uint8), 3)])
def test_a_repeated_picture_is_never_new(shown):
    camera = FrozenCamera()
    before: dict[bytes, tuple[int, int]] = {}
    for rgb, stamp in shown:
        seen = camera.look(rgb, stamp)
        key = str(rgb.shape).encode() + rgb.tobytes()
        times, last = before.get(key, (0, None))
        if times:
            assert not seen.new
            assert seen.times >= times + (last != stamp or stamp == 0) or seen.times >= 2
        assert seen.times >= 1 and (seen.times == 1 or not seen.new)
        before[key] = (times + 1 if last != stamp or stamp == 0 else times, stamp)


@settings(max_examples=5)
@given(st.integers(0, REMEMBERED - 2), st.integers(0, 2**31))
@example(REMEMBERED - 2, 7)
@example(0, 7)
def test_a_picture_is_known_again_after_as_many_as_are_remembered(between, seed):
    camera = FrozenCamera()
    first = noise(seed)
    camera.look(first, 1)
    for number in range(between):
        camera.look(noise(seed + 1 + number), 2 + number)
    assert not camera.look(first, 10**6).new


class Inspector:
    """Says PASS of everything, with the score it is given."""

    model_id, calibration = "0123456789abcdef", type("Calibration", (), {"thresholds": Thresholds(0.3)})()

    def __init__(self, score: float = 0.1, share: float = 1.0, fails: Exception | None = None) -> None:
        self._score, self._share, self._fails = score, share, fails

    def inspect_batch(self, views: Any) -> list[Inspection]:
        if self._fails:
            raise self._fails
        return [Inspection(Verdict.PASS, "", "", self._score, self._score, 0.5, Thresholds(0.3), (24, 32), Box(0, 0, 32, 24), self.model_id,
                           share=self._share) for _ in views]


@st.composite
def frames(draw: st.DrawFn) -> list[dict[str, Any]]:
    return draw(st.lists(st.fixed_dictionaries({
        "stamp": stamps, "picture": st.one_of(st.integers(0, 3), st.sampled_from(["bad", "raises"])), "for_goal": st.booleans(),
        "score": st.sampled_from([0.1, math.nan, math.inf]), "share": st.sampled_from([1.0, 0.05, math.nan]), "late": st.integers(0, 4 * SECOND),
        "fails": st.sampled_from([None, RuntimeError("a\nb" * 1000), ValueError(), MemoryError()])}), min_size=1, max_size=8))


@given(frames(), st.sampled_from([0, 1, 2, 3]), st.sampled_from([None, Box(0, 0, 32, 24), Box(1, 1, 32, 24), Box(0, 0, 8, 8)]))
@example([{"stamp": NOW, "picture": 1, "for_goal": True, "score": 0.1, "share": 1.0, "late": 0, "fails": None}] * 2, 2, None)
@example([{"stamp": NOW, "picture": 1, "for_goal": False, "score": 0.1, "share": 1.0, "late": 3 * SECOND, "fails": None}], 2, None)
def test_a_pass_is_of_a_recent_picture_that_did_not_come_before(shown, frozen_after, roi):
    """Whatever a frame holds, it is examined without an exception, and a PASS of it is on a fresh picture, wholly judged."""
    rules = FrameRules(roi, 2.0, 0.5, frozen_after)
    camera = FrozenCamera()
    came: list[tuple[int, int]] = []
    for frame in shown:
        def decode(picture: Any = frame["picture"]) -> np.ndarray:
            if picture == "bad":
                raise BadImage("truncated", "it is cut short")
            if picture == "raises":
                raise RuntimeError("\n")
            return noise(picture)

        inspector = Inspector(frame["score"], frame["share"], frame["fails"])
        request = Request(frame["stamp"], decode, inspector, camera=camera, for_goal=frame["for_goal"])
        (found,) = examine([request], rules, lambda: Moment(NOW))
        found = as_published(found, frame["stamp"], rules, Moment(NOW + frame["late"]))
        inspection = found.inspection
        if inspection.verdict is Verdict.PASS:
            assert isinstance(frame["picture"], int) and frame["fails"] is None and frame["score"] == 0.1 and frame["share"] == 1.0
            assert -0.5 <= (NOW - frame["stamp"]) / SECOND and (NOW + frame["late"] - frame["stamp"]) / SECOND <= 2.0
            assert roi in (None, Box(0, 0, 32, 24))
            earlier = [stamp for picture, stamp in came if picture == frame["picture"]]
            if frozen_after:
                assert not (frame["for_goal"] and earlier)
                assert len({*earlier, frame["stamp"]}) < max(frozen_after, 2)
        else:
            assert inspection.reason and inspection.verdict is Verdict.UNCERTAIN
            assert inspection.detail.isprintable() and len(inspection.detail) < 1200
        if isinstance(frame["picture"], int):
            came.append((frame["picture"], frame["stamp"]))
