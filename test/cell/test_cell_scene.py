"""What a shot of the virtual cell is like: repeatable, different where it should be, and not easy."""

import itertools

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hetnet_ros.cell.camera import CameraPose, PinholeCamera
from hetnet_ros.cell.conditions import ILLUMINATIONS, OPTICAL_FAULTS, Conditions, vary, with_fault
from hetnet_ros.cell.faces import FACES
from hetnet_ros.cell.parts import draw_part, draw_shot, photograph
from hetnet_ros.cell.scene import render
from hetnet_ros.errors import InputError

SMALL = PinholeCamera.of_size(160, 120)


def test_the_same_arguments_give_the_same_bytes():
    part = draw_part("left", 3, 8, defect_probability=1.0)
    first = photograph(part, draw_shot(part, 2, "low"), SMALL)
    photograph(draw_part("left", 3, 9), draw_shot(part, 0), SMALL)  # something else in between
    again = photograph(draw_part("left", 3, 8, defect_probability=1.0), draw_shot(part, 2, "low"), SMALL)
    for name in ("rgb", "mask", "depth"):
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes()
    assert first.defects == again.defects


def test_two_shots_of_a_part_differ_by_noise_and_two_parts_by_their_grain():
    first, second = render("up", SMALL, seed=1, shot=0), render("up", SMALL, seed=1, shot=1)
    other = render("up", SMALL, seed=2, shot=0)
    noise = np.abs(first.rgb.astype(int) - second.rgb).mean()
    assert 0.2 < noise < 4
    assert np.abs(first.rgb.astype(int) - other.rgb).mean() > 1.5 * noise


def test_all_faces_differ():
    pictures = [cv2.GaussianBlur(render(face, SMALL, seed=1).rgb, (0, 0), 2).astype(int) for face in FACES]
    assert len(pictures) == 6
    for one, two in itertools.combinations(pictures, 2):
        assert np.mean(np.abs(one - two).max(2) > 25) > 0.05


@pytest.mark.parametrize("face", FACES)
def test_illuminations_are_ordered_and_exposed_as_a_picture_can_be(face):
    high, mid, low = (render(face, SMALL, conditions=Conditions.at(level)).rgb.mean() for level in ILLUMINATIONS)
    assert high > 1.15 * mid > 1.15**2 * low
    assert 40 < mid < 150


def test_light_from_another_side_changes_the_picture():
    left = render("back", SMALL, conditions=Conditions(key_azimuth_deg=180.0)).rgb.astype(int)
    right = render("back", SMALL, conditions=Conditions(key_azimuth_deg=0.0)).rgb.astype(int)
    assert np.mean(np.abs(left - right).max(2) > 15) > 0.05


def test_walls_throw_shadows_on_the_plate():
    from_left = render("right", SMALL, conditions=Conditions(key_azimuth_deg=180.0, key_elevation_deg=40.0)).rgb.mean(2)
    beside = np.s_[50:70, 142:148]  # the plate just right of the part
    from_right = render("right", SMALL, conditions=Conditions(key_azimuth_deg=0.0, key_elevation_deg=40.0)).rgb.mean(2)
    assert from_left[beside].mean() < 0.8 * from_right[beside].mean()


@pytest.mark.parametrize(("field", "value"), [("shadow", 0.6), ("glare", 0.6), ("gradient", 0.5), ("vignetting", 0.5)])
def test_disturbances_change_light_but_not_truth(field, value):
    plain = render("front", SMALL, conditions=Conditions(vignetting=0.0))
    disturbed = render("front", SMALL, conditions=Conditions(**{"vignetting": 0.0, field: value}))
    change = disturbed.rgb.mean() - plain.rgb.mean()
    assert change > 3 if field == "glare" else change < -3
    np.testing.assert_array_equal(plain.depth, disturbed.depth)


def detail(rgb):
    return cv2.Laplacian(rgb[..., 1], cv2.CV_64F).var()


@pytest.mark.parametrize("fault", OPTICAL_FAULTS)
def test_faults_ruin_the_picture(fault):
    plain = render("front", SMALL, conditions=Conditions())
    rgb = render("front", SMALL, conditions=with_fault(Conditions(), fault, np.random.default_rng(0))).rgb
    if fault in ("lens_cap", "light_off"):
        assert rgb.mean() < 0.35 * plain.rgb.mean()
    elif fault == "overexposed":
        assert np.mean(rgb > 250) > 0.3
    else:
        assert detail(rgb) < 0.35 * detail(plain.rgb)


def test_variation_is_bounded_and_can_be_switched_off():
    nominal = Conditions.at("mid")
    for seed in range(50):
        shot = vary(nominal, np.random.default_rng(seed))
        assert abs(shot.key / nominal.key - 1) <= 0.1 and abs(shot.key_azimuth_deg - nominal.key_azimuth_deg) <= 14
    still = vary(nominal, np.random.default_rng(1), 0.0)
    assert (still.key, still.shadow, still.glare, still.gradient, still.defocus_px) == (nominal.key, 0, 0, 0, 0)


def test_parts_are_a_repeatable_row_with_the_share_of_defects_asked_for():
    row = [draw_part("up", 7, index, 0.3, ("dent", "pit")) for index in range(200)]
    assert row == [draw_part("up", 7, index, 0.3, ("dent", "pit")) for index in range(200)]
    assert {part.truth for part in row} == {"good", "dent", "pit"}
    assert 40 <= sum(part.truth != "good" for part in row) <= 80  # 60 expected, deviation 6.5
    assert len({part.seed for part in row}) == 200
    sound = draw_part("up", 7, 4, 0.0)
    assert draw_part("up", 7, 4, 1.0).seed == sound.seed and draw_part("up", 7, 4, 1.0).pose == sound.pose


def test_a_viewpoint_is_kept_within_the_robots_error():
    part = draw_part("up", 1, 1)
    for number in range(20):
        pose = draw_shot(part, number, viewpoint=CameraPose(20, 90, 5, 350)).camera_pose
        wanted, got = (
            CameraPose(20, 90).transform().rotation[2],
            CameraPose(pose.tilt_deg, pose.azimuth_deg).transform().rotation[2],
        )
        assert np.degrees(np.arccos(np.clip(wanted @ got, -1, 1))) < 2.3  # 1.5 degrees in each of two directions
        assert abs(pose.distance_mm - 350) <= 4 and abs(pose.roll_deg - 5) <= 0.8


def test_difference_to_the_mean_picture_does_not_find_the_defects():
    def parts(first, count, probability):
        for index in range(first, first + count):
            part = draw_part("left", 5, index, probability)
            yield photograph(part, draw_shot(part, 0, ILLUMINATIONS[index % 3]), SMALL).rgb.mean(2)

    good = np.stack(list(parts(0, 15, 0.0)))
    mean, spread = good.mean(0), good.std(0) + 3
    found = [np.max(np.abs(picture - mean) / spread) for picture in (*parts(100, 18, 0.0), *parts(200, 24, 1.0))]
    assert roc_auc_score([0] * 18 + [1] * 24, found) < 0.65


def test_unknown_names_are_refused_in_one_line():
    for make in (lambda: Conditions.at("dusk"), lambda: with_fault(Conditions(), "gremlin", np.random.default_rng(0))):
        with pytest.raises(InputError, match="unknown; choose from") as refused:
            make()
        assert "\n" not in str(refused.value)
