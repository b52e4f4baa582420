"""The rate limiter: what it lets through and when."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from hetnet_ros.nodes.pace import Pace


def test_without_a_rate_nothing_waits():
    pace, asked = Pace(), []
    pace.note()
    waiting = threading.Thread(target=pace.wait, args=(lambda: asked.append(1) or 0.0,), daemon=True)
    waiting.start()
    waiting.join(10)
    assert not waiting.is_alive() and len(asked) == 1  # at once, not after a look later


def test_an_event_is_not_due_before_its_rate_allows_it(monkeypatch):
    """In a time of the test's own, which only passes while the limiter waits."""
    now = [100.0]
    monkeypatch.setattr("hetnet_ros.nodes.pace.time", SimpleNamespace(monotonic=lambda: now[0]))
    pace = Pace()
    monkeypatch.setattr(pace, "_closed", SimpleNamespace(is_set=lambda: False, wait=lambda seconds: now.append(now.pop() + seconds)))
    pace.note()
    pace.wait(lambda: 2.0)
    assert now[0] == pytest.approx(100.5)


def test_a_changed_rate_and_the_end_are_noticed_while_waiting():
    pace, rates = Pace(), iter([0.001, 0.001, 0.0])
    pace.note()
    pace.wait(lambda: next(rates))  # at 0.001 Hz it would be a quarter of an hour
    waiting = threading.Thread(target=pace.wait, args=(lambda: 0.001,))
    waiting.start()
    pace.close()
    waiting.join(10)
    assert not waiting.is_alive()
