"""An endless, repeatable row of parts: part number ``index`` of a seed is always the same, good or defective.

Everything that shows and judges parts (the virtual camera, data sets, demonstrations, tests) draws them from here, so
two processes that agree on face, seed and index agree on the truth without a message between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hetnet_ros.cell.camera import CameraPose, PartPose, PinholeCamera
from hetnet_ros.cell.conditions import Conditions, vary
from hetnet_ros.cell.defects import KINDS, DefectSpec, random_defect
from hetnet_ros.cell.scene import Render, render

PART_PLAY = (1.5, 1.5, 1.5)
"""How far a part lies off at jitter 1, each way: mm along x and y, degrees."""
CAMERA_PLAY = (1.5, 1.5, 0.8, 4.0)
"""How far the robot misses its viewpoint at jitter 1, each way: lean along x and y and roll in degrees, distance in mm."""


@dataclass(frozen=True)
class Part:
    """One part on its place: the face shown, its number, the seed of its surface, how it lies, and its defects (at
    most one when drawn by :func:`draw_part`)."""

    face: str
    index: int
    seed: int
    pose: PartPose = PartPose()
    defects: tuple[DefectSpec, ...] = ()

    @property
    def truth(self) -> str:
        """``good``, or the kind of its defect."""
        return self.defects[0].kind if self.defects else "good"


@dataclass(frozen=True)
class Shot:
    """How one picture is taken; ``number`` sets the sensor's noise."""

    camera_pose: CameraPose
    conditions: Conditions
    number: int


def draw_part(
    face: str,
    seed: int,
    index: int,
    defect_probability: float = 0.5,
    kinds: Sequence[str] = KINDS,
    size_scale: float = 1.0,
    jitter: float = 1.0,
) -> Part:
    """Part ``index`` of ``seed``.  With ``defect_probability`` it has one defect of one of ``kinds``; 0 gives the
    same part without it.  ``jitter`` scales how far it lies off: up to 1.5 mm and 1.5 degrees."""
    rng = np.random.default_rng((seed, index, 11))
    x, y, turn = rng.uniform(-np.array(PART_PLAY), PART_PLAY) * jitter
    surface_seed = int(rng.integers(1 << 31))
    spoiled = rng.random() < defect_probability
    kind = kinds[int(rng.integers(len(kinds)))] if kinds else ""
    defects = (random_defect(face, kind, rng, size_scale),) if spoiled and kind else ()
    return Part(face, index, surface_seed, PartPose(float(x), float(y), 0.0, float(turn)), defects)


def draw_shot(
    part: Part, number: int, illumination: str = "mid", jitter: float = 1.0, viewpoint: CameraPose = CameraPose()
) -> Shot:
    """Picture ``number`` of a part: from ``viewpoint``, which the robot meets to within 1.5 degrees and 4 mm at
    jitter 1, in conditions that vary as :func:`~hetnet_ros.cell.conditions.vary` says."""
    rng = np.random.default_rng((part.seed, number, 13))
    u = rng.uniform(-1, 1, 5) * jitter
    return Shot(missed(viewpoint, u[:4] * CAMERA_PLAY), vary(Conditions.at(illumination), rng, jitter), number)


def missed(viewpoint: CameraPose, by: np.ndarray) -> CameraPose:
    """The viewpoint missed by (4,): lean along x and y and roll in degrees, distance in mm."""
    # A small lean to any side; composed with the viewpoint's by adding the two as vectors.
    lean = np.radians(viewpoint.azimuth_deg)
    vector = viewpoint.tilt_deg * np.array([np.cos(lean), np.sin(lean)]) + by[:2]
    return CameraPose(
        float(min(np.hypot(*vector), 60.0)),
        float(np.degrees(np.arctan2(vector[1], vector[0]))),
        viewpoint.roll_deg + float(by[2]),
        viewpoint.distance_mm + float(by[3]),
        viewpoint.target_x,
        viewpoint.target_y,
    )


def photograph(part: Part, shot: Shot, camera: PinholeCamera = PinholeCamera()) -> Render:
    """Take the picture."""
    return render(part.face, camera, shot.camera_pose, shot.conditions, part.defects, part.seed, part.pose, shot.number)
