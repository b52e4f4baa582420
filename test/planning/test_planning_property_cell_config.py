"""Any cell file: a cell in which no part can come to the good bin by mistake, or one line."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import yaml
from hostile_values import changed, read_or_refused, texts, yaml_files
from hypothesis import example, given
from hypothesis import strategies as st

from hetnet_ros.errors import InputError
from hetnet_ros.planning.cell_config import BACKENDS, SAFE_SIDES, CellConfig, load_cell

CELL = yaml.safe_load((Path(__file__).resolve().parents[2] / "config" / "cell.yaml").read_text())
POSE = {"pose": {"frame_id": "base", "position": [0.4, 0.0, 0.5], "orientation": [1.0, 0.0, 0.0, 0.0]}}
ROBOT = {**CELL, "arm": {**CELL["arm"], "backend": "moveit"},
         "stations": {**CELL["stations"], "good": POSE, "reject": {"pose": {**POSE["pose"], "position": [0, 1, 2]}}}}


def written(folder: Path, data: bytes) -> Path:
    path = folder / "cell.yaml"
    path.write_bytes(data)
    return path


def same_bin(**stations: dict) -> bytes:
    """A robot's cell whose stations are changed so."""
    return yaml.safe_dump({**ROBOT, "stations": {**ROBOT["stations"], **stations}}).encode()


def check(cell: CellConfig) -> None:
    """What the planner relies on, whatever the file said."""
    assert cell.arm.backend in BACKENDS and cell.recipes
    for recipe in cell.recipes.values():
        assert recipe.viewpoints and len(set(recipe.viewpoints)) == len(recipe.viewpoints)
        assert set(recipe.viewpoints) <= set(cell.viewpoints)
    policy, timing, moveit = cell.policy, cell.timing, cell.arm.moveit
    assert {policy.uncertain, policy.motion_failed, policy.inspection_failed} <= set(SAFE_SIDES)
    assert all(0 <= value <= 3600 for value in dataclasses.astuple(timing)) and min(timing.motion, timing.inspect, timing.available) >= 0.1
    assert 0 <= policy.keep_out_margin <= 1 and 0 <= policy.halt_after <= 1000 and type(policy.stop_on_reject) is bool is type(policy.keep_out)
    assert 0 < moveit.velocity_scaling <= 1 and 0 < moveit.acceleration_scaling <= 1
    assert all(0 < value < math.inf for value in (moveit.planning_time, moveit.planning_attempts, moveit.position_tolerance))
    targets = {**cell.viewpoints, **vars(cell.stations)}
    if cell.arm.backend == "moveit":
        assert all(bool(target.named) != (target.pose is not None) for target in targets.values())
        where = [(target.named, target.pose) for target in (cell.stations.good, cell.stations.reject, cell.stations.reinspect)]
        assert where[0] not in where[1:]
    else:
        assert all(cell.viewpoints[name].view is not None for name in cell.viewpoints)
    for target in targets.values():
        if target.pose is not None:
            assert abs(math.hypot(*target.pose.orientation) - 1) < 0.011 and all(map(math.isfinite, target.pose.position))


@given(st.one_of(yaml_files(CELL), yaml_files(ROBOT)))
@example(same_bin(good={"named": "bin"}, reject={"named": "bin", "view": {"tilt_deg": 3.0}}))
@example(same_bin(good=POSE, reinspect={**POSE, "view": {}}))
@example(same_bin(good={"pose": {**POSE["pose"], "position": [2**63, 1e308, -1e308]}}))
@example(same_bin(good={"pose": {**POSE["pose"], "orientation": [1e308, 1e308, 0, 0]}}))
@example(yaml.safe_dump({**CELL, "recipes": {"front": {"viewpoints": ["face_on", "face_on"]}}}).encode())
@example(b"recipes: {'': {viewpoints: []}}")
@example(b"? {a: 1}\n: 2")
@example(b"5")
@example(b"{1: 2, a: 3}")
@example(b"")
def test_a_cell_is_sound_or_refused(tmp_path, data):
    cell = read_or_refused(lambda: load_cell(written(tmp_path, data)))
    if cell is not None:
        check(cell)


@given(changed({key: CELL[key] for key in ("policy", "timing", "arm")}), texts)
def test_what_a_cell_says_is_what_it_is(tmp_path, sections, name):
    """No value of the file is read as another one."""
    try:
        data = yaml.safe_dump({**CELL, **sections} if isinstance(sections, dict) else sections).encode()
    except (yaml.YAMLError, UnicodeEncodeError, RecursionError):
        return
    cell = read_or_refused(lambda: load_cell(written(tmp_path, data)))
    if cell is None:
        return
    said = dataclasses.asdict(cell)
    for section in ("policy", "timing"):
        for key, value in sections.get(section, {}).items():
            assert said[section][key] == value and isinstance(said[section][key], bool) == isinstance(value, bool)
    try:
        assert name in cell.recipes or name == "" or cell.recipe(name) is None
    except InputError as error:
        assert str(error).isprintable()
