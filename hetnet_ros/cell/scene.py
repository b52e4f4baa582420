"""One shot of the cell: a part's face, a camera, the conditions and the defects in, a picture and the whole truth
out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from hetnet_ros.cell import lighting, relief, sensor
from hetnet_ros.cell.camera import CameraPose, PartPose, PinholeCamera, Rigid
from hetnet_ros.cell.conditions import Conditions
from hetnet_ros.cell.defects import DefectSpec
from hetnet_ros.cell.stamps import Stamp
from hetnet_ros.cell.surface import Surface, build

FULL_WIDTH = 480
"""Cameras narrower than this bin: the shot is taken with pixels a whole number of times finer, so that thin marks
neither sparkle nor vanish, and averaged."""
MASK_SHARE = 0.25
"""A pixel belongs to a defect's mask from this share of its area on.  Where no pixel has that much of a defect that
can be seen, the one with most of it does, so that no visible defect goes without a mask."""


@dataclass(frozen=True)
class DefectGeometry:
    """Where one defect is in space, exactly, in the camera's optical frame.

    position_m: its centroid on the surface as it is with the defect.  normal: unit vector out of the sound metal
    around it, towards the camera.  extent_mm: size along the face's x and y.  depth_mm: largest displacement along
    the face's normal, negative into the metal.  area_mm2: altered area, along the face's normal.  pixel: (u, v) of
    the centroid.  visible: whether that pixel is in the picture.
    """

    spec: DefectSpec
    position_m: tuple[float, float, float]
    normal: tuple[float, float, float]
    extent_mm: tuple[float, float]
    depth_mm: float
    area_mm2: float
    pixel: tuple[float, float]
    visible: bool


@dataclass(frozen=True, eq=False)
class Render:
    """A picture and its truth.

    rgb: uint8 (height, width, 3).  mask: uint8 (height, width), 255 where at least MASK_SHARE of what the pixel's
    area sees is metal that a defect altered (or took away), else 0; empty without defects.  depth: float32 (height,
    width), metres along the optical axis to the surface in the pixel's centre (REP 118).  optical_from_face: face
    frame to optical frame, mm.
    """

    rgb: np.ndarray
    mask: np.ndarray
    depth: np.ndarray
    camera: PinholeCamera
    optical_from_face: Rigid
    defects: tuple[DefectGeometry, ...]


@lru_cache(maxsize=2)
def _surface(face: str, defects: tuple[DefectSpec, ...], seed: int) -> Surface:
    """Several views of the same part share its surface."""
    return build(face, defects, seed)


def render(
    face: str,
    camera: PinholeCamera = PinholeCamera(),
    pose: CameraPose = CameraPose(),
    conditions: Conditions = Conditions(),
    defects: Sequence[DefectSpec] = (),
    seed: int = 0,
    part_pose: PartPose = PartPose(),
    shot: int = 0,
) -> Render:
    """Photograph one face of one part.

    ``seed`` is the part's: it sets grain, tool marks and tone.  ``shot`` sets the sensor's noise, so that two shots
    of the same part differ as two frames of a camera do.  The same arguments give the same bytes.  InputError for an
    unknown face.
    """
    surface = _surface(face, tuple(defects), int(seed))
    binning = max(1, math.ceil(FULL_WIDTH / camera.width))
    fine = camera.finer(binning) if binning > 1 else camera
    cell_from_face = part_pose.transform()
    optical_from_face = pose.transform() @ cell_from_face
    hits = relief.intersect(surface.height, fine, optical_from_face)
    light = lighting.radiance(surface, hits, conditions, cell_from_face)
    rgb = sensor.expose(light, conditions, binning, np.random.default_rng((int(seed), 2, int(shot))))
    centres = hits if binning == 1 else relief.intersect(surface.height, camera, optical_from_face)
    mask = _mask(surface, hits, fine, optical_from_face, binning)
    return Render(
        rgb,
        mask,
        centres.depth * np.float32(1e-3),
        camera,
        optical_from_face,
        tuple(_geometry(stamp, surface, camera, optical_from_face) for stamp in surface.stamps),
    )


def _mask(
    surface: Surface, hits: relief.Hits, camera: PinholeCamera, optical_from_face: Rigid, binning: int
) -> np.ndarray:
    """uint8 0 or 255: the share of each pixel that sees altered metal, or through which altered metal is gone."""
    height, width = hits.depth.shape
    if not surface.stamps:
        return np.zeros((height // binning, width // binning), np.uint8)
    altered = surface.altered
    if hits.footprint > 1.2:
        altered = cv2.GaussianBlur(altered, (0, 0), 0.29 * hits.footprint)
    share = relief.sample(altered, hits.column, hits.row)
    for stamp in surface.stamps:
        window = _around(stamp, camera, optical_from_face)
        if stamp.depth < 0 and share[window].size:
            before = relief.intersect(surface.sound_height, camera, optical_from_face, window)
            np.maximum(share[window], relief.sample(altered, before.column, before.row), out=share[window])
    if binning > 1:
        share = cv2.resize(share, (width // binning, height // binning), interpolation=cv2.INTER_AREA)
    least = min(MASK_SHARE, max(float(share.max()), 0.01))
    return np.where(share >= np.float32(least), np.uint8(255), np.uint8(0))


def _around(stamp: Stamp, camera: PinholeCamera, optical_from_face: Rigid) -> tuple[slice, slice]:
    """The pixels that may see a defect."""
    left, right, low, high = stamp.extent
    corners = np.array([(x, y, stamp.centre[2] + z) for x in (left, right) for y in (low, high) for z in (-8.0, 8.0)])
    u, v = camera.project(optical_from_face.apply(corners)).T
    sides = []
    for along, size in ((v, camera.height), (u, camera.width)):
        first, last = np.clip([math.floor(along.min()) - 4, math.ceil(along.max()) + 5], 0, size)
        sides.append(slice(int(first), int(last)))
    return sides[0], sides[1]


def _geometry(stamp: Stamp, surface: Surface, camera: PinholeCamera, optical_from_face: Rigid) -> DefectGeometry:
    position = optical_from_face.apply(np.array(stamp.centre))
    normal = optical_from_face.turn(np.array(stamp.normal))
    u, v = camera.project(position)[0]
    left, right, low, high = stamp.extent
    inside = 0 <= u <= camera.width - 1 and 0 <= v <= camera.height - 1
    return DefectGeometry(
        stamp.spec,
        tuple(float(p) / 1e3 for p in position),
        tuple(float(n) for n in normal),
        (right - left, high - low),
        stamp.depth,
        stamp.area,
        (float(u), float(v)),
        bool(inside),
    )
