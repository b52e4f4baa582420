"""A camera that sends one picture again and again under new stamps: no sensor gives the same pixels twice.

Its stamps are fresh, so no rule on stamps notices, and each verdict would speak of a part that is long gone.
"""

from __future__ import annotations

import numpy as np


class FrozenCamera:
    """Watches one camera's images; not safe between threads."""

    def __init__(self) -> None:
        self._pixels: np.ndarray | None = None
        self._stamp_ns = 0
        self._repeats = 0

    def repeats(self, data: object, stamp_ns: int) -> int:
        """How many images in a row, this one included, had the same bytes under different stamps; 1 for a new picture.

        data: the image's bytes, any buffer; kept until the next call.  An image that comes again under its own stamp is
        the same image and not counted.
        """
        pixels = np.frombuffer(data, np.uint8)
        if self._pixels is None or pixels.size == 0 or not np.array_equal(pixels, self._pixels):
            self._repeats = 1
        elif stamp_ns != self._stamp_ns:
            self._repeats += 1
        self._pixels, self._stamp_ns = pixels, stamp_ns
        return self._repeats
