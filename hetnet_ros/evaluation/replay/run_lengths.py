"""Masks as COCO's run lengths: how many pixels are not marked, then how many are, and so on, down one column after another.

The lengths are a list, or a text of characters from ``0`` to ``o`` with five bits each, the lowest first, the sixth bit saying that
more follow; from the fourth length on the text holds the difference to the last but one.  Source: ``common/maskApi.c`` of cocoapi.
"""

from __future__ import annotations

from typing import Any

import numpy as np

LARGEST = 179_000_000
"""Pixels: what Pillow would open at most."""


def decode_run_lengths(segmentation: dict[str, Any]) -> np.ndarray:
    """bool (H, W) of ``{"size": [H, W], "counts": ...}``.  Raises ValueError, TypeError or KeyError for anything else."""
    height, width = (_whole(side) for side in segmentation["size"])
    if not 0 < height * width <= LARGEST or height < 0:
        raise ValueError(f"a mask of {width}x{height}")
    counts = segmentation["counts"]
    lengths = _unpacked(counts) if isinstance(counts, str) else [_whole(length) for length in counts]
    if any(length < 0 for length in lengths) or sum(lengths) != height * width:
        raise ValueError(f"run lengths that do not add up to {width}x{height}")
    marked = np.arange(len(lengths)) % 2 == 1
    return np.repeat(marked, lengths).reshape(width, height).T


def _unpacked(text: str) -> list[int]:
    lengths: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 35:
            raise ValueError("run lengths of other characters")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("run lengths that end in the middle of one")
    return lengths


def _whole(value: Any) -> int:
    if isinstance(value, bool) or value % 1 != 0:
        raise ValueError(f"{value!r} in place of a whole number")
    return int(value)
