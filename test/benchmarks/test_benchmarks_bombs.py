"""Inputs that explode: each is refused, or passed over with a line on it, by what reads such a file."""

from __future__ import annotations

import importlib

import pytest

from hetnet_ros.errors import InputError

#: Those that take seconds to make; the others are made of what these are made of.
SLOW = ("mcap.zstd of zeros", "db3.zstd of zeros", "of 2 GB", "of 1 GB", "without a size", "hides its size", "says so", "2 GB",
        "index should be", "whole", "RGB", "60,000", "result: values", "labels: values", "coco: values")


@pytest.fixture(scope="module")
def bombs(source_root):
    folder = source_root / "benchmarks"
    if not folder.is_dir():
        pytest.skip("installed without the benchmarks")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield importlib.import_module("bombs")


def test_every_bomb_is_refused_or_told(bombs, tmp_path):
    tried = 0
    for number, (name, (kind, file, make)) in enumerate(bombs.BOMBS.items()):
        if any(words in name for words in SLOW):
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            said = bombs.READERS[kind](make(folder / file))
        except InputError as error:
            said = str(error)
        assert bool(said) == (name not in bombs.PASSED_OVER), name
        assert len(said) < 5000 and "\n" not in said, name  # at most some lines on losses
        tried += 1
    assert tried >= 40


def test_every_good_input_is_taken(bombs, tmp_path):
    """Else each bomb would be refused for another reason than what it is."""
    for kind in ("image", "mask", "message", "recipe", "cell", "preset", "labels", "result"):
        assert bombs.READERS[kind](bombs.good_input(kind, tmp_path)) == ""
