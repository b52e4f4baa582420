"""Any card in a model file: a card that says what was written, with numbers that teaching can give, or one line."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hostile_values import changed, damaged, read_or_refused, texts, values
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import save

from hetnet_ros.inspection.artifact import ModelCard, card_from_values, load_artifact
from hetnet_ros.inspection.card_bounds import BOUNDS, check_card
from hetnet_ros.network.config import MOST_SIDE
from hetnet_ros.network.weights import hash_tensors

NETWORK = yaml.safe_load((Path(__file__).resolve().parents[2] / "config" / "presets" / "edge.yaml").read_text())["network"]
CARD = {
    "part_name": "lid", "preset": "edge", "network": {**NETWORK, "cnn": {**NETWORK["cnn"], "position_antialias": True, "patch_size": 0}},
    "teachers": [{"model": NETWORK[kind]["model"], "sha256": 32 * "0f"} for kind in ("cnn", "transformer")],
    "calibration": {"good_scores": [0.1, 0.2, 0.3], "score_accept": 0.4, "score_reject": 0.5, "pixel": 0.6, "score_steepness": 4.0,
                    "pixel_steepness": 4.0, "false_reject": 0.01, "doubt": 0.01, "good_peaks": [0.2, 0.4, 0.6]},
    "domain": {"familiar": 0.1, "foreign": 0.3, "level": 0.2,
               "statistics": {"darkest": 20.0, "brightest": 220.0, "dark": 0.2, "saturated": 0.1, "sharpness": -3.0}},
    "training": {"images": 30, "held_out": 6, "min_size": [640, 480], "max_size": [640, 480], "steps": 600, "seed": 0, "views": 60,
                 "loss": 0.1, "folds": 0, "recalibrated": 0},
    "crop": {"x": 0.0, "y": 0.1, "width": 1.0, "height": 0.9}, "sample_bits": 16, "format_version": 5,
}
TENSORS = {"weight": torch.zeros(2)}
HASH = hash_tensors(TENSORS)
WRAPPED = {"card": json.dumps(CARD), "digest": "0" * 64}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched for a card."""
    def refuse(*_: Any) -> None:
        raise AssertionError("a card led to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def model_file(path: Path, text: str) -> Path:
    """A model file with this text as its card and the digest that belongs to it."""
    digest = hashlib.sha256(f"{text}|{HASH}".encode(errors="replace")).hexdigest()
    path.write_bytes(save(TENSORS, {"hetnet": json.dumps({"card": text, "digest": digest})}))
    return path


def check(card: ModelCard) -> None:
    """Its numbers are finite and its limits guard something."""
    def walk(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for name, entry in value.items():
                walk(entry, f"{place}.{name}".lstrip("."))
        elif isinstance(value, tuple):
            for entry in value:
                walk(entry, place)
        elif isinstance(value, (int, float)):
            assert math.isfinite(value)
            if place in BOUNDS:
                assert BOUNDS[place][0] <= value <= BOUNDS[place][1]

    walk(dataclasses.asdict(card), "")
    calibration, domain = card.calibration, card.domain
    assert 0 < calibration.score_accept <= calibration.score_reject and 0 < calibration.pixel and calibration.good_scores
    assert list(calibration.good_scores) == sorted(calibration.good_scores) and list(calibration.good_peaks) == sorted(calibration.good_peaks)
    assert calibration.calibrated_score(0) == 0 and 0.49 < calibration.calibrated_score(calibration.score_reject) < 0.51
    assert 0 < calibration.p_value(1e9) <= calibration.p_value(0.0) <= 1 and 0 <= domain.familiar <= domain.foreign
    for teacher, record in zip((card.network.cnn, card.network.transformer), card.teachers):
        assert record.model == teacher.model and not set(teacher.model) & set(":/\\ ~\n") and len(record.sha256) == 64
    assert card.network.image_size <= MOST_SIDE and len(card.part_name) < 300 and card.part_name.isprintable()


def same(read: Any, said: Any) -> bool:
    """Whether what was read says what was written; what was left out has a default, and a whole number may stand for any."""
    if isinstance(said, dict):
        return isinstance(read, dict) and all(name in read and same(read[name], value) for name, value in said.items())
    if isinstance(said, list):
        return isinstance(read, (list, tuple)) and len(read) == len(said) and all(map(same, read, said))
    return read == said and isinstance(read, bool) == isinstance(said, bool)


@given(changed(CARD))
@example({**CARD, "calibration": {**CARD["calibration"], "score_reject": math.inf}})
@example({**CARD, "calibration": {**CARD["calibration"], "score_accept": math.nan}})
@example({**CARD, "calibration": {**CARD["calibration"], "pixel": 10**39}})
@example({**CARD, "calibration": {**CARD["calibration"], "good_scores": []}})
@example({**CARD, "calibration": {**CARD["calibration"], "good_scores": [0.3, 0.1]}})
@example({**CARD, "calibration": {**CARD["calibration"], "good_scores": [[0.3]]}})
@example({**CARD, "domain": {**CARD["domain"], "foreign": True}})
@example({**CARD, "training": {**CARD["training"], "images": False}})
@example({**CARD, "network": [["cnn", 1]], "format_version": 3})
@example({**CARD, "network": "ab", "format_version": 2})
@example({**CARD, "format_version": True})
@example({**CARD, "format_version": 5.0})
@example({**CARD, "format_version": [5]})
@example({**CARD, "part_name": "\x1b[2J" * 1000})
@example({**CARD, "teachers": [CARD["teachers"][0], {**CARD["teachers"][1], "sha256": "0" * 64 + "\n"}]})
@example({**CARD, "crop": None})
@example(None)
@example([])
def test_a_card_is_sound_and_says_what_was_written_or_is_refused(tmp_path, card):
    text = json.dumps(card)
    found = read_or_refused(lambda: load_artifact(model_file(tmp_path / "m.safetensors", text)))
    if found is None:
        return
    check(found.card)
    # Older formats named some settings otherwise, and unprintable names are shown escaped.
    said = {name: value for name, value in card.items() if name not in ("part_name", "preset", "format_version")}
    if card["format_version"] == 5:
        assert same(dataclasses.asdict(found.card), said)


def test_the_card_that_is_changed_here_is_a_card(tmp_path):
    found = load_artifact(model_file(tmp_path / "m.safetensors", json.dumps(CARD)))
    check(found.card)
    assert same(dataclasses.asdict(found.card), CARD)


@given(values)
@example({"format_version": 5})
@example({"format_version": 2, "network": []})
@example({"format_version": 3, "network": {"local_target": []}})
def test_what_is_no_card_is_refused_as_documented(value):
    try:
        check_card(card_from_values(value))
    except (ValueError, TypeError, KeyError):
        return
    raise AssertionError("it is no card")


@given(st.one_of(changed(WRAPPED).map(json.dumps), damaged(json.dumps(WRAPPED).encode()).map(lambda data: data.decode(errors="replace")), texts))
@example('{"card": 5, "digest": ""}')
@example('{"card": {"a": 1}, "digest": ""}')
@example('["card", "digest"]')
@example('{"card": "[]", "digest": 5}')
@example('{"card": "{\\"format_version\\": 5}", "digest": ""}')
@example('{"card": "' + "[" * 200 + '", "digest": ""}')
def test_what_lies_around_a_card_is_one_line(tmp_path, text):
    path = tmp_path / "m.safetensors"
    path.write_bytes(save(TENSORS, {"hetnet": text.encode(errors="replace").decode()}))
    assert read_or_refused(lambda: load_artifact(path)) is None


@given(damaged(save(TENSORS, {"hetnet": json.dumps(WRAPPED)})))
@example(b"")
@example(b"\xff" * 8)
@example((2).to_bytes(8, "little") + b"{}")
@example((4).to_bytes(8, "little") + b"null")
@example((4).to_bytes(8, "little") + b"[{}]")
@example((20).to_bytes(8, "little") + b'{"__metadata__":[1]}')
def test_a_damaged_model_file_is_one_line(tmp_path, data):
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    assert read_or_refused(lambda: load_artifact(path)) is None
