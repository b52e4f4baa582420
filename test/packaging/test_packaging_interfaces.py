"""The generated interfaces: they load, and a message that was never filled in cannot be taken for a PASS."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from hetnet_ros.inspection.result import Verdict

pytest.importorskip("hetnet_ros.msg", reason="the ROS interfaces are not built here: scripts/setup, or colcon build")
ROOT = Path(__file__).resolve().parents[2]
FILES = [path for folder in ("msg", "srv", "action") for path in sorted((ROOT / folder).iterdir())]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_interface_has_its_class_and_type_support(file):
    kind = getattr(importlib.import_module(f"hetnet_ros.{file.parent.name}"), file.stem)
    kind.__class__.__import_type_support__()
    assert getattr(kind.__class__, "_TYPE_SUPPORT", None) is not None


@pytest.mark.parametrize("owner", ["hetnet_ros.msg.Inspection", "hetnet_ros.action.InspectPart.Result"])
def test_verdict_constants_are_those_of_the_code(owner):
    parts = owner.split(".")
    kind = importlib.import_module(".".join(parts[:2]))
    for name in parts[2:]:
        kind = getattr(kind, name)
    assert {verdict.name: getattr(kind, verdict.name) for verdict in Verdict} == {v.name: int(v) for v in Verdict}
    assert kind().verdict == Verdict.UNCERTAIN


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_field_is_explained(file):
    """By a comment on its line or on the lines just before it; a field of one of our own types by that type's file."""
    explained = False
    for line in file.read_text().splitlines():
        if "#" in line:
            explained = True
        elif not line.strip():
            explained = False
        elif re.match(r"[a-z]", line) and not explained:
            raise AssertionError(f"{file.name}: no comment explains {line.strip()!r}")
