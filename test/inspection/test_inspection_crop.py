"""The part of every image that a model looks at: in teaching, inspection, calibration and its exports."""

import dataclasses
import json

import numpy as np
import pytest
from model_fixtures import made_up_part, write_images

from hetnet_ros.cli.main import main
from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import card_from_values, load_artifact, save_artifact
from hetnet_ros.inspection.crop import Crop
from hetnet_ros.inspection.maps import source_map
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.result import Box, Verdict
from hetnet_ros.learning.preset import load_preset
from hetnet_ros.learning.recalibrate import recalibrate
from hetnet_ros.learning.teach import teach

CROP, BOX = Crop(0.25, 0.125, 0.5, 0.75), Box(32, 12, 64, 72)  # of 128 x 96 px


def cut(image):
    return np.ascontiguousarray(image[12:84, 32:96])


@pytest.fixture(scope="module")
def models(tmp_path_factory, weights_cache, tiny_preset):
    """A model taught with a crop, and one taught on images cut beforehand."""
    folder = tmp_path_factory.mktemp("crop")
    whole = write_images(folder / "whole", [made_up_part(i) for i in range(16)])
    beforehand = write_images(folder / "cut", [cut(made_up_part(i)) for i in range(16)])
    assert main(["train", str(whole), "-o", str(folder / "crop.safetensors"), "--preset", str(tiny_preset), "--device", "cpu",
                 "--crop", "0.25", "0.125", "0.5", "0.75"]) == 0
    teach(beforehand, folder / "cut.safetensors", load_preset(str(tiny_preset)), device="cpu", progress=False)
    return folder / "crop.safetensors", folder / "cut.safetensors"


def test_a_crop_is_taught_and_inspected_as_if_images_were_cut_beforehand(models):
    cropped, beforehand = (PartInspector.load(model, "cpu") for model in models)
    assert cropped.card.crop == CROP and beforehand.card.crop.is_whole
    assert cropped.calibration == beforehand.calibration
    image = made_up_part(500, defect=True)
    whole, part = cropped.inspect(image), beforehand.inspect(cut(image))
    assert whole.raw_score == part.raw_score and np.array_equal(whole.anomaly_map, part.anomaly_map)
    assert whole.verdict != Verdict.PASS and whole.roi == BOX and whole.source_size == (96, 128)
    assert (whole.defects[0].box.x, whole.defects[0].box.y) == (part.defects[0].box.x + 32, part.defects[0].box.y + 12)
    placed = source_map(whole)
    assert placed.shape == (96, 128) and not placed[:12].any() and not placed[:, 96:].any() and placed[12:84, 32:96].all()


def test_the_same_shares_hold_at_another_resolution(models):
    inspector = PartInspector.load(models[0], "cpu")
    assert inspector.inspect(np.repeat(np.repeat(made_up_part(3), 2, 0), 2, 1)).roi == Box(64, 24, 128, 144)
    assert inspector.inspect(made_up_part(3), Box(28, 16, 80, 64)).roi == Box(48, 24, 40, 48), "of what a region of interest leaves"


def test_calibration_sees_what_the_network_sees(models, tmp_path):
    folder = write_images(tmp_path / "good", [made_up_part(i) for i in (*range(16), *range(400, 412))])
    report = recalibrate(models[0], tmp_path / "new.safetensors", folder, progress=False)
    held_out = load_artifact(models[0]).card.training.held_out
    assert (report.taught, report.good) == (16 - held_out, 12 + held_out)
    artifact = load_artifact(tmp_path / "new.safetensors")
    inspector = PartInspector.load(tmp_path / "new.safetensors", "cpu")
    assert artifact.card.crop == CROP
    assert inspector.inspect(made_up_part(400)).raw_score == pytest.approx(
        min(artifact.card.calibration.good_scores, key=lambda s: abs(s - inspector.inspect(made_up_part(400)).raw_score)), rel=1e-6)


def test_an_export_looks_at_the_same_part(models, tmp_path):
    folder = write_images(tmp_path / "good", [made_up_part(i) for i in range(600, 606)])
    assert main(["export", str(models[0]), "--format", "onnx", "--images", str(folder), "-o", str(tmp_path / "m.onnx")]) == 0
    image = made_up_part(501, defect=True)
    exported, torch = (PartInspector.load(model, "cpu").inspect(image) for model in (tmp_path / "m.onnx", models[0]))
    assert exported.roi == torch.roi == BOX and exported.raw_score == pytest.approx(torch.raw_score, rel=2e-3)


def test_models_of_the_version_without_a_crop_look_at_the_whole_image(tiny_model, tmp_path):
    artifact = load_artifact(tiny_model)
    card = dataclasses.replace(artifact.card, format_version=2)
    save_artifact(tmp_path / "old.safetensors", card, artifact.tensors)
    again = load_artifact(tmp_path / "old.safetensors")
    assert again.card.crop.is_whole and again.card == artifact.card


@pytest.mark.parametrize("asked, stages", [(True, 3), (False, 0), (None, 3)])
def test_models_of_the_version_that_knew_all_of_the_cnns_stages_or_none_are_read(tiny_model, asked, stages):
    values = json.loads(json.dumps(dataclasses.asdict(load_artifact(tiny_model).card))) | {"format_version": 3}
    del values["network"]["local_targets"]
    values["network"] |= {} if asked is None else {"local_target": asked}
    assert card_from_values(values).network.local_targets == stages


@pytest.mark.parametrize("values", [(0.5, 0, 0.6, 1), (-0.1, 0, 0.5, 0.5), (0, 0, 0, 1), (0, 0, float("nan"), 1), (10, 10, 300, 200)])
def test_a_crop_that_is_no_part_of_an_image_is_refused(values, tmp_path, capsys):
    with pytest.raises(InputError, match="no part of an image"):
        Crop(*values)
    words = [json.dumps(value) if value == value else "nan" for value in values]
    assert main(["train", str(tmp_path), "-o", str(tmp_path / "m.safetensors"), "--crop", *words]) == 2
    said = capsys.readouterr().err
    assert "no part of an image" in said and said.count("\n") == 1


def test_an_image_too_small_for_the_crop_is_told_by_its_name(models, tmp_path, capsys):
    small = write_images(tmp_path / "test" / "good", [np.zeros((18, 32, 3), np.uint8)]) / "000.png"
    for words in (["predict", str(models[0]), str(small), "-o", str(tmp_path / "out")], ["evaluate", str(models[0]), str(tmp_path)]):
        assert main([*words, "--device", "cpu"]) == 2
        assert f"{small}: crop 0.25 0.125 0.5 0.75 leaves 16x14 px" in capsys.readouterr().err


def test_an_image_too_small_for_the_crop_is_told(models, tmp_path, tiny_preset):
    with pytest.raises(InputError, match="leaves 16x14 px of 32x18"):
        PartInspector.load(models[0], "cpu").inspect(np.zeros((18, 32, 3), np.uint8))
    images = [made_up_part(i) for i in range(3)] + [np.zeros((18, 32, 3), np.uint8)]
    with pytest.raises(InputError, match=r"003\.png: crop 0\.25 0\.125 0\.5 0\.75 leaves 16x14 px"):
        teach(write_images(tmp_path / "few", images), tmp_path / "m.safetensors", load_preset(str(tiny_preset)), device="cpu",
              progress=False, crop=CROP)
