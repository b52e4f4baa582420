"""Files that hold several pictures: a document's pages, an animation.  Only one could be judged, and a defect on another would pass
unseen, so they are refused.  A smaller copy, a mask or a camera's preview beside the picture is no picture of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from PIL import Image

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.picture_budget import tiff_pages

_SUBFILE_TYPE = 254
_REDUCED, _MASK = 1, 4
_MOST_PAGES = 100
_BESIDE = frozenset({"MPO", "PSD", "ICO", "ICNS", "DCX"})
"""Formats whose further pictures are previews, layers or sizes of the first."""


def check_single(data: bytes | memoryview, image: Image.Image | None) -> None:
    """Raise InputError where ``data`` holds another picture beside the first.  image: as Pillow opened it, None where it could not."""
    if bytes(data[:2]) in (b"II", b"MM"):
        several = any(not kind & (_REDUCED | _MASK) for kind in list(_pages(data))[1:])
    else:
        several = image is not None and image.format not in _BESIDE and bool(getattr(image, "is_animated", False))
    if several:
        raise InputError("it holds several pictures, of which only one could be judged: store each in a file of its own")


def _pages(data: bytes | memoryview) -> Iterator[int]:
    """Of a TIFF, each page's kind; 0 for a picture in its own right.  Damage ends them: the decoder words it."""
    try:
        for tags in itertools.islice(tiff_pages(data), _MOST_PAGES):
            yield int(tags.get(_SUBFILE_TYPE, 0))
    except Exception:  # noqa: BLE001 - damage shows in many ways
        return
