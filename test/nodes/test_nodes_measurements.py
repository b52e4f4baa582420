"""The numbers behind the diagnostics, and the mailbox between camera and network."""

from __future__ import annotations

import math
import threading

import pytest

from hetnet_ros.nodes.frames import Frame, NewestFrames
from hetnet_ros.nodes.measurements import Statistics, Timings


def test_rates_and_percentiles_cover_the_last_ten_seconds() -> None:
    statistics = Statistics(start=0.0)
    for index in range(400):  # 20 s at 20 Hz, inference slower in the first half
        now = index / 20
        statistics.image_received(now, stamp_ns=index)
        statistics.inspection_published(now, "PASS", Timings(inference=500.0 if now < 9.9 else 50.0 + index % 2))
    seen = statistics.snapshot(19.95)
    assert seen.received == seen.published == 400
    assert seen.input_rate == pytest.approx(20, abs=0.2) and seen.output_rate == pytest.approx(20, abs=0.2)
    stages = {entry.stage: entry for entry in seen.percentiles}
    assert stages["inference"].p99 == pytest.approx(51) and 50 <= stages["inference"].p50 <= 51
    assert math.isnan(stages["decode"].p50)


def test_counts_outlive_the_window_and_rates_do_not() -> None:
    statistics = Statistics(start=0.0)
    statistics.image_received(1.0, stamp_ns=5)
    statistics.image_received(1.1, stamp_ns=3)
    statistics.image_dropped()
    statistics.image_ignored()
    statistics.image_bad(1.2, "truncated")
    statistics.inspection_published(1.3, "bad_image", Timings())
    early, late = statistics.snapshot(2.0), statistics.snapshot(100.0)
    for seen in (early, late):
        assert (seen.received, seen.dropped, seen.ignored, seen.published, seen.backward_stamps) == (2, 1, 1, 1, 1)
        assert seen.bad_images == (("truncated", 1),) and seen.outcomes == (("bad_image", 1),)
    assert (early.recent_bad, early.recent_refused) == (1, (("bad_image", 1),))
    assert (late.recent_bad, late.recent_refused, late.input_rate, late.output_rate) == (0, (), 0.0, 0.0)
    assert late.since_input == pytest.approx(98.9)


def test_only_the_newest_frame_is_kept() -> None:
    mailbox = NewestFrames()
    replaced = [mailbox.put(Frame(number, 0.0)) for number in range(3)]
    assert replaced[0] is None and [frame.message for frame in replaced[1:]] == [0, 1]
    assert [frame.message for frame in mailbox.take()] == [2]
    mailbox.put(Frame(3, 0.0))
    mailbox.clear()
    assert not mailbox.put(Frame(4, 0.0))


def test_each_camera_has_its_place_and_its_turn() -> None:
    mailbox = NewestFrames()
    for number, camera in enumerate(("left", "fast", "fast", "right", "fast")):
        mailbox.put(Frame(number, 0.0, camera))
    assert [(f.camera, f.message) for f in mailbox.take(2)] == [("left", 0), ("fast", 4)]
    mailbox.put(Frame(5, 0.0, "fast"))
    assert [(f.camera, f.message) for f in mailbox.take(2)] == [("right", 3), ("fast", 5)]


def test_closing_releases_who_waits() -> None:
    mailbox = NewestFrames()
    taken: list[list[Frame]] = []
    thread = threading.Thread(target=lambda: taken.append(mailbox.take()))
    thread.start()
    mailbox.close()
    thread.join(10)
    assert taken == [[]]
