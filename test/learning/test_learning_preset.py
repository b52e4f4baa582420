"""The shipped presets build the networks they describe; other files are checked key by key."""

import dataclasses

import pytest
import torch

from hetnet_ros.errors import InputError
from hetnet_ros.learning.preset import load_preset, preset_names
from hetnet_ros.network.hetnet import HetNet


@pytest.mark.parametrize("name", preset_names())
def test_a_shipped_preset_builds_and_its_map_has_the_size_it_says(name):
    config = load_preset(name).network
    with torch.device("meta"):  # shapes only: the paper's teachers are large
        network = HetNet(config).eval()
        maps, scores, _ = network(torch.empty(2, 3, config.image_size, config.image_size))
    assert maps.shape == (2, config.image_size, config.image_size) and scores.shape == (2,)
    assert [shape[1] * stride for shape, stride in zip(network.local_shapes, (4, 8, 16))] == [config.image_size] * 3


def test_the_two_presets_of_the_documentation_are_there():
    assert {"edge", "paper"} <= set(preset_names())


@pytest.mark.parametrize("text, said", [
    ("network: [", "not valid YAML"), ("steps: 3", "exactly the keys"), ("{network: {}, training: {}}", "missing key 'cnn'"),
    ("- a\n- b", "exactly the keys")])
def test_a_preset_file_that_is_none_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as error:
        load_preset(str(path))
    assert "\n" not in str(error.value) and "mine.yaml" in str(error.value)


def test_an_unknown_name_lists_the_presets_and_an_absent_file_is_named():
    with pytest.raises(InputError, match="edge, paper"):
        load_preset("fast")
    with pytest.raises(InputError, match="nowhere.yaml does not exist"):
        load_preset("nowhere.yaml")


def test_what_is_different_for_turned_parts_is_put_in_its_place(tmp_path, tiny_preset):
    path = tmp_path / "mine.yaml"
    path.write_text(tiny_preset.read_text() + "turned: {network: {cnn: {input_size: 96}, depth: 3}, training: {light: 0.1}}\n")
    preset = load_preset(str(path))
    turned = preset.rotated(180)
    assert (turned.network.cnn.input_size, turned.network.depth, turned.training.light) == (96, 3, 0.1)
    assert turned.training.rotation == 180 and turned.training.views == 2 * preset.training.views
    assert (turned.network.cnn.model, turned.network.image_size) == (preset.network.cnn.model, preset.network.image_size)
    assert (preset.network.cnn.input_size, preset.network.depth, preset.training.light) == (64, 2, 0.3)
    assert preset.rotated(0).network == preset.network


def test_what_is_different_for_large_defects_is_another_preset_and_asked_for_by_name(tmp_path, tiny_preset):
    path = tmp_path / "mine.yaml"
    path.write_text(tiny_preset.read_text() + "large_defects: {network: {image_memory: 0.4}}\nturned: {network: {depth: 3}}\n")
    preset = load_preset(str(path))
    large = preset.for_large_defects()
    assert large.network == dataclasses.replace(preset.network, image_memory=0.4) and large.training == preset.training
    assert preset.rotated(5).network.depth == 3
    assert load_preset("edge").for_large_defects().network.image_memory > 0
    with pytest.raises(InputError, match="preset tiny has no section large_defects"):
        load_preset(str(tiny_preset)).for_large_defects()


@pytest.mark.parametrize("section, said", [("{speed: {}}", "turned may have"), ("3", "turned may have"),
                                           ("{network: {depht: 3}}", "mine.yaml: turned: network: unknown key 'depht'"),
                                           ("{network: 3}", "mine.yaml: turned: network: expected a mapping")])
def test_a_section_for_turned_parts_that_is_none_is_refused_in_one_line(tmp_path, tiny_preset, section, said):
    path = tmp_path / "mine.yaml"
    path.write_text(tiny_preset.read_text() + f"turned: {section}\n")
    with pytest.raises(InputError, match=said):
        load_preset(str(path))


def test_only_parts_that_lie_still_are_taught_with_their_places():
    edge = load_preset("edge")
    for still in (edge, edge.rotated(0)):
        assert still.network.place_embedding and still.network.place_memory
    turned = edge.rotated(10).network
    assert not turned.place_embedding and not turned.place_memory and not turned.cnn_memory
