"""Another promised rate or other good images, without teaching: hetnet calibrate, and cross-conformal teaching."""

import dataclasses

import numpy as np
import pytest
from model_fixtures import made_up_part, write_images

from hetnet_ros.cli.main import main
from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import load_artifact
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.result import Verdict
from hetnet_ros.learning.cross import CROSS_BELOW, FOLDS, folds_for
from hetnet_ros.learning.domain_limits import left_out_distances
from hetnet_ros.learning.preset import load_preset
from hetnet_ros.learning.recalibrate import recalibrate
from hetnet_ros.learning.teach import teach


def test_another_rate_changes_thresholds_and_identity_and_nothing_else(tiny_model, tmp_path, capsys):
    output = tmp_path / "lax.safetensors"
    assert main(["calibrate", str(tiny_model), "--false-reject", "0.2", "-o", str(output)]) == 0
    said = capsys.readouterr().out
    assert "20.00% of good images are rejected" in said and "kept in the model" in said
    before, after = load_artifact(tiny_model), load_artifact(output)
    assert after.card.calibration.score_reject < before.card.calibration.score_reject
    assert after.card.calibration.good_scores == before.card.calibration.good_scores
    assert after.model_id != before.model_id and all(t.equal(after.tensors[k]) for k, t in before.tensors.items())
    assert PartInspector.load(output, "cpu").inspect(made_up_part(0)).model_id == after.model_id


def test_taught_images_do_not_calibrate(tiny_model, tiny_data, tmp_path):
    folder = write_images(tmp_path / "mixed", [made_up_part(i) for i in (*range(16), *range(400, 420))])
    report = recalibrate(tiny_model, tmp_path / "new.safetensors", folder, false_reject=0.05, progress=False)
    held_out = load_artifact(tiny_model).card.training.held_out
    assert (report.taught, report.good) == (16 - held_out, 20 + held_out)
    card = load_artifact(tmp_path / "new.safetensors").card
    assert len(card.calibration.good_scores) == card.training.recalibrated == report.good
    with pytest.raises(InputError, match="needs at least 8"):
        recalibrate(tiny_model, tmp_path / "none.safetensors", tiny_data, progress=False)
    assert not (tmp_path / "none.safetensors").exists()


def test_labelled_defects_lower_the_accept_threshold(tiny_model, tiny_data, tmp_path, capsys):
    output = tmp_path / "refined.safetensors"
    assert main(["calibrate", str(tiny_model), "--defects", str(tiny_data / "test" / "cross"), "-o", str(output)]) == 0
    assert "defects: " in capsys.readouterr().out
    inspector = PartInspector.load(output, "cpu")
    assert inspector.calibration.score_reject == load_artifact(tiny_model).card.calibration.score_reject
    assert all(inspector.inspect(made_up_part(200 + i, defect=True)).verdict != Verdict.PASS for i in range(6))


@pytest.mark.parametrize("words, said", [
    ([], "nothing to change"), (["--false-reject", "0.9"], "use 0.0001 to 0.5"), (["missing_folder"], "missing_folder"),
    (["--defects", "missing_folder"], "missing_folder")])
def test_wrong_arguments_are_one_line(tiny_model, tmp_path, capsys, words, said):
    assert main(["calibrate", str(tiny_model), *words, "-o", str(tmp_path / "out.safetensors")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "out.safetensors").exists()


def test_the_number_of_images_chooses_the_way():
    assert folds_for(CROSS_BELOW - 1, "auto") == folds_for(500, "cross") == FOLDS
    assert folds_for(CROSS_BELOW, "auto") == folds_for(5, "split") == 0


def test_cross_conformal_calibrates_on_every_image(weights_cache, tiny_preset, tiny_data, tmp_path):
    preset = load_preset(str(tiny_preset))
    preset = dataclasses.replace(preset, training=dataclasses.replace(preset.training, calibration="cross", steps=40))
    report = teach(tiny_data, tmp_path / "cross.safetensors", preset, device="cpu", progress=False, false_reject=0.1)
    assert (report.images, report.held_out, report.folds) == (16, 0, FOLDS)
    assert len(report.calibration.good_scores) == 16 and "promised by 16" in report.calibration.promise
    inspector = PartInspector.load(report.model, "cpu")
    rejected = [inspector.inspect(made_up_part(800 + i)).verdict == Verdict.REJECT for i in range(20)]
    assert np.mean(rejected) <= 0.3  # three times the promise: 7 of 20 at 10 % happen once in four hundred times
    assert inspector.inspect(np.full((96, 128, 3), 110, np.uint8)).verdict != Verdict.PASS


def test_an_image_is_compared_with_images_of_other_parts_only():
    descriptors = np.array([[1, 0], [0.9, 0.4359], [0, 1], [0.1, 0.995]], np.float32)  # two images of two views each
    assert left_out_distances(descriptors, 2, np.arange(2)) == pytest.approx([1 - 0.1, 1 - 0.4359], abs=1e-3)
    assert left_out_distances(descriptors, 1, np.array([0, 0, 1, 1])) == pytest.approx(
        [1 - 0.1, 1 - 0.5237, 1 - 0.4359, 1 - 0.5237], abs=1e-3)
