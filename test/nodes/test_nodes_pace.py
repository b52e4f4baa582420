"""The rate limiter: what it lets through and when."""

from __future__ import annotations

import threading

from hetnet_ros.nodes.pace import Pace


def test_without_a_rate_nothing_waits():
    pace = Pace()
    pace.note()
    pace.wait(lambda: 0.0)


def test_a_changed_rate_and_the_end_are_noticed_while_waiting():
    pace, rates = Pace(), iter([0.001, 0.001, 0.0])
    pace.note()
    pace.wait(lambda: next(rates))  # at 0.001 Hz it would be a quarter of an hour
    waiting = threading.Thread(target=pace.wait, args=(lambda: 0.001,))
    waiting.start()
    pace.close()
    waiting.join(10)
    assert not waiting.is_alive()
