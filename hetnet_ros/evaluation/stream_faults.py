"""What can go wrong between a camera and whoever looks at its pictures, as a filter on a stream of pictures.

Each fault is one that cells have seen: a driver that hangs and repeats its last buffers under new stamps, a network that delays, loses or
damages messages, two cameras that were swapped, a clock that was set.  The filter knows neither ROS nor pixels: a picture is the bytes of
its message.  The same seed gives the same faults.
"""

from __future__ import annotations

import collections
import dataclasses
from dataclasses import dataclass

import numpy as np

from hetnet_ros.errors import InputError

HISTORY = 64
"""Pictures kept for the faults that bring back old ones."""


@dataclass(frozen=True)
class Picture:
    """One message's picture: stamp, ns, and its bytes.  due: when it leaves, s on the clock of :meth:`StreamFaults.feed`.
    beside: whether it comes from another publisher than the camera's."""

    stamp_ns: int
    data: bytes
    due: float = 0.0
    beside: bool = False


@dataclass(frozen=True)
class Fault:
    """A fault's name and its number, 0 where it takes none."""

    name: str = "none"
    amount: float = 0.0

    def __str__(self) -> str:
        return self.name if self.name not in AMOUNTS else f"{self.name}:{self.amount:g}"


AMOUNTS = {
    "delay": ("seconds by which each picture comes later", 0.0, 60.0, 1.0),
    "drop": ("share of pictures that are lost", 0.0, 1.0, 0.5),
    "corrupt": ("share of a picture's bytes that are replaced", 0.0, 1.0, 0.01),
    "truncate": ("share of a picture's bytes that is missing at its end", 0.0, 1.0, 0.3),
    "ring": ("number of old pictures that come back in turn under new stamps", 1.0, float(HISTORY), 3.0),
    "touched_ring": ("the same, each with one byte changed", 1.0, float(HISTORY), 3.0),
    "jump": ("seconds by which all stamps are wrong", -1e6, 1e6, -5.0),
}
"""Faults that take a number: what it means, least, most, and the value without one."""
FAULTS = ("none", "repeat", "freeze", "swap", "second", *AMOUNTS)
"""repeat: every other picture is the one before under the new stamp.  freeze: the last picture for good, under new stamps.  swap: each
picture under the stamp of the one after it.  second: another publisher sends old pictures beside the camera's."""


def parse_fault(text: str) -> Fault:
    """``NAME`` or ``NAME:NUMBER`` -> the fault.  Raises InputError for a name that is not known or a number out of its range."""
    name, colon, number = text.strip().partition(":")
    if name not in FAULTS:
        raise InputError(f"fault is {text[:60]!r}: use one of {', '.join(FAULTS)}")
    if name not in AMOUNTS:
        if colon:
            raise InputError(f"fault is {text[:60]!r}: {name} takes no number")
        return Fault(name)
    meaning, low, high, usual = AMOUNTS[name]
    try:
        amount = float(number) if colon else usual
    except ValueError:
        amount = float("nan")
    if not low <= amount <= high:
        raise InputError(f"fault is {text[:60]!r}: {name} takes {meaning}, {low:g} to {high:g}")
    return Fault(name, amount)


class StreamFaults:
    """The filter.  One thread at a time.

    :meth:`feed` takes each picture as it comes and gives those that are to leave, some of them later (``due``).
    """

    def __init__(self, seed: int = 0) -> None:
        self.fault = Fault()
        self._random = np.random.default_rng(seed)
        self._seen: collections.deque[Picture] = collections.deque(maxlen=HISTORY)
        self._ring: list[Picture] = []
        self._count = 0
        self._filters = {
            "none": self._none, "delay": self._none, "drop": self._drop, "corrupt": self._corrupt, "truncate": self._truncate,
            "repeat": self._repeat, "freeze": self._old_ones, "ring": self._old_ones, "touched_ring": self._touched_ring,
            "swap": self._swap, "second": self._second, "jump": self._jump}

    def set(self, fault: Fault) -> None:
        """From the next picture on, ``fault`` and nothing else."""
        self.fault, self._count = fault, 0
        kept = int(fault.amount) if fault.name in ("ring", "touched_ring") else 1
        self._ring = list(self._seen)[-kept:]

    def feed(self, picture: Picture, now: float) -> list[Picture]:
        """What leaves for a picture that came ``now``, s on any clock that only moves forward; ``due`` in the same seconds."""
        self._seen.append(picture)
        self._count += 1
        leaving = self._filters[self.fault.name](picture)
        return [dataclasses.replace(one, due=now + (self.fault.amount if self.fault.name == "delay" else 0.0)) for one in leaving]

    def _none(self, picture: Picture) -> list[Picture]:
        return [picture]

    def _drop(self, picture: Picture) -> list[Picture]:
        return [] if self._random.random() < self.fault.amount else [picture]

    def _corrupt(self, picture: Picture) -> list[Picture]:
        data = np.frombuffer(picture.data, np.uint8).copy()
        count = max(1, round(self.fault.amount * len(data))) if self.fault.amount and len(data) else 0
        where = self._random.integers(0, max(len(data), 1), count)
        data[where] = self._random.integers(0, 256, count, np.uint8)
        return [dataclasses.replace(picture, data=data.tobytes())]

    def _truncate(self, picture: Picture) -> list[Picture]:
        return [dataclasses.replace(picture, data=picture.data[:round((1 - self.fault.amount) * len(picture.data))])]

    def _repeat(self, picture: Picture) -> list[Picture]:
        old = self._seen[-2] if len(self._seen) > 1 and self._count % 2 == 0 else picture
        return [dataclasses.replace(picture, data=old.data)]

    def _old(self, picture: Picture) -> Picture:
        """The next one of the ring; what came before the fault, or the first pictures after it where nothing did."""
        if not self._ring:
            self._ring.append(picture)
        return self._ring[(self._count - 1) % len(self._ring)]

    def _old_ones(self, picture: Picture) -> list[Picture]:
        return [dataclasses.replace(picture, data=self._old(picture).data)]

    def _touched_ring(self, picture: Picture) -> list[Picture]:
        data = bytearray(self._old(picture).data)
        if data:
            data[self._random.integers(len(data))] ^= 1 + int(self._random.integers(255))
        return [dataclasses.replace(picture, data=bytes(data))]

    def _swap(self, picture: Picture) -> list[Picture]:
        """Held back by one picture, which then carries the pixels of the one before."""
        return [dataclasses.replace(picture, data=self._seen[-2].data)] if len(self._seen) > 1 else []

    def _second(self, picture: Picture) -> list[Picture]:
        return [picture, dataclasses.replace(picture, data=self._old(picture).data, beside=True)]

    def _jump(self, picture: Picture) -> list[Picture]:
        return [dataclasses.replace(picture, stamp_ns=max(0, picture.stamp_ns + round(1e9 * self.fault.amount)))]
