"""A share of ``benchmarks/bit_flips.py``: flipped bits are refused, or change nothing; and the script finds a breach where there is one."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from hetnet_ros.inspection.export import export_model

FLIPS = 8
"""In each of seven parts; the script itself does a thousand."""


@pytest.fixture
def bit_flips(monkeypatch, source_root):
    folder = source_root / "benchmarks"
    if not folder.is_dir():
        pytest.skip("installed without the benchmarks")
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module("bit_flips")


@pytest.fixture
def model(tiny_model, tmp_path) -> Path:
    return Path(shutil.copy(tiny_model, tmp_path / "part.safetensors"))


def test_flipped_bits_are_refused_or_change_nothing(bit_flips, model):
    rng = np.random.default_rng(1)
    for backend, file in bit_flips.FORMATS.items():
        export_model(model, model.with_name(file), backend)
    parts = [part for name in (model.name, *bit_flips.FORMATS.values()) for part in bit_flips.parts_of(model.with_name(name))]
    assert len(parts) == 7
    for part in parts:
        before = part.file.read_bytes()
        tally = bit_flips.flip(part, FLIPS, rng)
        assert not tally.breaches and tally.refused + tally.same == FLIPS
        assert part.file.read_bytes() == before


def test_a_reader_that_believes_everything_is_a_breach(bit_flips, model, monkeypatch):
    monkeypatch.setattr(bit_flips, "content", lambda path: {"id": path.read_bytes()})
    tally = bit_flips.flip(bit_flips.parts_of(model)[0], 3, np.random.default_rng(1))
    assert len(tally.breaches) == 3 and "read with other content" in tally.breaches[0]
