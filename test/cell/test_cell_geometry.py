"""Camera, poses and depth of the virtual cell agree with plain projective geometry and with the metal."""

import numpy as np
import pytest

from hetnet_ros.cell import relief
from hetnet_ros.cell.camera import CameraPose, PartPose, PinholeCamera, plane_homography
from hetnet_ros.cell.canvas import PLATE_MM, to_texel
from hetnet_ros.cell.conditions import Conditions
from hetnet_ros.cell.nominal import nominal
from hetnet_ros.cell.scene import render
from hetnet_ros.errors import InputError

POSES = [CameraPose(), CameraPose(15, 40, 10), CameraPose(25, 250, -30, 450, 5, -8)]
WIDE = PinholeCamera.of_size(160, 120)
BENT = PinholeCamera.of_size(160, 120, (-0.12, 0.05, 0.001, -0.0008, 0.0))


@pytest.mark.parametrize("pose", POSES)
def test_the_camera_looks_at_its_target_from_the_given_distance(pose):
    transform = pose.transform()
    target = transform.apply(np.array([pose.target_x, pose.target_y, 0.0]))
    np.testing.assert_allclose(target, [0, 0, pose.distance_mm], atol=1e-9)
    np.testing.assert_allclose(transform.rotation @ transform.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(transform.rotation) == pytest.approx(1)
    assert np.degrees(np.arccos(-transform.rotation[2, 2])) == pytest.approx(pose.tilt_deg, abs=1e-4)


def test_an_upright_camera_shows_x_to_the_right_and_y_upwards():
    u, v = PinholeCamera().project(CameraPose().transform().apply(np.array([[10.0, 0, 0], [0, 10.0, 0]]))).T
    assert u[0] == pytest.approx(319.5 + 40) and v[0] == pytest.approx(239.5)  # 1600 px * 10 mm / 400 mm = 40 px
    assert u[1] == pytest.approx(319.5) and v[1] == pytest.approx(239.5 - 40)


def test_a_camera_tilted_towards_plus_x_sees_that_side_larger():
    left, middle, right = PinholeCamera().project(
        CameraPose(20, 0).transform().apply(np.array([[-40.0, 0, 0], [0, 0, 0], [40.0, 0, 0]]))
    )[:, 0]
    assert right - middle > middle - left > 0


@pytest.mark.parametrize("camera", [WIDE, BENT])
def test_rays_are_the_inverse_of_projection(camera):
    x, y = camera.rays()
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], 1) * 400.0
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    np.testing.assert_allclose(camera.project(points), np.stack([u.ravel(), v.ravel()], 1), atol=0.01)


def test_the_base_plane_follows_its_homography():
    transform = POSES[2].transform()
    points = np.array([[-50.0, -30, 0], [20, 40, 0], [0, 0, 0]])
    mapped = (plane_homography(WIDE, transform) @ np.column_stack([points[:, :2], np.ones(3)]).T).T
    np.testing.assert_allclose(mapped[:, :2] / mapped[:, 2:], WIDE.project(transform.apply(points)), atol=1e-9)


@pytest.mark.parametrize("camera", [WIDE, BENT])
@pytest.mark.parametrize("pose", POSES)
def test_depth_is_that_of_the_displaced_surface(camera, pose):
    part_pose = PartPose(1.2, -0.7, 0.0, 1.4)
    picture = render("left", camera, pose, part_pose=part_pose)
    x, y = camera.rays()
    points = np.stack([x, y, np.ones_like(x)], -1).astype(np.float64) * picture.depth[..., None] * 1e3
    in_face = picture.optical_from_face.inverse().apply(points)
    column, row = to_texel(in_face[..., 0], in_face[..., 1])
    height = relief.sample(nominal("left").height, column.astype(np.float32), row.astype(np.float32))
    # A hit is narrowed down to within 0.05 mm of the metal, most to a few micrometres.
    gap = np.abs(in_face[..., 2] - height)
    assert gap.max() < 0.1 and np.median(gap) < 0.005


def test_nothing_stands_between_the_camera_and_what_it_sees():
    pose = CameraPose(30, 20)
    hits = relief.intersect(nominal("back").height, WIDE, pose.transform())
    surface = np.stack([hits.x, hits.y, hits.z], -1)
    for share in np.linspace(0.0, 0.98, 60):  # from 30 mm above the hit down along the ray
        along = surface + (hits.eye - surface) * (30.0 / 400.0) * (1 - share)
        column, row = to_texel(along[..., 0], along[..., 1])
        over = relief.sample(nominal("back").height, column.astype(np.float32), row.astype(np.float32)) - along[..., 2]
        assert over.max() < 0.3  # two texels of a wall


def test_depth_of_the_plate_seen_from_above_is_the_distance():
    picture = render("front", WIDE)
    assert picture.depth[2, 2] == pytest.approx((400 - PLATE_MM) / 1e3, abs=1e-5)
    assert picture.depth.dtype == np.float32


def test_depth_does_not_depend_on_light_grain_or_binning():
    bright = render("up", WIDE, POSES[1], Conditions.at("high"), seed=1)
    dim = render("up", WIDE, POSES[1], Conditions.at("low"), seed=2)
    np.testing.assert_array_equal(bright.depth, dim.depth)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PinholeCamera(8, 480), "camera size"),
        (lambda: CameraPose(tilt_deg=80), "tilt"),
        (lambda: CameraPose(distance_mm=1), "distance"),
    ],
)
def test_impossible_cameras_are_refused_in_one_line(make, words):
    with pytest.raises(InputError, match=words) as refused:
        make()
    assert "\n" not in str(refused.value)
