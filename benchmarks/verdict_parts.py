"""The virtual parts of ``benchmarks/verdicts.py``: which are photographed, from where, and with which faults.

Every picture is a function of its role and number alone, and no part is in two roles.  Pictures are reduced to the
network's size at once, by the inspection's own resize, and can be kept on disk between runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hetnet_ros.cell.camera import CameraPose, PinholeCamera
from hetnet_ros.cell.conditions import OPTICAL_FAULTS, with_fault
from hetnet_ros.cell.faces import FACES
from hetnet_ros.cell.parts import Part, Shot, draw_part, draw_shot, photograph
from hetnet_ros.inspection.preprocessing import resize

FACE = "front"
VIEWPOINTS = (CameraPose(distance_mm=330.0), CameraPose(tilt_deg=20.0, azimuth_deg=0.0, distance_mm=330.0),
              CameraPose(tilt_deg=20.0, azimuth_deg=120.0, distance_mm=330.0))
FAULTS = (*OPTICAL_FAULTS, "wrong_part", "frozen_camera")
SEEDS = {"teach": 101, "calibrate": 202, "good": 303, "defective": 404, "fault": 606}
CAMERA = PinholeCamera.of_size(640, 480)


@dataclass(frozen=True)
class Counts:
    """Numbers of parts in each role; every fault is shown on ``faults`` parts."""

    teach: int = 240
    calibrate: int = 1500
    good: int = 500
    defective: int = 300
    faults: int = 40


def picture(role: str, number: int, view: int, fault: str = "") -> np.ndarray:
    """uint8 (480, 640, 3): part ``number`` of a role from viewpoint ``view``, with a fault of FAULTS."""
    face = FACE
    if fault == "wrong_part":
        others = [name for name in FACES if name != FACE]
        face = others[number % len(others)]
    part = draw_part(face, SEEDS[role], number, float(role == "defective"))
    shot = draw_shot(part, view, "mid", viewpoint=VIEWPOINTS[view])
    if fault in OPTICAL_FAULTS:
        shot = _faulty(part, shot, fault)
    return photograph(part, shot, CAMERA).rgb


def _faulty(part: Part, shot: Shot, fault: str) -> Shot:
    conditions = with_fault(shot.conditions, fault, np.random.default_rng((part.seed, shot.number, 17)))
    return Shot(shot.camera_pose, conditions, shot.number)


def plan(role: str, counts: Counts) -> list[tuple[int, int, str]]:
    """(number, view, fault) of every picture of a role, in order.

    Parts to teach and to calibrate with, and parts with faults, are seen from one viewpoint each, all in turn; good and
    defective ones from all.  A frozen camera shows a good part's picture again and is not photographed anew.
    """
    count = counts.faults if role == "fault" else getattr(counts, role)
    if role in ("good", "defective"):
        return [(number, view, "") for number in range(count) for view in range(len(VIEWPOINTS))]
    if role == "fault":
        return [(number, number % len(VIEWPOINTS), fault) for fault in FAULTS[:-1] for number in range(count)]
    return [(number, number % len(VIEWPOINTS), "") for number in range(count)]


def pictures(role: str, counts: Counts, size: int, cache: Path | None) -> np.ndarray:
    """uint8 (N, size, size, 3) in the order of :func:`plan`; kept in ``cache``, under a name that tells the cell's code."""
    shots = plan(role, counts)
    path = cache / f"{role}_{len(shots)}_{size}_{cell_digest()}.npy" if cache else None
    if path and path.exists():
        return np.load(path, mmap_mode="r")
    images = np.stack([resize(picture(role, *shot), size) for shot in _bar(shots, f"photographing: {role}")])
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, images)
    return images


def _bar(shots: list[tuple[int, int, str]], text: str) -> Iterator[tuple[int, int, str]]:
    return iter(tqdm(shots, desc=text, unit="picture", disable=None))


def cell_digest() -> str:
    import hetnet_ros.cell

    digest = hashlib.sha256(Path(__file__).read_bytes())
    for source in sorted(Path(hetnet_ros.cell.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:8]
