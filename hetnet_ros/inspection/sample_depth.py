"""How many of 16 bits a camera really fills, and how its values become the 8 bits that the network sees.

Cameras of 10, 12 and 14 bits deliver their values in 16.  Scaled by the full range a 12-bit picture would keep 16 grey levels.
A rule that looks at each picture's own maximum would brighten dark parts, the very change an inspection looks for; so the depth
is settled once, over all pictures a part is taught from, and is part of the model.  What exceeds it later is refused, not clipped.
"""

from __future__ import annotations

import functools

import numpy as np

FULL = 16
DEPTHS = (8, 10, 12, 14, FULL)
"""Depths in use, bits; values aligned to the upper bits are 16-bit values."""


class TooDeep(ValueError):
    """A value that the depth cannot hold; the text says so on one line."""


def depth_of(largest: int | None) -> int:
    """The least of :data:`DEPTHS` that holds ``largest``, the largest value of all pictures; :data:`FULL` for None, where none has
    16 bits."""
    return FULL if largest is None else next((bits for bits in DEPTHS if largest < 1 << bits), FULL)


def check_depth(samples: np.ndarray, bits: int) -> None:
    """Raise TooDeep where uint16 ``samples`` hold a value beyond ``bits``."""
    if bits < FULL and samples.size and (largest := int(samples.max())) >= 1 << bits:
        raise TooDeep(f"a 16-bit value is {largest}, but the part was taught on {bits} bits, 0 to {(1 << bits) - 1}: set the camera "
                      f"as it was then, or teach again with hetnet train --bits {depth_of(largest)}")


def to_8_bits(samples: np.ndarray, bits: int = FULL) -> np.ndarray:
    """uint16 -> uint8 of the same shape: 0 to 2 ** ``bits`` - 1 becomes 0 to 255, rounded.  Raises TooDeep."""
    check_depth(samples, bits)
    return _table(bits)[samples]


@functools.lru_cache(maxsize=len(DEPTHS))
def _table(bits: int) -> np.ndarray:
    """uint8 (65536,): what each 16-bit value becomes."""
    most = (1 << bits) - 1
    values = np.arange(1 << FULL, dtype=np.uint32)
    return np.minimum((values * 255 + most // 2) // most, 255).astype(np.uint8)
