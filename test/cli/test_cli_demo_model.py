"""The demonstration keeps its model for the next time, and teaches again only when something it depends on changed."""

import dataclasses
import os

import pytest

from hetnet_ros.cli.demo_model import Lesson, taught_model
from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import load_artifact


def test_a_taught_model_is_reused_until_the_lesson_changes(tmp_path, tiny_preset, weights_cache):
    said = []
    lesson = Lesson("front", ("mid",), 1.0, 320.0, 160, 120, (4, 4, 152, 112), 6, str(tiny_preset), 2, 0)
    first = taught_model(lesson, tmp_path, False, said.append)
    card = load_artifact(first).card
    assert card.part_name == "virtual_front" and card.training.images == 6 and card.training.max_size == (112, 152)
    written = first.stat().st_mtime_ns
    assert taught_model(lesson, tmp_path, False, said.append) == first and first.stat().st_mtime_ns == written
    assert said[-1].startswith(f"Reusing {first}")
    assert taught_model(lesson, tmp_path, True, said.append) == first and first.stat().st_mtime_ns != written
    assert taught_model(dataclasses.replace(lesson, steps=3), tmp_path, False, said.append) != first


def test_a_damaged_kept_model_is_taught_again(tmp_path, tiny_preset, weights_cache):
    said = []
    lesson = Lesson("front", ("mid",), 1.0, 320.0, 160, 120, (4, 4, 152, 112), 6, str(tiny_preset), 2, 0)
    model = taught_model(lesson, tmp_path, False, said.append)
    model.write_bytes(b"half a file")
    assert taught_model(lesson, tmp_path, False, said.append) == model
    assert any("cannot be used" in line for line in said)
    load_artifact(model)


def test_a_full_disk_is_one_line_and_leaves_nothing_behind(small_disk, tiny_preset, weights_cache):
    folder = small_disk(1024)  # KiB: for two or three of the pictures
    lesson = Lesson("front", ("mid",), 1.0, 320.0, 640, 480, (14, 18, 612, 444), 6, str(tiny_preset), 2, 0)
    with pytest.raises(InputError, match="the disk is full"):
        taught_model(lesson, folder / "model", False, lambda line: None)
    assert os.listdir(folder) == []
