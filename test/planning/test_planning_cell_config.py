"""The cell's YAML file: the shipped one is right, and what is wrong is said in one line with its place."""

from __future__ import annotations

import copy

import pytest
import yaml

from hetnet_ros.errors import InputError
from hetnet_ros.planning.cell_config import CellConfig, Policy, Timing, load_cell
from hetnet_ros.planning.named_states import named_state


@pytest.fixture
def values(source_root):
    return yaml.safe_load((source_root / "config" / "cell.yaml").read_text())


def write(tmp_path, values):
    path = tmp_path / "cell.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_the_shipped_file_names_every_key_with_its_default(source_root, values):
    cell = load_cell(source_root / "config" / "cell.yaml")
    assert isinstance(cell, CellConfig) and cell.recipe("") is cell.recipes["front"]
    assert cell.policy == Policy() and cell.timing == Timing()
    for key, cls in (("policy", Policy), ("timing", Timing)):
        assert set(values[key]) == set(cls.__dataclass_fields__)
    assert set(values["arm"]["moveit"]) == set(type(cell.arm.moveit).__dataclass_fields__)
    assert cell.arm.moveit == type(cell.arm.moveit)()


def test_the_shipped_file_serves_moveit_as_well(tmp_path, values):
    values["arm"]["backend"] = "moveit"
    assert load_cell(write(tmp_path, values)).stations.good.named == "good_bin"


def test_what_has_a_default_may_be_left_out(tmp_path, values):
    for key in ("policy", "timing", "inspector"):
        del values[key]
    assert load_cell(write(tmp_path, values)).policy == Policy()


def change(values, path, value):
    changed = copy.deepcopy(values)
    place = changed
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["policy", "uncertain"], "good", "policy.uncertain is 'good': use one of reject, reinspect"),
        (["policy", "motion_failed"], "good", "policy.motion_failed"),
        (["policy", "inspection_failed"], "good", "policy.inspection_failed"),
        (["policy", "patience"], 1, "cell.policy: unknown key 'patience'"),
        (["policy", "keep_out_margin"], -1, "keep_out_margin is -1: use 0 to 1 m"),
        (["policy", "halt_after"], -1, "halt_after is -1: use 0 .never. to 1000 parts"),
        (["policy", "keep_out"], "yes", "cell.policy.keep_out is 'yes': expected bool"),
        (["arm", "moveit", "planning_attempts"], True, "cell.arm.moveit.planning_attempts is True: expected int"),
        (["recipes", "front", "viewpoints"], ["face_on", "face_on"], "names one twice"),
        (["timing", "motion"], "long", "cell.timing.motion is 'long': expected float"),
        (["timing", "inspect"], 0, "timing.inspect"),
        (["arm", "backend"], "puppet", "use one of virtual_cell, moveit"),
        (["arm", "moveit", "velocity_scaling"], 2, "velocity_scaling is 2"),
        (["stations", "good"], None, "cell.stations: missing key 'good'"),
        (["recipes"], {}, "recipes is empty"),
        (["recipes", "front", "viewpoints"], [], "recipes.front.viewpoints is empty"),
        (["recipes", "front", "viewpoints"], ["moon"], "recipes.front names viewpoint 'moon'"),
        (["recipes", "front", "viewpoints"], "face_on", "cell.recipes.front.viewpoints is 'face_on': expected a list"),
        (["viewpoints", "face_on"], {"named": "x"}, "viewpoints.face_on: give a view"),
        (["viewpoints", "face_on", "view", "tilt_deg"], 80, "tilt_deg 80: use 0 to 45"),
        (["viewpoints", "face_on", "pose"], {"frame_id": "b", "position": [0, 0], "orientation": [0, 0, 0, 1]}, "expected 3 values"),
        (["viewpoints", "face_on", "pose"], {"frame_id": "b", "position": [0, 0, 0], "orientation": [0, 0, 0, 2]}, "length 2"),
        (["viewpoints"], ["face_on"], "cell.viewpoints is \\['face_on'\\]: expected names and their values"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, values, path, value, words):
    file = write(tmp_path, change(values, path, value))
    with pytest.raises(InputError, match=words) as refused:
        load_cell(file)
    assert str(refused.value).startswith(f"cell file {file}: ") and "\n" not in str(refused.value)


@pytest.mark.parametrize("station", ["reject", "reinspect"])
def test_the_good_bin_is_a_place_of_its_own(tmp_path, values, station):
    values["arm"]["backend"] = "moveit"
    values["stations"]["good"] = dict(values["stations"][station])
    with pytest.raises(InputError, match="keep them apart"):
        load_cell(write(tmp_path, values))


def test_moveit_needs_one_way_to_each_place(tmp_path, values):
    values["arm"]["backend"] = "moveit"
    del values["stations"]["reject"]["named"]
    with pytest.raises(InputError, match="stations.reject: give either named or pose"):
        load_cell(write(tmp_path, values))


@pytest.mark.parametrize("content", ["a: [", "- 1", "", "\x00"])
def test_a_file_that_is_no_cell_is_told_so(tmp_path, content):
    path = tmp_path / "cell.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match="cell file") as refused:
        load_cell(path)
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="does not exist"):
        load_cell(tmp_path / "absent.yaml")


def test_an_unknown_recipe_names_those_there_are(source_root):
    with pytest.raises(InputError, match="recipe 'lid' .* choose one of front"):
        load_cell(source_root / "config" / "cell.yaml").recipe("lid")


SRDF = """<robot name="r">
  <group_state name="home" group="arm"><joint name="a" value="0.5"/><joint name="b" value="-1"/></group_state>
  <group_state name="open" group="hand"><joint name="f" value="0.04"/></group_state>
  <group_state name="empty" group="arm"/><group_state name="odd" group="arm"><joint name="a" value="x"/></group_state>
</robot>"""


def test_named_states_come_from_the_srdf():
    assert named_state(SRDF, "arm", "home") == {"a": 0.5, "b": -1.0}
    for arguments, words in ((("arm", "open"), "empty, home, odd"), (("arm", "empty"), "names no joint"), (("arm", "odd"), "finite")):
        with pytest.raises(InputError, match=words):
            named_state(SRDF, *arguments)
    with pytest.raises(InputError, match="not XML"):
        named_state("<robot", "arm", "home")
