"""Images are brought to one brightness, and light varies more, where the good ones' exposure changes, and only there."""

import dataclasses

import cv2
import numpy as np
import pytest
from model_fixtures import made_up_part, write_images

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import load_artifact
from hetnet_ros.learning.exposure import CHANGING_LIGHT, with_exposure
from hetnet_ros.learning.good_images import load_good_images
from hetnet_ros.learning.preset import load_preset
from hetnet_ros.learning.teach import teach


def preset_with(tiny_preset, **training):
    preset = load_preset(str(tiny_preset))
    return dataclasses.replace(preset, training=dataclasses.replace(preset.training, **training))


def exposed(*gains):
    """Images of mean 100 in exposures of these gains, uint8 (N, 64, 64, 3)."""
    return np.stack([np.full((64, 64, 3), 100 * gain, np.uint8) for gain in gains])


@pytest.mark.parametrize(
    ("asked", "gains", "wanted"),
    [
        ("auto", (1.0, 1.05, 0.95), 0.0),
        ("auto", (0.5, 1.0, 2.0), 100 / 255),  # the geometric mean
        ("changing", (1.0, 1.0, 1.0), 100 / 255),
        ("fixed", (0.5, 1.0, 2.0), 0.0),
        ("auto", (0.0, 0.0, 0.0), 0.0),
    ],
)
def test_it_is_decided_by_how_much_the_good_images_change(tiny_preset, asked, gains, wanted):
    given = preset_with(tiny_preset, exposure=asked)
    found = with_exposure(given, exposed(*gains))
    assert found.network.brightness == pytest.approx(wanted, abs=0.002)
    assert found.training.light == (CHANGING_LIGHT if wanted else given.training.light) and found.training.exposure == asked


def test_a_taught_model_keeps_what_was_decided(tmp_path, tiny_preset, weights_cache):
    images = [cv2.convertScaleAbs(made_up_part(seed), alpha=0.5 if seed % 2 else 1.0) for seed in range(12)]
    preset = preset_with(tiny_preset, exposure="auto", steps=6)
    folder = write_images(tmp_path / "good", images)
    model = tmp_path / "disc.safetensors"
    teach(folder, model, preset, device="cpu", progress=False)
    good = load_good_images(folder, 64, 100, progress=False).images
    wanted = np.exp(np.log(good.mean((1, 2, 3)) / 255).mean())
    assert load_artifact(model).card.network.brightness == pytest.approx(wanted, abs=1e-4)


def test_a_part_whose_brightness_stays_is_taught_as_before(tmp_path, tiny_data, tiny_preset, weights_cache):
    reports = [
        teach(tiny_data, tmp_path / f"{word}.safetensors", preset_with(tiny_preset, exposure=word, steps=6), device="cpu", progress=False)
        for word in ("fixed", "auto")
    ]
    assert reports[0].model_id == reports[1].model_id and reports[1].brightness == 0


def test_another_word_is_refused_in_one_line(tiny_preset):
    with pytest.raises(InputError, match="training.exposure is 'dark': use auto, fixed or changing"):
        preset_with(tiny_preset, exposure="dark")
