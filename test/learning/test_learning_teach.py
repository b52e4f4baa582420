"""Teaching end to end with a tiny model: reproducible, resumable, and clear about what it cannot use."""

import dataclasses
import hashlib
import os
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from model_fixtures import made_up_part, write_images

from hetnet_ros.cli.main import main
from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import fits_name
from hetnet_ros.inspection.artifact import load_artifact
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.learning import trainer as trainer_module
from hetnet_ros.learning.checkpoint import checkpoint_path
from hetnet_ros.learning.good_images import load_good_images
from hetnet_ros.learning.preset import load_preset
from hetnet_ros.learning.teach import split, teach


def file_hash(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def short(tiny_preset, weights_cache):
    preset = load_preset(str(tiny_preset))
    return dataclasses.replace(preset, training=dataclasses.replace(preset.training, steps=6))


def test_the_same_seed_gives_the_same_file_and_another_seed_another(tmp_path, tiny_data, short):
    reports = [teach(tiny_data, tmp_path / f"{i}.safetensors", short, seed=seed, device="cpu", progress=False)
               for i, seed in enumerate((3, 3, 4))]
    assert file_hash(reports[0].model) == file_hash(reports[1].model)
    assert reports[0].model_id == reports[1].model_id != reports[2].model_id


@pytest.mark.parametrize("calibration", ["split", "cross"])
def test_a_model_knows_what_good_images_read_where(tmp_path, tiny_data, short, calibration):
    preset = dataclasses.replace(short, training=dataclasses.replace(short.training, calibration=calibration))
    model = tmp_path / "disc.safetensors"
    teach(tiny_data, model, preset, device="cpu", progress=False)
    places = load_artifact(model).tensors["anomaly_map.places"]
    assert places.shape == (4, 4) and places.std() > 0.01 and abs(float(places.mean())) < 1e-5


@pytest.mark.parametrize("calibration, kept", [("split", 8), ("cross", 12)])
def test_a_model_remembers_each_image_that_it_was_taught_on_and_none_held_out(tmp_path, short, calibration, kept):
    data = write_images(tmp_path / "good", [made_up_part(seed) for seed in range(12)])
    preset = dataclasses.replace(short, training=dataclasses.replace(short.training, calibration=calibration),
                                 network=dataclasses.replace(short.network, place_memory=16))
    model = tmp_path / "disc.safetensors"
    report = teach(data, model, preset, device="cpu", progress=False)
    assert report.taught == kept
    memory = load_artifact(model).tensors["memory.kept"]
    assert memory.shape == (16, 16, 128) and memory.dtype == torch.float16
    norms = memory.float().norm(dim=2)
    assert bool((norms[:, :kept] > 0).all()) and not bool(norms[:, kept:].any())


def test_an_interrupted_run_resumes_to_the_model_it_would_have_become(tmp_path, tiny_data, short, monkeypatch):
    whole = teach(tiny_data, tmp_path / "whole.safetensors", short, seed=1, device="cpu", progress=False)
    broken = tmp_path / "broken.safetensors"
    step = trainer_module.Trainer._train_step

    def interrupted(self):
        if self.step == 3:
            raise KeyboardInterrupt
        return step(self)

    monkeypatch.setattr(trainer_module.Trainer, "_train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        teach(tiny_data, broken, short, seed=1, device="cpu", progress=False)
    assert checkpoint_path(broken).exists() and not broken.exists()
    monkeypatch.undo()
    with pytest.raises(InputError, match="other images, settings or seed"):
        teach(tiny_data, broken, short, seed=2, device="cpu", resume=True, progress=False)
    resumed = teach(tiny_data, broken, short, seed=1, device="cpu", resume=True, progress=False)
    assert file_hash(resumed.model) == file_hash(whole.model)
    assert not checkpoint_path(broken).exists()


def test_ctrl_c_in_the_command_keeps_a_checkpoint_and_says_how_to_go_on(tmp_path, tiny_data, tiny_preset, weights_cache):
    model = tmp_path / "m.safetensors"
    command = [sys.executable, "-m", "hetnet_ros.cli.main", "train", str(tiny_data), "-o", str(model),
               "--preset", str(tiny_preset), "--device", "cpu"]
    process = subprocess.Popen([*command, "--steps", "100000"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    seen = b""
    while b"loss=" not in seen:  # the progress bar of a running optimiser
        chunk = process.stderr.read1(4096)
        assert chunk, f"ended early: {seen.decode()}"
        seen += chunk
    process.send_signal(signal.SIGINT)
    message = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130
    assert "--resume" in message and "Traceback" not in message
    assert checkpoint_path(model).exists()


def test_resume_without_a_checkpoint_says_so(tmp_path, tiny_data, short):
    with pytest.raises(InputError, match="checkpoint .* does not exist"):
        teach(tiny_data, tmp_path / "m.safetensors", short, device="cpu", resume=True, progress=False)


def test_the_model_tells_defects_from_good_parts(tiny_model):
    inspector = PartInspector.load(tiny_model, "cpu")
    good = [inspector.inspect(made_up_part(300 + i)).raw_score for i in range(5)]
    bad = [inspector.inspect(made_up_part(400 + i, defect=True)).raw_score for i in range(5)]
    assert min(bad) > max(good)


@pytest.mark.parametrize("convert", [
    lambda i: cv2.cvtColor(i, cv2.COLOR_BGR2GRAY), lambda i: i.astype(np.uint16) * 257,
    lambda i: cv2.cvtColor(i, cv2.COLOR_BGR2BGRA), lambda i: cv2.resize(i, (200, 90))], ids=["grey", "16bit", "rgba", "other size"])
def test_grey_16_bit_rgba_and_mixed_sizes_are_handled(tmp_path, convert):
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"plain{i}.png"), made_up_part(i))
        cv2.imwrite(str(tmp_path / f"other{i}.png"), convert(made_up_part(10 + i)))
    good = load_good_images(tmp_path, 64, 100, progress=False)
    assert good.images.shape == (6, 64, 64, 3) and good.images.dtype == np.uint8 and not good.skipped
    brightness = good.images.reshape(6, -1).mean(1)
    assert brightness.max() - brightness.min() < 5  # the same part, however it was stored


@pytest.mark.parametrize("count, said", [(0, r"no images \(\.bmp, "), (1, "1 usable image of 1:")])
def test_no_image_and_one_image_are_refused_in_one_line(tmp_path, short, count, said):
    write_images(tmp_path / "few", [made_up_part(i) for i in range(count)])
    with pytest.raises(InputError, match=said) as error:
        teach(tmp_path / "few", tmp_path / "m.safetensors", short, device="cpu", progress=False)
    assert "\n" not in str(error.value) and "at least 4" in str(error.value)


def test_unreadable_and_tiny_files_are_skipped_and_named(tmp_path, short):
    folder = write_images(tmp_path / "good", [made_up_part(i) for i in range(6)])
    (folder / "broken.png").write_bytes(b"no image")
    cv2.imwrite(str(folder / "tiny.png"), np.zeros((4, 4, 3), np.uint8))
    report = teach(folder, tmp_path / "m.safetensors", short, device="cpu", progress=False)
    assert report.images == 6
    assert sorted(name for name in ("broken.png", "tiny.png") if any(name in line for line in report.skipped)) == \
        ["broken.png", "tiny.png"]


@pytest.mark.parametrize("output, said", [("model.pt", "must end in .safetensors"), ("folder.safetensors", "is a folder")])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(tmp_path, tiny_data, short, output, said):
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(InputError, match=said):
        teach(tiny_data, tmp_path / output, short, device="cpu", progress=False)


def test_missing_data_is_named(tmp_path, short):
    with pytest.raises(InputError, match="nowhere does not exist"):
        teach(tmp_path / "nowhere", tmp_path / "m.safetensors", short, device="cpu", progress=False)


@pytest.mark.parametrize("count", [4, 5, 20, 300])
def test_the_hold_out_shares_no_image_with_the_training_set(count):
    kept, held = split(np.arange(count), 0.15, seed=1)
    assert sorted([*kept, *held]) == list(range(count)) and len(held) >= 2 and len(kept) >= 2


@pytest.mark.parametrize("count", [4, 5, 20, 100])
def test_whole_parts_are_held_out_and_one_image_of_each_counts(count):
    parts = np.repeat(np.arange(count), 3)
    kept, held = split(parts, 0.15, seed=1)
    assert not set(parts[kept]) & set(parts[held])
    assert len(set(parts[held])) == len(held) >= 2 and len(kept) == 3 * (count - len(held)) >= 6


def test_large_sets_are_sampled_evenly(tmp_path):
    folder = write_images(tmp_path / "many", [made_up_part(i) for i in range(12)])
    good = load_good_images(folder, 64, 5, progress=False)
    assert [p.stem for p in good.paths] == ["000", "003", "006", "008", "011"]


def test_the_command_teaches_from_a_set_that_keeps_its_good_images_elsewhere(tmp_path, tiny_preset, weights_cache, capsys):
    from hetnet_ros.cli.main import main
    root = tmp_path / "btad"
    write_images(root / "train" / "ok", [made_up_part(i) for i in range(6)])
    write_images(root / "test" / "ok", [made_up_part(50)])
    write_images(root / "test" / "ko", [made_up_part(60, defect=True)])
    write_images(root / "ground_truth" / "ko", [np.zeros((96, 128, 3), np.uint8)])
    model = tmp_path / "m.safetensors"
    assert main(["train", str(root), "-o", str(model), "--preset", str(tiny_preset), "--steps", "2", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "4 images taught and 2 parts held out" in said
    assert "each image is brought to a mean of" in said, "the tiny preset asks for it"


def test_a_part_of_a_folder_whose_name_is_no_utf_8_can_be_read_again(tmp_path, tiny_data, short):
    """A model with such a name in its card could be written and never be read: the teaching would be lost."""
    folder = tmp_path / os.fsdecode(b"d\xe9p\xf4t\n" + b"x" * 220)
    shutil.copytree(tiny_data / "train" / "good", folder)
    path = tmp_path / "m.safetensors"
    teach(folder, path, dataclasses.replace(short, name=os.fsdecode(b"caf\xe9")), device="cpu", progress=False)
    card = load_artifact(path).card
    assert card.part_name.startswith(r"d\xe9p\xf4t\nxxx") and fits_name(card.part_name) and card.preset == r"caf\xe9"


@pytest.mark.parametrize(("words", "said"), [
    (("--name", "two\nlines"), "--name 'two\\\\nlines' is no name"),
    (("--name", "n" * 201), "at most 200 printable characters"),
    (("--name", os.fsdecode(b"caf\xe9")), "is no name"),
    (("--weights", "resnet18=a.safetensors"), "--weights resnet18=a.safetensors: give a file once for tf_efficientnet_lite0 or vit_tiny"),
    (("--weights", "tf_efficientnet_lite0=a", "--weights", "tf_efficientnet_lite0=b"), "give a file once"),
])
def test_names_and_weights_that_would_be_passed_over_are_refused(tmp_path, tiny_data, tiny_preset, capsys, words, said):
    assert main(["train", str(tiny_data), "-o", str(tmp_path / "m.safetensors"), "--preset", str(tiny_preset), *words]) == 2
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())
