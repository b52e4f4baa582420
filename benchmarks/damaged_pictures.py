#!/usr/bin/env python3
"""What the decoder notices of damaged JPEGs and PNGs, and what it costs beside one that mends (OpenCV's).

Each kind of damage is done at 100 seeded places of a made-up picture; counted are the copies that are read, but not as the sound
one.  Times are medians of decodings in turns, as are their ratios.  Prints Markdown tables; needs nothing but the package.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hetnet_ros.inspection.image_conversion import BadImage, compressed_to_rgb  # noqa: E402

PLACES = 100


def picture(width: int, height: int) -> np.ndarray:
    """uint8 (H, W, 3): smooth shading with an edge, and the noise of a camera."""
    rng = np.random.default_rng(7)
    smooth = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3)).astype(np.float32), (0, 0), 9)
    smooth = 128 + 8 * (smooth - smooth.mean())
    smooth[:, width // 3:] += 30
    return np.clip(smooth + rng.normal(0, 2, smooth.shape), 0, 255).astype(np.uint8)


def overwritten(length: int) -> Callable[[bytearray, int, random.Random], None]:
    def damage(data: bytearray, at: int, dice: random.Random) -> None:
        data[at:at + length] = bytes(dice.randrange(255) for _ in data[at:at + length])
    return damage


def zeroed(length: int) -> Callable[[bytearray, int, random.Random], None]:
    def damage(data: bytearray, at: int, dice: random.Random) -> None:
        data[at:at + length] = bytes(len(data[at:at + length]))
    return damage


def lost(data: bytearray, at: int, dice: random.Random) -> None:
    del data[at:at + 256]


def cut_short(data: bytearray, at: int, dice: random.Random) -> None:
    del data[at:]


def flipped_bit(data: bytearray, at: int, dice: random.Random) -> None:
    data[at] ^= 1 << dice.randrange(8)


def flipped_byte(data: bytearray, at: int, dice: random.Random) -> None:
    data[at] ^= 0xFF


DAMAGES = {
    "cut short": cut_short, "256 bytes lost": lost, "1,024 bytes zeroed": zeroed(1024), "1,024 overwritten": overwritten(1024),
    "64 zeroed": zeroed(64), "64 overwritten": overwritten(64), "a byte inverted": flipped_byte, "a bit flipped": flipped_bit,
}


def read_otherwise(data: bytes, damage: Callable[[bytearray, int, random.Random], None]) -> int:
    sound, count = compressed_to_rgb(data, ""), 0
    for seed in range(PLACES):
        dice, damaged = random.Random(seed), bytearray(data)
        damage(damaged, dice.randrange(len(data)), dice)
        try:
            found = compressed_to_rgb(bytes(damaged), "")
        except BadImage:
            continue
        count += found.shape != sound.shape or not np.array_equal(found, sound)
    return count


def by_opencv(data: bytes) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def timed(function: Callable[[], object]) -> float:
    begun = time.perf_counter()
    function()
    return 1e3 * (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=60, help="decodings of each picture by each decoder (default: 60)")
    pairs = parser.parse_args().pairs
    cv2.setNumThreads(1)
    scene = picture(640, 480)[:, :, ::-1]
    files = {f"JPEG {quality}": cv2.imencode(".jpg", scene, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
             for quality in (75, 90, 95)} | {"PNG": cv2.imencode(".png", scene)[1].tobytes()}
    print(f"read otherwise, of {PLACES}, 640x480 | " + " | ".join(files) + "\n" + "--- | " * len(files) + "---")
    for name, damage in DAMAGES.items():
        print(f"{name} | " + " | ".join(str(read_otherwise(data, damage)) for data in files.values()), flush=True)
    print("\npicture | ms | ms, OpenCV | ratio\n--- | --- | --- | ---")
    for width, height in ((640, 480), (1280, 1024)):
        for kind, options in ((".jpg", [cv2.IMWRITE_JPEG_QUALITY, 90]), (".png", [])):
            data = cv2.imencode(kind, picture(width, height)[:, :, ::-1], options)[1].tobytes()
            ours, theirs = np.array([(timed(lambda: compressed_to_rgb(data, "")), timed(lambda: by_opencv(data)))
                                     for _ in range(pairs)]).T
            print(f"{width}x{height} {kind[1:]} | {np.median(ours):.2f} | {np.median(theirs):.2f} | {np.median(ours / theirs):.2f}")


if __name__ == "__main__":
    main()
