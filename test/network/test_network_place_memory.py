"""The memory of places: exact for what it holds, blind to what is normal elsewhere, and one stage of the map."""

import dataclasses

import pytest
import torch
from test_network_hetnet import CONFIG

from hetnet_ros.errors import InputError
from hetnet_ros.network.hetnet import HetNet
from hetnet_ros.network.place_memory import PlaceMemory


def features(count, seed=0, channels=24):
    return torch.randn(count, channels, 4, 5, generator=torch.Generator().manual_seed(seed))


def test_what_is_kept_is_at_no_distance_and_what_is_not_is():
    memory = PlaceMemory(8, 20, 24)
    assert torch.equal(memory(features(2)), torch.ones(2, 4, 5)), "an empty memory knows nothing"
    memory.remember(features(6))
    assert float(memory(features(6)).max()) < 1e-3
    distance = memory(features(3, seed=1))
    assert distance.shape == (3, 4, 5) and 0.2 < float(distance.min()) and float(distance.max()) <= 1


def test_the_distance_is_to_the_nearest_at_the_same_place():
    taught, asked = features(6), features(2, seed=1)
    memory = PlaceMemory(8, 20, 24)
    memory.remember(taught)
    likeness = torch.cosine_similarity(asked[:, None], taught[None], dim=2)
    torch.testing.assert_close(memory(asked), 1 - likeness.amax(1).clamp_min(0), atol=2e-3, rtol=0)
    moved = taught.roll(1, 3)
    assert float(memory(moved).mean()) > 0.3, "what is normal at the next place is not normal here"


def test_of_many_those_that_differ_most_are_kept():
    alike = features(1).expand(30, -1, -1, -1) + 0.01 * features(30, seed=2)
    rare = features(2, seed=3)
    memory = PlaceMemory(4, 20, 24)
    memory.remember(torch.cat((alike[:17], rare, alike[17:])))
    assert float(memory(rare).max()) < 1e-3 and float(memory(alike).max()) < 1e-2


def test_fewer_directions_than_channels_still_tell_patches_apart():
    """Features of real teachers lie in few directions; here in 40 of 200."""
    spread = torch.randn(40, 200, generator=torch.Generator().manual_seed(5))
    wide = [torch.einsum("nchw,cd->ndhw", features(count, seed, 40), spread) for count, seed in ((6, 0), (2, 1))]
    memory = PlaceMemory(8, 20, 200)
    memory.remember(wide[0])
    assert memory.basis.shape == (200, 128) and float(memory(wide[0]).max()) < 1e-3 and float(memory(wide[1]).min()) > 0.1


def test_it_is_one_more_stage_of_the_map_and_is_kept_in_the_model_file():
    torch.manual_seed(0)
    network = HetNet(dataclasses.replace(CONFIG, place_memory=4)).eval()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = network.teachers(images)
        students, stages = network.student_distances(found), network.stage_distances(found)
        for memory, feature in network.memories():
            memory.remember(feature(found))
        after = network.stage_distances(found)
    assert len(stages) == len(students) + 1 == len(network.anomaly_map.weights)
    assert float(stages[-1].min()) == 1 and float(after[-1].max()) < 1e-3
    assert {"memory.basis", "memory.kept"} <= set(network.trained_state())
    assert HetNet(CONFIG).memory is None and not [k for k in HetNet(CONFIG).trained_state() if "memory" in k]


def test_the_cnns_deepest_stage_and_the_image_as_a_whole_are_remembered_where_asked():
    torch.manual_seed(0)
    deep = dataclasses.replace(CONFIG, cnn=dataclasses.replace(CONFIG.cnn, indices=(1, 2, 3, 4)), place_memory=4, cnn_memory=0.5,
                               image_memory=0.3, local_targets=1, combination="geometric")
    network = HetNet(deep).eval()
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = network.teachers(images)
        for memory, feature in network.memories():
            memory.remember(feature(found))
        distances = network.stage_distances(found)
        maps, scores = network.anomaly_map(distances)
    assert [tuple(d.shape[1:]) for d in distances] == [(4, 4), (4, 4), (4, 4), (2, 2), (1, 1)]
    assert all(float(d.max()) < 1e-3 for d in distances[2:]), "what was taught is known"
    weights = network.anomaly_map.weights
    assert weights.shape == (4,) and weights[3] / weights[0] == pytest.approx(0.5) and float(weights.sum()) == pytest.approx(1)
    assert maps.shape == (3, 64, 64)
    torch.testing.assert_close(scores, maps.amax((1, 2)))  # a known image's score is the map's, neither raised nor lowered


def test_a_size_that_is_none_is_refused():
    with pytest.raises(InputError, match="network.place_memory is -1: use 0"):
        dataclasses.replace(CONFIG, place_memory=-1)


@pytest.mark.parametrize("change, said", [
    ({"image_memory": -1.0}, "use values from 0 to 4"), ({"cnn_memory": 0.5}, "place_memory above 0"),
    ({"cnn": dataclasses.replace(CONFIG.cnn, indices=(1, 2, 3, 4))}, "fourth index, which only a memory looks at"),
    ({"cnn": dataclasses.replace(CONFIG.cnn, indices=(1, 2))}, "list 2 and 3 indices"),
    ({"transformer": dataclasses.replace(CONFIG.transformer, indices=(0, 1, 2, 3))}, "list 3 and 4 indices")])
def test_memories_that_cannot_be_are_refused(change, said):
    with pytest.raises(InputError, match=said):
        dataclasses.replace(CONFIG, **change)
