#!/usr/bin/env python3
"""Ways to read a defect's centroid off a taught model, against the virtual cell's truth: why regions lie where they lie.

    benchmarks/centroids.py MODEL [--face front] [--parts 84]

MODEL was taught on that face at 640x480 (``hetnet cell DIR --faces front --conditions mid --size 640x480 --train 80``).
Prints the median distance in the image between the centroid of the true mask and each way's, in px of 640 and in mm at the
cell's 400 mm.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from defects_in_space import STRAIGHT, _touches, pictures

from hetnet_ros.cell.faces import FACES
from hetnet_ros.errors import InputError
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.preprocessing import resize, to_tensor


def ways(inspector: PartInspector, rgb: np.ndarray, contour: np.ndarray, centroid: tuple[float, float]) -> Iterator[tuple[str, np.ndarray]]:
    """Name and centroid (x, y), px from the image's corner, of each way to read one found region."""
    height, width = rgb.shape[:2]
    inside = cv2.fillPoly(np.zeros((height, width), np.uint8), [contour.reshape(-1, 1, 2)], 1) > 0
    yield "score-weighted, in use", np.array(centroid) + 0.5
    network = inspector.runner.network
    size = network.config.image_size
    with torch.inference_mode():
        distances = network.stage_distances(network.teachers(to_tensor(resize(rgb, size)[None])))
        drawn = network.anomaly_map
        maps = [drawn(distances)[0][0]] + [drawn.raised(distance / level, offset)[0] for level, offset, distance
                                           in zip(drawn.levels, drawn.offsets, distances)]
        total, *stages = (cv2.resize(one.numpy(), (width, height)) for one in maps)
    peak = np.unravel_index(np.where(inside, total, -1).argmax(), total.shape)
    yield "peak of the map", np.array([peak[1], peak[0]]) + 0.5
    for share in (0.5, 0.7, 0.85):
        yield f"above {100 * share:.0f} % of the peak", _centroid(total, inside, share)
    yield "stage 1 alone", _centroid(stages[0], inside, 0.3)
    yield "stages 1 and 2", _centroid(stages[0] + stages[1], inside, 0.3)
    yield "product of the stages", _centroid(np.prod([s / s[inside].max() for s in stages], axis=0), inside, 0.3)
    contrast = np.abs(cv2.GaussianBlur(rgb, (0, 0), 1).astype(np.float32) - cv2.medianBlur(rgb, 41)).sum(-1)
    ring = (cv2.dilate(inside.astype(np.uint8), np.ones((15, 15))) > 0) & ~inside
    contrast = np.clip(contrast - np.quantile(contrast[ring], 0.9), 0, None)
    yield "contrast in the picture", _centroid(contrast * total**3, inside, 0.0)


def _centroid(values: np.ndarray, inside: np.ndarray, share: float) -> np.ndarray:
    weight = np.where(inside, values, 0.0)
    weight = np.clip(weight - share * weight.max(), 0, None)
    rows, columns = np.indices(weight.shape)
    total = max(weight.sum(), 1e-12)
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / total + 0.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--face", choices=tuple(FACES), default="front")
    parser.add_argument("--parts", type=int, default=84)
    args = parser.parse_args()
    inspector = PartInspector.load(args.model, "cpu")
    errors: dict[str, list[float]] = {}
    millimetres = []
    for _, shot in pictures(args.parts, (args.face,), STRAIGHT, 1, tilt=0.0):
        touched = [defect for defect in inspector.inspect(shot.rgb).defects if _touches(defect.contour, shot.mask)]
        if not touched:
            continue
        rows, columns = np.nonzero(shot.mask)
        truth = np.array([columns.mean(), rows.mean()]) + 0.5
        millimetres.append(1e3 * shot.depth[int(truth[1]), int(truth[0])] / shot.camera.matrix[0, 0])
        for name, found in ways(inspector, shot.rgb, touched[0].contour, touched[0].centroid):
            errors.setdefault(name, []).append(float(np.linalg.norm(found - truth)))
    if not errors:
        raise InputError(f"{args.model} finds no region on any defect of face {args.face}: teach it on that face")
    print(f"{len(millimetres)} defects of face {args.face}; one px is {np.median(millimetres):.2f} mm")
    for name, values in errors.items():
        print(f"{name:26} {np.median(values):5.1f} px {np.median(values) * np.median(millimetres):6.2f} mm")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"centroids: {error}")
