"""What the host does with a picture before the network sees it: decoding, cutting and resizing, and the copy to the card.

None of it depends on the backend.  What it takes is what decoding and preprocessing on the device could save.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import cv2
import numpy as np

from hetnet_ros.gpu_check.pictures import disc
from hetnet_ros.gpu_check.plan import Part, Settings
from hetnet_ros.gpu_check.reporter import Reporter
from hetnet_ros.inspection.image_conversion import compressed_to_rgb, fill_image, image_to_rgb
from hetnet_ros.inspection.preprocessing import resize

TABLE, COPIES = "host", "copies"
_RUNS = 40
_SIZES = ((640, 480), (1280, 1024))
_ENCODINGS = ("rgb8", "bayer_rggb8", "jpeg")
NETWORK_SIZES = (384, 512)


def measure(settings: Settings, part: Part, report: Reporter) -> None:
    """A row for each encoding and size, and one for the copies where there is a card."""
    for width, height in _SIZES:
        pixels = disc(width, height, 0)
        for encoding in _ENCODINGS:
            name = f"{width}x{height} {encoding}"
            with report.unit(TABLE, name):
                decode = _decoder(pixels, encoding)
                rgb = decode()
                report.row(TABLE, name, decode_ms=_median_ms(decode),
                           **{f"preprocess_{size}_ms": _median_ms(lambda size=size: resize(rgb, size)) for size in NETWORK_SIZES})
    if settings.device != "cpu":
        for size in NETWORK_SIZES:
            with report.unit(COPIES, f"{size} px"):
                _report_copies(settings.device, size, report)


def _report_copies(device: str, size: int, report: Reporter) -> None:
    """One 8-bit picture to the card, and the float32 map back."""
    import torch

    where = torch.device(device)
    picture = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    found = torch.zeros(1, size, size, device=where)
    pinned = picture.pin_memory()

    def done(call: Callable[[], object]) -> Callable[[], None]:
        def whole() -> None:
            call()
            torch.cuda.synchronize(where)
        return whole

    report.row(COPIES, f"{size} px", pageable_ms=_median_ms(done(lambda: picture.to(where))),
               pinned_now_ms=_median_ms(done(lambda: picture.pin_memory().to(where, non_blocking=True))),
               pinned_before_ms=_median_ms(done(lambda: pinned.to(where, non_blocking=True))),
               map_back_ms=_median_ms(lambda: found.cpu()))


def _decoder(pixels: np.ndarray, encoding: str) -> Callable[[], np.ndarray]:
    if encoding == "jpeg":
        data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        return lambda: compressed_to_rgb(data, "rgb8; jpeg compressed bgr8")
    message = SimpleNamespace()
    fill_image(message, pixels if encoding == "rgb8" else np.ascontiguousarray(pixels[..., 1]), encoding)
    return lambda: image_to_rgb(message)


def _median_ms(call: Callable[[], object]) -> float:
    times = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - begun))
    return round(float(np.median(times)), 3)
