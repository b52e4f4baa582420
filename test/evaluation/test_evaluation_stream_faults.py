"""The faults of the proxy on a stream of numbered pictures: what leaves, when, under which stamp."""

from __future__ import annotations

import pytest

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.stream_faults import FAULTS, Fault, Picture, StreamFaults, parse_fault


def run(fault: str, count: int = 12, before: int = 4, seed: int = 1) -> list[Picture]:
    """What leaves under ``fault`` for pictures number ``before`` on, of 64 bytes that are all their number; a second apart."""
    faults, leaving = StreamFaults(seed), []
    for number in range(count):
        if number == before:
            faults.set(parse_fault(fault))
        out = faults.feed(Picture(number * 10**9, bytes([number]) * 64), float(number))
        leaving += out if number >= before else []
    return leaving


def numbers(pictures: list[Picture]) -> list[int]:
    return [picture.data[0] for picture in pictures]


def stamps(pictures: list[Picture]) -> list[int]:
    return [picture.stamp_ns // 10**9 for picture in pictures]


@pytest.mark.parametrize("fault, shown, stamped", [
    ("none", [4, 5, 6, 7, 8, 9, 10, 11], range(4, 12)),
    ("freeze", [3] * 8, range(4, 12)),
    ("ring:3", [1, 2, 3, 1, 2, 3, 1, 2], range(4, 12)),
    ("repeat", [4, 4, 6, 6, 8, 8, 10, 10], range(4, 12)),
    ("swap", [3, 4, 5, 6, 7, 8, 9, 10], range(4, 12)),
    ("drop:1", [], []), ("drop:0", range(4, 12), range(4, 12)),
    ("jump:-2", range(4, 12), range(2, 10)),
    ("second", [4, 3, 5, 3, 6, 3, 7, 3, 8, 3, 9, 3, 10, 3, 11, 3], sorted([*range(4, 12)] * 2))])
def test_what_leaves(fault, shown, stamped):
    left = run(fault)
    assert (numbers(left), stamps(left)) == (list(shown), list(stamped))
    assert [picture.beside for picture in left] == [fault == "second" and index % 2 == 1 for index in range(len(left))]


def test_delay_keeps_the_stamp_and_moves_the_time():
    assert [(picture.stamp_ns // 10**9, picture.due) for picture in run("delay:2.5", 6)] == [(4, 6.5), (5, 7.5)]


def test_damage_is_as_large_as_asked_for_and_the_same_for_the_same_seed():
    (first, *_), again = run("corrupt:0.25"), run("corrupt:0.25")
    assert 8 <= sum(byte != 4 for byte in first.data) <= 16  # of 16 places drawn with replacement, some twice, some the same byte
    assert first == again[0] and len(first.data) == 64
    assert {len(picture.data) for picture in run("truncate:0.5")} == {32}
    ring = run("touched_ring:2")
    assert [sum(byte != number for byte in picture.data) for picture, number in zip(ring, [2, 3] * 4)] == [1] * 8


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_bears_an_empty_picture_and_no_past(name):
    faults = StreamFaults()
    faults.set(parse_fault(name))
    for _ in range(3):
        faults.feed(Picture(0, b""), 0.0)


@pytest.mark.parametrize("text", ["", "sleep", "ring:0", "ring:65", "ring:x", "ring:nan", "drop:2", "freeze:1", "delay:-1", "jump:inf"])
def test_a_fault_that_cannot_be_is_one_line(text):
    with pytest.raises(InputError) as caught:
        parse_fault(text)
    assert "\n" not in str(caught.value)


def test_a_fault_without_its_number_has_a_usual_one_and_prints_as_it_is_read():
    assert str(parse_fault("ring")) == "ring:3" and parse_fault(str(Fault("jump", -5.0))) == Fault("jump", -5.0)
