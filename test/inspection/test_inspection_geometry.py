"""A defect's pose: against the virtual cell's exact truth, and on plain surfaces where the answer is known by heart."""

import math

import cv2
import numpy as np
import pytest

from hetnet_ros.cell.camera import CameraPose, PinholeCamera
from hetnet_ros.cell.defects import KINDS, DefectSpec
from hetnet_ros.cell.parts import draw_part, draw_shot, photograph
from hetnet_ros.cell.scene import render
from hetnet_ros.errors import InputError
from hetnet_ros.inspection.camera_model import CameraModel
from hetnet_ros.inspection.geometry import MAX_LIFTED, DefectPose, NoPose, locate_defects, locate_region
from hetnet_ros.inspection.result import Box, Defect

K = (400.0, 0.0, 159.5, 0.0, 400.0, 119.5, 0.0, 0.0, 1.0)
CAMERA = CameraModel(320, 240, K)
BENT = (-0.12, 0.05, 0.001, -0.0008, 0.0)


def plane_depth(normal, distance=0.4, camera=CAMERA):
    """float32 (H, W): depth of a plane whose point on the optical axis is ``distance`` m away."""
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    rays = camera.rays(np.stack([u.ravel(), v.ravel()], 1))
    along = np.column_stack([rays, np.ones(len(rays))]) @ normal
    return (normal[2] * distance / along).reshape(u.shape).astype(np.float32)


def tilted(degrees, towards=30.0):
    """Unit normal towards the camera, tilted away from the view."""
    a, t = math.radians(degrees), math.radians(towards)
    return np.array([math.sin(a) * math.cos(t), math.sin(a) * math.sin(t), -math.cos(a)])


def disc(u, v, radius, camera=CAMERA):
    region = np.zeros((camera.height, camera.width), np.uint8)
    cv2.circle(region, (u, v), radius, 1, -1)
    return region > 0


def defect_at(u, v, radius=8):
    outline = cv2.findContours(disc(u, v, radius).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0][0]
    box = Box(u - radius, v - radius, 2 * radius + 1, 2 * radius + 1)
    return Defect(box, outline[:, 0], (float(u), float(v)), math.pi * radius**2, 0.9, 0.7)


def angle(a, b):
    return math.degrees(math.acos(min(1.0, float(np.dot(a, b)))))


# ---- the virtual cell ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shots():
    """One part of every kind of defect, seen askew from 400 mm through a distorting lens."""
    camera = PinholeCamera.of_size(640, 480, BENT)
    parts = [draw_part("front", 3, index, 1.0, (kind,)) for index, kind in enumerate(KINDS)]
    return [photograph(part, draw_shot(part, 0, viewpoint=CameraPose(12, 70)), camera) for part in parts]


# Targets at 400 mm: medians of 0.5 mm without and 1.5 mm with 1 mm of noise, and 5 degrees.
@pytest.mark.parametrize(("noise_mm", "limit_mm"), [(0.0, 0.5), (1.0, 1.5)])
def test_defects_of_the_cell_are_where_the_truth_says(shots, noise_mm, limit_mm):
    position, normal = [], []
    for number, shot in enumerate(shots):
        depth = shot.depth + np.random.default_rng(number).normal(0, noise_mm / 1e3, shot.depth.shape)
        camera = CameraModel(640, 480, tuple(shot.camera.matrix.ravel()), shot.camera.distortion)
        pose = locate_region(shot.mask > 0, camera, depth.astype(np.float32))
        truth = shot.defects[0]
        position.append(1e3 * np.linalg.norm(pose.position - truth.position_m))
        normal.append(angle(pose.normal, truth.normal))
    assert np.median(position) <= limit_mm and max(position) < 2 * limit_mm
    assert np.median(normal) <= 5.0


def test_ignoring_the_lens_puts_a_defect_elsewhere():
    camera = PinholeCamera.of_size(640, 480, (-0.9, 0.0, 0.0, 0.0, 0.0))
    shot = render("front", camera, defects=(DefectSpec("stain", 48.0, 13.0, 6.0, seed=3),))
    straight = CameraModel(640, 480, tuple(camera.matrix.ravel()))
    bent = CameraModel(640, 480, tuple(camera.matrix.ravel()), camera.distortion)
    errors = [
        1e3 * np.linalg.norm(locate_region(shot.mask > 0, m, shot.depth).position - shot.defects[0].position_m)
        for m in (bent, straight)
    ]
    assert errors[0] < 0.2 < 0.5 < errors[1]


def test_area_and_extent_are_those_of_the_metal():
    spec = DefectSpec("dent", 45.0, 20.0, 6.0, seed=1)
    shot = render("front", pose=CameraPose(25, 10), defects=(spec,))
    pose = locate_region(shot.mask > 0, CameraModel(640, 480, tuple(shot.camera.matrix.ravel())), shot.depth)
    truth = shot.defects[0]
    assert pose.area_mm2 == pytest.approx(truth.area_mm2, rel=0.15)
    assert 1e3 * pose.extent[0] == pytest.approx(max(truth.extent_mm), rel=0.15)
    assert 1e3 * pose.extent[2] == pytest.approx(-truth.depth_mm, rel=0.3)


# ---- plain surfaces --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interior", ["flush", "dent", "hole", "bump", "not measured"])
@pytest.mark.parametrize("degrees", [0.0, 35.0])
def test_what_is_inside_the_region_does_not_tilt_the_normal(interior, degrees):
    normal = tilted(degrees)
    depth = plane_depth(normal)
    region = disc(180, 100, 12)
    v, u = np.nonzero(region)
    if interior == "not measured":
        depth[region] = 0.0
    elif interior != "flush":  # lopsided, so that any use of the interior would lean the normal
        sink = {"dent": 0.002, "hole": 0.05, "bump": -0.002}[interior]
        depth[region] += (sink * (u - u.min()) / np.ptp(u)).astype(np.float32)
    pose = locate_region(region, CAMERA, depth)
    assert angle(pose.normal, normal) < 0.2
    assert pose.rotation @ pose.rotation.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(pose.rotation) == pytest.approx(1.0)
    if interior in ("flush", "not measured"):
        ray = np.array([*CAMERA.rays([(180.0, 100.0)])[0], 1.0])
        assert pose.position == pytest.approx(ray * normal[2] * 0.4 / (normal @ ray), abs=2e-5)
        assert pose.extent[2] == 0.0


def test_a_step_beside_the_region_is_not_averaged_in():
    normal = tilted(10.0)
    depth = plane_depth(normal)
    depth[:, 200:] += 0.02  # the part ends here, 8 px from the region
    pose = locate_region(disc(180, 120, 11), CAMERA, depth)
    assert angle(pose.normal, normal) < 0.5


def test_a_curved_surface_has_its_normal_at_the_defect():
    radius, distance = 0.04, 0.4  # a shaft of 80 mm, its axis along y
    v, u = np.mgrid[0:240, 0:320]
    x = CAMERA.rays(np.stack([u.ravel(), v.ravel()], 1))[:, 0].reshape(u.shape)
    centre = distance + radius
    root = centre**2 - (1 + x**2) * (centre**2 - radius**2)
    depth = np.where(root > 0, (centre - np.sqrt(np.maximum(root, 0))) / (1 + x**2), 0.6).astype(np.float32)
    pose = locate_region(disc(175, 120, 10), CAMERA, depth)
    outward = pose.position - (0, pose.position[1], centre)
    assert angle(pose.normal, outward / np.linalg.norm(outward)) < 2.0  # a plane through the surroundings leans by less


def test_the_covariance_tells_the_error_that_noise_makes():
    normal, region = tilted(15.0), disc(150, 110, 10)
    poses = []
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(0, 1e-3, (240, 320)).astype(np.float32)
        poses.append(locate_region(region, CAMERA, plane_depth(normal) + noise))
    told = np.sqrt(np.median([normal @ pose.covariance[:3, :3] @ normal for pose in poses]))
    assert np.std([pose.position @ normal for pose in poses]) == pytest.approx(told, rel=0.6)
    lean = np.mean([1 - pose.normal @ normal for pose in poses]) * 2  # the mean square of the angle, about two axes
    tilt = [pose.rotation[:, 0] @ pose.covariance[3:, 3:] @ pose.rotation[:, 0] for pose in poses]
    assert math.sqrt(lean / 2) == pytest.approx(math.sqrt(np.median(tilt)), rel=0.6)
    assert np.median([pose.noise_mm for pose in poses]) == pytest.approx(1.0, rel=0.15)
    for pose in poses:
        assert np.linalg.eigvalsh(pose.covariance).min() > -1e-15


def test_a_pose_moves_with_its_frame():
    pose = locate_region(disc(180, 100, 12), CAMERA, plane_depth(tilted(20.0)))
    turn = cv2.Rodrigues(np.array([0.3, -0.8, 1.1]))[0]
    moved = pose.moved(turn, np.array([1.0, 2.0, 3.0]))
    assert moved.position == pytest.approx(turn @ pose.position + (1, 2, 3))
    assert moved.normal == pytest.approx(turn @ pose.normal)
    assert np.linalg.eigvalsh(moved.covariance) == pytest.approx(np.linalg.eigvalsh(pose.covariance), rel=1e-6, abs=1e-15)
    assert moved.extent is pose.extent and moved.area_mm2 == pose.area_mm2


# ---- what cannot be located ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unmeasured", [0.0, np.nan])
def test_depth_holes_around_a_defect_leave_it_without_a_pose(unmeasured):
    depth = plane_depth(tilted(0.0))
    depth[60:180, 100:260] = unmeasured
    assert locate_region(disc(180, 120, 10), CAMERA, depth) is NoPose.DEPTH_HOLE


def test_surroundings_without_a_surface_are_said_so():
    depth = np.random.default_rng(0).uniform(0.2, 2.0, (240, 320)).astype(np.float32)
    found = locate_region(disc(180, 120, 10), CAMERA, depth)
    assert found is NoPose.NO_SURFACE or found.noise_mm > 100  # chaos is never reported as a good pose


def test_depth_of_another_size_is_not_aligned():
    assert locate_defects((defect_at(160, 120),), CAMERA, np.ones((120, 160), np.float32)) == (NoPose.SIZE_MISMATCH,)


def test_a_neighbouring_defect_is_no_sound_surface():
    normal = tilted(5.0)
    depth = plane_depth(normal)
    big = disc(190, 120, 14)
    depth[big] += 0.001
    poses = locate_defects((defect_at(168, 120, 6), defect_at(190, 120, 14)), CAMERA, depth)
    assert angle(poses[0].normal, normal) < 0.3


def test_defects_beyond_the_limit_say_why_they_have_no_pose():
    defects = tuple(defect_at(20 + 5 * n, 120, 3) for n in range(MAX_LIFTED + 2))
    poses = locate_defects(defects, CAMERA, plane_depth(tilted(0.0)))
    assert len(poses) == len(defects) and poses[-2:] == (NoPose.NOT_RANKED,) * 2
    assert all(isinstance(pose, DefectPose) for pose in poses[:MAX_LIFTED])


def test_a_region_of_one_pixel_at_the_border_has_a_pose():
    region = np.zeros((240, 320), bool)
    region[0, 0] = True
    pose = locate_region(region, CAMERA, plane_depth(tilted(0.0)))
    assert pose.extent[:2] == pytest.approx([1e-3, 1e-3], rel=0.01)  # one pixel of 1 mm


# ---- cameras ---------------------------------------------------------------------------------------------------------

RATIONAL = (0.1, -0.05, 0.001, -0.0005, 0.02, 0.08, -0.03, 0.01)


@pytest.mark.parametrize(
    ("model", "coefficients"),
    [("plumb_bob", (-0.3, 0.1, 0.001, -0.001, 0.0)), ("rational_polynomial", RATIONAL), ("equidistant", (0.05, -0.01, 0.003, 0.0))],
)
def test_rays_undo_the_projection(model, coefficients):
    points = np.array([[0.05, -0.04, 0.4], [-0.1, 0.08, 0.5], [0.0, 0.0, 1.0]])
    k = np.array(K).reshape(3, 3)
    if model == "equidistant":
        pixels = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), k, np.array(coefficients))[0]
    else:
        pixels = cv2.projectPoints(points, np.zeros(3), np.zeros(3), k, np.array(coefficients))[0]
    rays = CameraModel(320, 240, K, coefficients, model).rays(pixels.reshape(-1, 2))
    assert rays == pytest.approx(points[:, :2] / points[:, 2:], abs=1e-5)


def test_binning_and_a_cut_out_are_undone():
    cut = CameraModel(100, 80, K, binning=(2, 2), offset=(40, 20))
    assert cut.rays([(10.0, 10.0)]) == pytest.approx(CAMERA.rays([(60.0, 40.0)]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"matrix": (0.0,) * 9}, "calibrate"),
        ({"matrix": (math.nan,) * 9}, "calibrate"),
        ({"matrix": K, "model": "thin_plate"}, "thin_plate"),
        ({"matrix": K, "distortion": (0.1,)}, "1 coefficients"),
    ],
)
def test_intrinsics_of_no_camera_are_refused_in_one_line(arguments, words):
    with pytest.raises(InputError, match=words) as refused:
        CameraModel(320, 240, **arguments)
    assert "\n" not in str(refused.value)
