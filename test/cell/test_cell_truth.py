"""A defect's mask, place and normal are those of the metal that it altered."""

import cv2
import numpy as np
import pytest

from hetnet_ros.cell.camera import CameraPose, PartPose, PinholeCamera
from hetnet_ros.cell.canvas import HALF_X_MM, HALF_Y_MM
from hetnet_ros.cell.conditions import Conditions
from hetnet_ros.cell.defects import KINDS, SIZES_MM, DefectSpec, missing_hole, random_defect
from hetnet_ros.cell.faces import FACES
from hetnet_ros.cell.nominal import nominal
from hetnet_ros.cell.parts import draw_part
from hetnet_ros.cell.scene import render
from hetnet_ros.cell.surface import build
from hetnet_ros.errors import InputError

POSE = CameraPose(9, 60, 4)
PART = PartPose(0.6, -0.9, 0.0, 1.1)
# Lens blur of 0.55 pixels reaches 3 pixels, and the mask leaves out pixels of which less than a quarter is altered.
MARGIN = np.ones((11, 11), np.uint8)


def shot(face, defects, **more):
    return render(face, pose=POSE, part_pose=PART, defects=defects, seed=5, **more)


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_changes_the_picture_in_its_mask_and_nowhere_else(kind):
    face = list(FACES)[KINDS.index(kind) % 6]
    spec = random_defect(face, kind, np.random.default_rng(KINDS.index(kind)))
    sound, spoiled = shot(face, ()), shot(face, (spec,))
    change = np.abs(sound.rgb.astype(int) - spoiled.rgb).max(2)
    mask = spoiled.mask > 0
    assert mask.any() and set(np.unique(spoiled.mask)) <= {0, 255}
    outside = cv2.dilate(spoiled.mask, MARGIN) == 0
    assert change[outside].max() <= 1  # rounding of the sensor
    assert np.mean(change[mask] > 1) > 0.5 and change[mask].max() >= 8
    moved = np.abs(sound.depth - spoiled.depth) > 2e-5
    assert not (moved & outside).any()


@pytest.mark.parametrize("kind", ["dent", "pit", "crack", "chip", "missing_hole"])
def test_depth_shows_what_is_gone_or_filled(kind):
    spec = random_defect("front", kind, np.random.default_rng(4))
    sound, spoiled = shot("front", ()), shot("front", (spec,))
    change = (spoiled.depth - sound.depth)[spoiled.mask > 0] * 1e3
    geometry = spoiled.defects[0]
    if kind == "missing_hole":
        assert geometry.depth_mm > 5 and change.min() < -3
    else:
        assert geometry.depth_mm < -0.1 and change.max() > 0.3 * -geometry.depth_mm


@pytest.mark.parametrize("face", FACES)
def test_every_chip_takes_something_away(face):
    parts = [draw_part(face, 1, index, 1.0, ("chip",)) for index in (14, 70, *range(100, 118))]
    assert all(build(face, part.defects, part.seed).stamps[0].area > 0 for part in parts)


def test_a_stain_has_no_depth():
    spec = random_defect("up", "stain", np.random.default_rng(1))
    np.testing.assert_array_equal(shot("up", (spec,)).depth, shot("up", ()).depth)


def test_a_sound_part_has_an_empty_mask_and_no_geometry():
    picture = shot("down", ())
    assert not picture.mask.any() and picture.mask.dtype == np.uint8 and picture.defects == ()


@pytest.mark.parametrize("pose", [CameraPose(), CameraPose(20, 200, 15, 380, 4, 3)])
def test_position_and_normal_of_a_defect_are_exact(pose):
    spec = DefectSpec("stain", 48.0, 13.0, 6.0, seed=3)  # on the milled frame of the front face, at height 0
    picture = render("front", pose=pose, part_pose=PART, defects=(spec,), conditions=Conditions.at("mid"))
    geometry = picture.defects[0]
    rows, columns = np.nonzero(picture.mask)
    # The mask's middle, its depth and the projected centroid are one place: to half a pixel, and 0.15 mm.
    assert np.hypot(geometry.pixel[0] - columns.mean(), geometry.pixel[1] - rows.mean()) < 0.6
    x, y = picture.camera.rays()
    depth = picture.depth[rows, columns].astype(np.float64)
    cloud = np.stack([x[rows, columns] * depth, y[rows, columns] * depth, depth], 1)
    assert np.linalg.norm(cloud.mean(0) - geometry.position_m) < 1.5e-4
    plane = np.linalg.svd(cloud - cloud.mean(0))[2][2]
    assert abs(plane @ np.array(geometry.normal)) > np.cos(np.radians(1.0))
    assert np.dot(geometry.normal, geometry.position_m) < 0, "the normal points out of the metal, to the camera"
    assert np.linalg.norm(geometry.normal) == pytest.approx(1, abs=1e-6)


def test_area_and_extent_are_in_millimetres():
    spec = DefectSpec("dent", 45.0, 20.0, 6.0, seed=1)
    geometry = render("front", defects=(spec,)).defects[0]
    assert 4.0 < min(geometry.extent_mm) <= max(geometry.extent_mm) < 9.0
    assert 15 < geometry.area_mm2 < 45  # an ellipse of about 6 mm
    in_pixels = np.count_nonzero(render("front", defects=(spec,)).mask)
    assert in_pixels * 0.25**2 == pytest.approx(geometry.area_mm2, rel=0.12)  # 0.25 mm a pixel from 400 mm


@pytest.mark.parametrize("width", [150, 200, 300, 600])
def test_small_pictures_keep_their_masks(width):
    spec = DefectSpec("scratch", 0.0, 28.5, 12.0, angle_deg=80.0, seed=2)
    fine = render("right", PinholeCamera.of_size(600, 450), defects=(spec,)).mask
    coarse = render("right", PinholeCamera.of_size(width, width * 3 // 4), defects=(spec,)).mask
    assert coarse.shape == (width * 3 // 4, width)
    seen = cv2.resize(fine, coarse.shape[::-1], interpolation=cv2.INTER_AREA)
    assert coarse.any()
    # Every pixel that is wholly altered is in the mask, and none that sees nothing altered within a pixel.
    assert (coarse[seen > 200] == 255).all()
    assert not coarse[cv2.dilate(seen, np.ones((3, 3), np.uint8)) == 0].any()


@pytest.mark.parametrize("kind", KINDS)
def test_random_defects_lie_on_the_part_and_have_usual_sizes(kind):
    for seed in range(12):
        spec = random_defect("back", kind, np.random.default_rng(seed))
        column = int((spec.x + HALF_X_MM) / 0.2)
        row = int((HALF_Y_MM - spec.y) / 0.2)
        assert nominal("back").part[row, column]
        if kind != "missing_hole":
            low, high = SIZES_MM[kind]
            assert low <= spec.size_mm <= high


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DefectSpec("rust"), "rust"),
        (lambda: DefectSpec("dent", size_mm=99), "size"),
        (lambda: DefectSpec("dent", severity=9), "severity"),
        (lambda: DefectSpec("dent", x=500), "off the face"),
        (lambda: missing_hole("up", 99), "no hole 99"),
        (lambda: random_defect("up", "rust", np.random.default_rng(0)), "rust"),
        (lambda: render("top"), "'top'"),
    ],
)
def test_impossible_defects_are_refused_in_one_line(make, words):
    with pytest.raises(InputError, match=words) as refused:
        make()
    assert "\n" not in str(refused.value)
