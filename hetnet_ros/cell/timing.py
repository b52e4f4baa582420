"""``python -m hetnet_ros.cell.timing``: how long a picture of the virtual cell takes on one core of this machine."""

from __future__ import annotations

import argparse
import time
from statistics import median

import cv2

from hetnet_ros.cell.camera import PinholeCamera
from hetnet_ros.cell.faces import FACES
from hetnet_ros.cell.parts import draw_part, draw_shot, photograph


def main() -> None:
    """Print the median CPU time of a picture of each face: of a new part, and of one whose surface is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="640x480", help="image size, WIDTHxHEIGHT (default: 640x480)")
    parser.add_argument("--repeat", type=int, default=15, help="pictures of each kind (default: 15)")
    args = parser.parse_args()
    width, height = (int(side) for side in args.size.split("x"))
    camera = PinholeCamera.of_size(width, height)
    cv2.setNumThreads(1)
    print(f"{width}x{height}, one core, CPU ms, median (smallest) of {args.repeat}")
    for face in FACES:
        photograph(draw_part(face, 0, 0), draw_shot(draw_part(face, 0, 0), 0), camera)
        new = [_cpu_ms(face, 1 + k, 0, camera) for k in range(args.repeat)]
        again = [_cpu_ms(face, args.repeat, 1 + k, camera) for k in range(args.repeat)]
        print(
            f"{face:6} new part {median(new):5.1f} ({min(new):5.1f})   "
            f"same part {median(again):5.1f} ({min(again):5.1f})"
        )


def _cpu_ms(face: str, index: int, number: int, camera: PinholeCamera) -> float:
    started = time.process_time()
    part = draw_part(face, 0, index, 0.5)
    photograph(part, draw_shot(part, number), camera)
    return (time.process_time() - started) * 1e3


if __name__ == "__main__":
    main()
