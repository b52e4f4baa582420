"""Any preset: settings with which a part can be taught, or one line."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import yaml
from hostile_values import read_or_refused, texts, yaml_files
from hypothesis import example, given

from hetnet_ros.errors import InputError
from hetnet_ros.learning.preset import Preset, load_preset
from hetnet_ros.network.config import MOST_DEPTH, MOST_SIDE, MOST_WIDTH

EDGE = yaml.safe_load((Path(__file__).resolve().parents[2] / "config" / "presets" / "edge.yaml").read_text())


def with_training(**changes: object) -> bytes:
    return yaml.safe_dump({**EDGE, "training": {**EDGE["training"], **changes}}).encode()


def with_network(**changes: object) -> bytes:
    return yaml.safe_dump({**EDGE, "network": {**EDGE["network"], **changes}}).encode()


def check(preset: Preset) -> None:
    network, training = preset.network, preset.training
    numbers = [value for config in (network, network.cnn, network.transformer, training) for value in dataclasses.astuple(config)
               if isinstance(value, (int, float))]
    assert all(map(math.isfinite, numbers))
    for teacher in (network.cnn, network.transformer):
        assert not set(teacher.model) & set(":/\\ ") and 32 <= teacher.input_size <= MOST_SIDE and 3 <= len(teacher.indices) <= 4
        assert all(map(math.isfinite, (*teacher.mean, *teacher.std))) and all(value > 0 for value in teacher.std)
        assert 0 <= teacher.patch_size <= teacher.input_size
    assert 64 <= network.image_size <= MOST_SIDE and 8 <= network.embedding <= MOST_WIDTH and 1 <= network.depth <= MOST_DEPTH
    assert 0 <= network.dropout < 1 and network.score in ("max", "top")
    assert 1 <= training.steps_for(1) <= 10**13 and 2 <= training.batch <= 1024 and 4 <= training.max_images
    assert 0 < training.learning_rate <= 10 and 0 <= training.weight_decay <= 10 and 0 <= training.teacher_target <= 1000
    assert 0 <= training.warmup <= 10**7
    assert 0.02 <= training.hold_out <= 0.5 and training.calibration in ("auto", "split", "cross")


@given(yaml_files(EDGE))
@example(with_training(learning_rate=1e300))
@example(with_training(weight_decay=-1.0))
@example(with_training(weight_decay=1e300))
@example(with_training(warmup=-1))
@example(with_training(warmup=10**19))
@example(with_training(teacher_target=-1e9))
@example(with_training(steps=True))
@example(with_training(neighbourhood=4))
@example(with_network(fusion_widths=[8, 8, -8]))
@example(with_network(cnn={**EDGE["network"]["cnn"], "std": [0.0, 0.5, 0.5]}))
@example(with_network(cnn={**EDGE["network"]["cnn"], "model": "hf-hub:someone/model"}))
@example(with_network(transformer={**EDGE["network"]["transformer"], "patch_size": 5000}))
@example(with_network(transformer={**EDGE["network"]["transformer"], "model": "a\n"}))
@example(b"{network: {}, training: {}, turned: 5}")
@example(b"{network: {}, training: {}, turned: {network: 5}}")
@example(b"{network: 5, training: [], large_defects: {training: {}}}")
@example(b"[network, training]")
def test_a_preset_is_sound_or_refused(tmp_path, data):
    path = tmp_path / "mine.yaml"
    path.write_bytes(data)
    preset = read_or_refused(lambda: load_preset(str(path)))
    if preset is not None:
        for one in filter(None, (preset, preset.turned, preset.large_defects, preset.rotated(90))):
            check(one)


@given(texts)
@example("\0.yaml")
@example("x" * 5000 + ".yml")
@example("/dev/zero.yaml")
@example("../presets/edge")
def test_a_name_is_a_shipped_preset_or_refused(name):
    try:
        assert load_preset(name).name in ("edge", "paper")
    except InputError as error:
        assert str(error).isprintable()
