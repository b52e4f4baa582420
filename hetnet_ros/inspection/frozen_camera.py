"""A camera that shows old pictures again under new stamps: no sensor gives the same pixels twice.

Its stamps are fresh, so no rule on stamps notices, and each verdict would speak of a part that is long gone.  A driver may
repeat its last picture, go round a ring of old ones, or burn a clock into a corner of each; so every picture is held against the
last thousand, and what counts is the share of pixels that differ.  Decoded pixels are compared: padding, comments and other
bytes beside the picture do not matter.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

REMEMBERED = 1024
"""Pictures of one camera that are remembered, 4 kB each."""
TILES = 8
"""The picture is divided into so many tiles each way: what changes in a corner leaves the others as they are."""
SAMPLES = 64
"""Values compared in each tile, at random places of the picture at its full size."""
MOST_CHANGED = 2
"""A tile of which no more than so many of its samples differ (3 %) is unchanged.  Between two pictures of a still scene even a quiet
industrial camera's noise changes 40 % of all pixels (benchmarks/still_scenes.py)."""
LEAST_UNCHANGED = 0.75
"""From this share of unchanged tiles on, a picture is a repeated one."""
_LEAST_USABLE = SAMPLES // 2
_LEAST_TILES = TILES * TILES // 4
"""Saturated pixels (0 and 255) never differ, so a tile tells something only where this many of its samples are not saturated; with
fewer such tiles than this, only a picture that is the same all over is a repeated one."""

_QUICK = 8
"""A first look at eight samples of each tile, one word of the machine: where a picture is repeated, as many of the usable tiles have none
that differs as :func:`_quick_limit` says, and between two pictures of a camera hardly ever."""
_CHUNK = 64


@dataclass(frozen=True)
class Sample:
    """What is remembered of a picture.  values: uint8 (tiles, samples).  usable: bool (tiles), which tiles tell something.  whole:
    checksum of all pixels where too few do, else None."""

    values: np.ndarray
    usable: np.ndarray
    whole: int | None

    @classmethod
    def of(cls, rgb: np.ndarray) -> Sample:
        """rgb: uint8 (H, W, 3), of any size."""
        values = rgb[_places(*rgb.shape)]
        usable = ((values > 0) & (values < 255)).sum(1) >= _LEAST_USABLE
        whole = zlib.crc32(np.ascontiguousarray(rgb)) if usable.sum() < _LEAST_TILES else None
        return cls(values, usable, whole)

    @property
    def quick(self) -> np.ndarray:
        """uint64 (tiles): the first eight samples of each tile."""
        return np.ascontiguousarray(self.values[:, :_QUICK]).view(np.uint64)[:, 0]


@dataclass(frozen=True)
class Sighting:
    """times: how many times a picture has come, this time included, under different stamps; 1 for a new one.  new: whether it has
    not come before, under its own stamp neither."""

    times: int
    new: bool


class FrozenCamera:
    """Remembers one camera's pictures; not safe between threads."""

    def __init__(self) -> None:
        tiles = TILES * TILES
        self._values = np.zeros((REMEMBERED, tiles * SAMPLES), np.uint8)
        self._quick = np.zeros((REMEMBERED, tiles), np.uint64)
        self._whole = np.full(REMEMBERED, -1, np.int64)
        self._stamps = np.zeros(REMEMBERED, np.int64)
        self._counts = np.zeros(REMEMBERED, np.int64)
        self._seen = np.zeros(REMEMBERED, np.int64)
        self._number = 0

    def look(self, rgb: np.ndarray, stamp_ns: int) -> Sighting:
        """Has this picture come before?  Remembers it.

        rgb: uint8 (H, W, 3), not kept.  A picture that comes again under the stamp it had last is the same message and not
        counted; 0 is no stamp.  What has not come for the longest time is forgotten first.
        """
        self._number += 1
        sample = Sample.of(rgb)
        place = self._find(sample)
        new = place is None
        if new:
            place = int(self._seen.argmin())
            self._values[place], self._quick[place] = sample.values.reshape(-1), sample.quick
            self._whole[place] = -1 if sample.whole is None else sample.whole
            self._counts[place] = 1
        elif self._stamps[place] != stamp_ns or stamp_ns == 0:
            self._counts[place] += 1
        self._stamps[place], self._seen[place] = stamp_ns, self._number
        return Sighting(int(self._counts[place]), new)

    def knows(self, rgb: np.ndarray) -> bool:
        """Whether this picture, uint8 (H, W, 3), is among those remembered; it is not remembered for that."""
        return self._find(Sample.of(rgb)) is not None

    def _find(self, sample: Sample) -> int | None:
        """Where a picture like this one is remembered."""
        if sample.whole is not None:
            same = np.flatnonzero((self._whole == sample.whole) & (self._counts > 0))
            return int(same[0]) if same.size else None
        equal = ((self._quick == sample.quick) & sample.usable).sum(1, dtype=np.uint8)
        alike = np.flatnonzero((equal >= _quick_limit(sample.usable.sum())) & (self._counts > 0))
        alike = alike[np.argsort(-self._seen[alike])]  # a repeated picture is mostly a recent one
        for begin in range(0, alike.size, _CHUNK):
            chunk = alike[begin:begin + _CHUNK]
            found = np.flatnonzero(unchanged_share(self._values[chunk], sample) >= LEAST_UNCHANGED)
            if found.size:
                return int(chunk[found[0]])
        return None


def _quick_limit(usable: int) -> float:
    """Tiles without a difference at first look that a repeated picture has at least, of so many usable ones.

    In an unchanged tile, MOST_CHANGED of 64 samples may differ; that none of them is among the eight has this chance, and three
    standard deviations are given.
    """
    chance = LEAST_UNCHANGED * (1 - MOST_CHANGED / SAMPLES) ** _QUICK
    return usable * chance - 3 * (usable * chance * (1 - chance)) ** 0.5


def unchanged_share(remembered: np.ndarray, sample: Sample) -> np.ndarray:
    """For each remembered picture, uint8 (N, tiles * samples): the share of the usable tiles that are as they were."""
    differ = (remembered != sample.values.reshape(-1)).reshape(len(remembered), -1, SAMPLES).view(np.uint64).sum(2)
    changed = (differ * np.uint64(0x0101010101010101)) >> np.uint64(56)  # eight counts of at most 8 in one word, added up
    return (changed[:, sample.usable] <= MOST_CHANGED).mean(1)


_PLACES: dict[tuple[int, ...], tuple[np.ndarray, np.ndarray, np.ndarray]] = {}


def _places(height: int, width: int, channels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and channels of the samples, each (tiles, samples): the same for every picture of a size."""
    size = (height, width, channels)
    if size not in _PLACES:
        if len(_PLACES) >= 16:  # a camera has one size, or a few
            _PLACES.clear()
        rng = np.random.default_rng(1288)
        tile, shape = np.arange(TILES * TILES)[:, None], (TILES * TILES, SAMPLES)
        rows, columns = ((at + rng.random(shape)) * side / TILES for at, side in ((tile // TILES, height), (tile % TILES, width)))
        _PLACES[size] = rows.astype(np.intp), columns.astype(np.intp), rng.integers(0, channels, shape)
    return _PLACES[size]
