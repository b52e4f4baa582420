#!/usr/bin/env python3
"""Error of defects' positions and normals in space, against the virtual cell's exact truth at 400 mm.

    benchmarks/defects_in_space.py [--parts 84] [--model MODEL --face front] [--json F]

Every part has one defect; views lean up to 20 degrees to any side.  Regions are the true masks, with a straight and with a
distorting lens (plumb_bob, k1 -0.12), on all six faces; with ``--model`` also the regions that this model finds on its
face, as the inspector would use them.  Depth noise is independent from pixel to pixel, sigma 0 and 1 mm.  An error of position is the
distance to the centroid of the altered metal, on the surface as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from hetnet_ros.cell.camera import CameraPose, PinholeCamera
from hetnet_ros.cell.defects import KINDS
from hetnet_ros.cell.faces import FACES
from hetnet_ros.cell.parts import draw_part, draw_shot, photograph
from hetnet_ros.cell.scene import Render
from hetnet_ros.errors import InputError
from hetnet_ros.inspection.camera_model import CameraModel
from hetnet_ros.inspection.geometry import DefectPose, NoPose, locate_defects, locate_region
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.result import Verdict

PARTS = 84
NOISES_MM = (0.0, 1.0)
TARGETS_MM = {0.0: 0.5, 1.0: 1.5}
TARGET_DEG = 5.0
STRAIGHT = (0.0, 0.0, 0.0, 0.0, 0.0)
BENT = (-0.12, 0.05, 0.001, -0.0008, 0.0)


@dataclass(frozen=True)
class Errors:
    """Errors over the located defects of one condition; medians and 95th percentiles."""

    regions: str
    noise_mm: float
    defects: int
    located: int
    position_mm: float
    position_p95_mm: float
    normal_deg: float
    normal_p95_deg: float
    area_ratio: float

    @property
    def met(self) -> bool:
        """Whether the targets at 400 mm hold."""
        return self.located > 0 and self.position_mm <= TARGETS_MM[self.noise_mm] and self.normal_deg <= TARGET_DEG


def pictures(
    parts: int, faces: Sequence[str], lens: tuple[float, ...], seed: int, tilt: float = 20.0
) -> Iterator[tuple[str, Render]]:
    """Kind of defect and picture of each part; faces and kinds take turns."""
    camera = PinholeCamera.of_size(640, 480, lens)
    for index in range(parts):
        kind = KINDS[index % len(KINDS)]
        part = draw_part(faces[(index // len(KINDS)) % len(faces)], seed, index, 1.0, (kind,))
        view = np.random.default_rng((seed, index, 3)).uniform((0.0, 0.0), (tilt, 360.0))
        shot = photograph(part, draw_shot(part, 0, viewpoint=CameraPose(*view)), camera)
        if shot.defects[0].visible and shot.mask.any():
            yield kind, shot


def model_of(camera: PinholeCamera) -> CameraModel:
    """The cell's camera as CameraInfo tells it."""
    return CameraModel(camera.width, camera.height, tuple(camera.matrix.ravel()), camera.distortion)


def noisy(depth: np.ndarray, sigma_mm: float, seed: int) -> np.ndarray:
    """Depth, m, with independent Gaussian noise."""
    if not sigma_mm:
        return depth
    return depth + np.random.default_rng(seed).normal(0, sigma_mm / 1e3, depth.shape).astype(np.float32)


def from_masks(parts: int, lens: tuple[float, ...], name: str, seed: int = 0) -> list[tuple[Errors, dict[str, float]]]:
    """Errors with the true masks as regions, and the median position error of each kind of defect."""
    found: dict[float, list] = {noise: [] for noise in NOISES_MM}
    for number, (kind, shot) in enumerate(tqdm(pictures(parts, tuple(FACES), lens, seed), total=parts, desc=name)):
        for noise in NOISES_MM:
            depth = noisy(shot.depth, noise, number)
            found[noise].append((kind, shot, locate_region(shot.mask > 0, model_of(shot.camera), depth)))
    return [_errors(name, noise, rows) for noise, rows in found.items()]


def from_model(
    parts: int, inspector: PartInspector, face: str, seed: int = 1
) -> tuple[list[tuple[Errors, dict[str, float]]], float]:
    """Errors with a taught model's regions, and the share of defects that it found a region on.

    Views are those the model was taught on: face on, within the cell's own jitter.  Of the regions that touch the true
    mask the one of highest score counts.
    """
    found: dict[float, list] = {noise: [] for noise in NOISES_MM}
    total = hits = 0
    for number, (kind, shot) in enumerate(
        tqdm(pictures(parts, (face,), STRAIGHT, seed, tilt=0.0), total=parts, desc="taught model")
    ):
        total += 1
        inspection = inspector.inspect(shot.rgb)
        touched = [defect for defect in inspection.defects if _touches(defect.contour, shot.mask)]
        if inspection.verdict is not Verdict.REJECT or not touched:
            continue
        hits += 1
        for noise in NOISES_MM:
            (pose,) = locate_defects(touched[:1], model_of(shot.camera), noisy(shot.depth, noise, number))
            found[noise].append((kind, shot, pose))
    return [_errors("taught model", noise, rows) for noise, rows in found.items()], hits / max(total, 1)


def _touches(contour: np.ndarray, mask: np.ndarray) -> bool:
    filled = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(filled, [contour.reshape(-1, 1, 2)], 255)
    return bool((filled & mask).any())


def _errors(
    name: str, noise: float, rows: list[tuple[str, Render, DefectPose | NoPose]]
) -> tuple[Errors, dict[str, float]]:
    good = [(kind, shot.defects[0], pose) for kind, shot, pose in rows if isinstance(pose, DefectPose)]
    if not good:
        nan = float("nan")
        return Errors(name, noise, len(rows), 0, nan, nan, nan, nan, nan), {}
    position = np.array([1e3 * np.linalg.norm(pose.position - truth.position_m) for _, truth, pose in good])
    cosine = np.array([np.dot(pose.normal, truth.normal) for _, truth, pose in good])
    normal = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    area = np.median([pose.area_mm2 / truth.area_mm2 for _, truth, pose in good])
    kinds = {
        kind: (
            float(np.median(position[[k == kind for k, _, _ in good]])),
            float(np.median(normal[[k == kind for k, _, _ in good]])),
        )
        for kind in KINDS
        if any(k == kind for k, _, _ in good)
    }
    figures = [float(v) for e in (position, normal) for v in (np.median(e), np.percentile(e, 95))]
    return Errors(name, noise, len(rows), len(good), *figures, float(area)), kinds


def measure(parts: int = PARTS, inspector: PartInspector | None = None, face: str = "front") -> dict[str, object]:
    """Everything this benchmark measures, ready for JSON; with an inspector also the regions that it finds on its face."""
    results = [*from_masks(parts, STRAIGHT, "true masks"), *from_masks(parts, BENT, "true masks, bent lens")]
    share = None
    if inspector is not None:
        more, share = from_model(parts, inspector, face)
        results += more
    return {
        "distance_mm": 400.0,
        "model_found": share,
        "conditions": [{**asdict(row), "met": row.met, "kinds": kinds} for row, kinds in results],
    }


def lines(figures: dict[str, object]) -> list[str]:
    """The table that is printed."""
    table = ["regions                noise   located    position median/p95   normal median/p95   area ratio   targets"]
    for row in figures["conditions"]:
        table.append(
            f"{row['regions']:22} {row['noise_mm']:3.0f} mm {row['located']:4d}/{row['defects']:<4d} "
            f"{row['position_mm']:8.2f} /{row['position_p95_mm']:6.2f} mm {row['normal_deg']:9.2f} /"
            f"{row['normal_p95_deg']:6.2f} deg {row['area_ratio']:8.2f}       {'met' if row['met'] else 'MISSED'}"
        )
    for row in figures["conditions"]:
        text = ", ".join(f"{kind} {p:.2f} mm {n:.1f} deg" for kind, (p, n) in row["kinds"].items())
        table.append(f"{row['regions']}, {row['noise_mm']:.0f} mm, medians: {text}")
    if figures["model_found"] is not None:
        table.append(
            f"the taught model rejected, with a region on the defect, {100 * figures['model_found']:.0f} % of the "
            "defective parts; its errors are mostly those of its regions in the image"
        )
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=int, default=PARTS, help=f"defective parts of each condition (default: {PARTS})")
    parser.add_argument("--model", type=Path, help="a model taught on one face of the cell at 640x480")
    parser.add_argument("--face", default="front", choices=tuple(FACES), help="that face (default: front)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    figures = measure(args.parts, PartInspector.load(args.model) if args.model else None, args.face)
    print("\n".join(lines(figures)))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"defects_in_space.py: error: {error}")
