"""The shipped presets build the networks they describe; other files are checked key by key."""

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
    with pytest.raises(InputError, match="nowhere.yaml cannot be read"):
        load_preset("nowhere.yaml")


def test_only_parts_that_lie_still_are_taught_with_their_places():
    edge = load_preset("edge")
    for still in (edge, edge.rotated(0)):
        assert still.network.place_embedding and still.network.place_memory
    turned = edge.rotated(10).network
    assert not turned.place_embedding and not turned.place_memory
