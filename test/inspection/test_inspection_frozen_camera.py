"""Old pictures under new stamps are noticed whatever is changed beside the scene; a still scene with a sensor's noise is not refused."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from hetnet_ros.inspection.frozen_camera import REMEMBERED, FrozenCamera, Sighting
from hetnet_ros.inspection.image_conversion import compressed_to_rgb, image_to_rgb

RNG = np.random.default_rng(3)
SCENE = np.clip(cv2.GaussianBlur(RNG.normal(120, 300, (240, 320, 3)), (0, 0), 5), 5, 250)


def picture(number: int, scene: np.ndarray = SCENE, noise: float = 1.0) -> np.ndarray:
    """A still scene, uint8 (240, 320, 3); another number is another exposure."""
    return np.clip(np.rint(scene + np.random.default_rng(number).normal(0, noise, scene.shape)), 0, 255).astype(np.uint8)


def test_a_picture_is_counted_under_each_new_stamp():
    camera = FrozenCamera()
    shown = [(0, 1), (0, 2), (0, 3), (1, 4), (1, 4), (0, 5), (1, 6), (1, 6), (2, 7)]
    assert [camera.look(picture(which), stamp) for which, stamp in shown] == [
        Sighting(1, True), Sighting(2, False), Sighting(3, False), Sighting(1, True), Sighting(1, False), Sighting(4, False),
        Sighting(2, False), Sighting(2, False), Sighting(1, True)]


def test_without_stamps_each_message_counts():
    camera = FrozenCamera()
    assert [camera.look(picture(0), 0).times for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("length", [2, 3, 4, 1000])
def test_a_ring_of_old_pictures_is_noticed_from_its_second_round_on(length):
    assert length <= REMEMBERED
    scene = cv2.resize(SCENE.astype(np.float32), (80, 60))  # small, so that a thousand are quick
    pictures, camera = [picture(number, scene) for number in range(length)], FrozenCamera()
    assert all(camera.look(one, 1 + stamp).new for stamp, one in enumerate(pictures))
    again = range(0, length, max(length // 20, 1))
    assert all(camera.look(pictures[place], 5000 + place).times == 2 for place in again)


def test_a_live_camera_beside_the_frozen_one_does_not_hide_it():
    camera, frozen = FrozenCamera(), picture(0)
    assert camera.look(frozen, 1).new
    for stamp in range(2, 12, 2):
        assert camera.look(picture(stamp), stamp).new
        assert camera.look(frozen, stamp + 1).times == 1 + stamp // 2


def with_clock(rgb: np.ndarray, number: int) -> np.ndarray:
    rgb = rgb.copy()
    cv2.rectangle(rgb, (0, 0), (320, 24), (0, 0, 0), -1)  # a band over the whole width, a tenth of the height
    cv2.putText(rgb, f"2024-05-01 12:00:{number:02d}.{number * 7 % 100:02d}", (4, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.6,
                (255, 255, 255), 1)
    return rgb


def with_one_byte(rgb: np.ndarray, number: int) -> np.ndarray:
    rgb = rgb.copy()
    rgb[100, 100, 0] = number
    return rgb


def with_hot_pixels(rgb: np.ndarray, number: int) -> np.ndarray:
    """One pixel in a hundred is another, all over the picture."""
    return np.where(np.random.default_rng(number).random((240, 320, 1)) < 0.01, np.uint8(255) - rgb, rgb)


def with_a_hand(rgb: np.ndarray, number: int) -> np.ndarray:
    """A fifth of the picture changes."""
    rgb = rgb.copy()
    rgb[:, 250:] = picture(1000 + number)[:, 250:]
    return rgb


@pytest.mark.parametrize("change", [with_clock, with_one_byte, with_hot_pixels, with_a_hand])
def test_what_changes_beside_the_scene_does_not_hide_that_it_is_old(change):
    camera = FrozenCamera()
    assert [camera.look(change(picture(0), number), 1 + number).times for number in range(4)] == [1, 2, 3, 4]


def test_one_byte_of_a_picture_that_is_saturated_all_over_makes_it_new_and_none_does_not():
    camera, white = FrozenCamera(), np.full((48, 64, 3), 255, np.uint8)
    assert camera.look(white, 1).new and camera.look(white.copy(), 2).times == 2
    assert camera.look(with_one_byte(np.full((240, 320, 3), 255, np.uint8), 3), 3).new


def test_pixels_are_compared_and_not_the_bytes_around_them():
    class Padded:
        height, width, encoding, is_bigendian, step = 240, 320, "rgb8", 0, 3 * 320 + 13

        def __init__(self, rgb, padding):
            rows = np.full((240, self.step), padding, np.uint8)
            rows[:, :960] = rgb.reshape(240, 960)
            self.data = rows.tobytes()

    def jpeg(comment):
        stream = io.BytesIO()
        Image.fromarray(picture(0)).save(stream, "JPEG", quality=90, comment=comment)
        return compressed_to_rgb(stream.getvalue(), "jpeg")

    camera = FrozenCamera()
    assert [camera.look(image_to_rgb(Padded(picture(0), n)), 1 + n).times for n in (0, 77)] == [1, 2]
    camera = FrozenCamera()
    assert [camera.look(jpeg(comment), 1 + n).times for n, comment in enumerate((b"12:00:01", b"12:00:02 another"))] == [1, 2]


@pytest.fixture
def still_scenes(monkeypatch, source_root):
    if not (source_root / "benchmarks").is_dir():
        pytest.skip("installed without the benchmarks")
    monkeypatch.syspath_prepend(str(source_root / "benchmarks"))
    return __import__("still_scenes")


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("light, qualities", [("dark", (0, 95, 80)), ("middle", (0, 80, 60)), ("bright", (0, 60, 40))])
def test_a_still_scene_is_new_with_each_exposure(still_scenes, light, qualities, bits):
    """0: raw.  The darkest scene is at 3 % of full scale; with stronger JPEG than this, noise there is lost (docs/interface.md)."""
    rng = np.random.default_rng(bits)
    scene = still_scenes.still_scene(still_scenes.LIGHTS[light]) * (1 + rng.normal(0, 0.005, (480, 640)))
    for kind in still_scenes.CAMERAS:
        taken = [still_scenes.exposed(kind, scene, bits, rng) for _ in range(4)]
        for quality in qualities:
            camera = FrozenCamera()
            for stamp, rgb in enumerate(taken):
                assert camera.look(still_scenes.jpeg(rgb, quality) if quality else rgb, 1 + stamp).new, (kind.name, quality)


def test_a_thousand_exposures_of_a_still_scene_are_all_new():
    """Each is held against all before: chance has half a million tries.  Noise of a tenth of a grey value, less than any camera's."""
    scene = cv2.resize(SCENE.astype(np.float32), (160, 120))
    camera, noise = FrozenCamera(), np.random.default_rng(0).normal(0, 0.1, (1000, 4096)).astype(np.float32)
    for number in range(1000):
        grain = np.resize(np.roll(noise[number], number), scene.shape)
        assert camera.look(np.clip(np.rint(scene + grain), 0, 255).astype(np.uint8), 1 + number).new
