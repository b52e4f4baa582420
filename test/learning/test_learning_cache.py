"""The feature cache holds what the teachers would say afresh, within half precision, in memory or on disk."""

import dataclasses

import numpy as np
import pytest
import torch
from model_fixtures import made_up_part

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.preprocessing import to_tensor
from hetnet_ros.learning.augmentation import make_view
from hetnet_ros.learning.feature_cache import FeatureCache, fill_cache
from hetnet_ros.learning.preset import TrainingConfig, load_preset
from hetnet_ros.network.anomaly_map import cosine_distance
from hetnet_ros.network.hetnet import HetNet

CPU = torch.device("cpu")
CONFIG = TrainingConfig(views=2, rotation=20.0, light=0.5, cache_mb=64)


@pytest.fixture(scope="module")
def network(tiny_preset):
    torch.manual_seed(0)
    return HetNet(load_preset(str(tiny_preset)).network)


@pytest.fixture(scope="module")
def images():
    return np.stack([made_up_part(i)[:64, 32:96] for i in range(3)])


@pytest.mark.parametrize("budget_bytes", [2**26, 1000])
def test_cached_features_equal_fresh_ones(network, images, budget_bytes, tmp_path):
    shapes = [s for group in network.teachers.feature_shapes(64) for s in group]
    fresh = network.teachers(to_tensor(images))
    cache = FeatureCache(shapes, 3, budget_bytes, tmp_path)
    cache.put(0, fresh)
    assert cache.on_disk == (budget_bytes == 1000)
    kept = cache.batch(torch.tensor([2, 0]))
    for got, want in zip((*kept.local, *kept.global_), (*fresh.local, *fresh.global_)):
        torch.testing.assert_close(got, want[[2, 0]], rtol=1e-3, atol=1e-3)
    cache.close()
    assert not list(tmp_path.iterdir())  # nothing is left on disk


def test_every_view_is_the_teachers_view_of_its_own_variant(network, images):
    """Within the precision that the features are computed in, bfloat16 where the processor has it."""
    cache = fill_cache(network.teachers, images, CONFIG, seed=7, device=CPU, batch=4, progress=False)
    assert len(cache) == 6
    varied = make_view(images[1], CONFIG.rotation, CONFIG.light, np.random.default_rng((7, 1, 1)))
    for item, image in ((2, images[1]), (3, varied)):
        fresh = network.teachers(to_tensor(image[None]))
        for name in ("local", "global_"):
            want = getattr(fresh, name)[2]
            apart = [float(cosine_distance(want, getattr(cache.batch(torch.tensor([k])), name)[2]).mean()) for k in range(6)]
            assert apart[item] < 1e-3 and apart[item] < 0.2 * min(apart[:item] + apart[item + 1:]), (name, item, apart)
    assert not torch.equal(cache.stages[0][2], cache.stages[0][3])


def test_a_cache_larger_than_the_disk_is_refused_in_one_line():
    with pytest.raises(InputError, match="feature cache needs .* GiB but only"):
        FeatureCache([torch.Size((4096, 1024, 1024))], 10**6, 1)


def test_variants_keep_shape_and_follow_their_generator(images):
    first, again, other = (make_view(images[0], 30, 1.0, np.random.default_rng(s)) for s in (1, 1, 2))
    assert first.shape == images[0].shape and first.dtype == np.uint8
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_without_rotation_and_light_a_variant_is_the_image(images):
    assert np.array_equal(make_view(images[0], 0, 0, np.random.default_rng(0)), images[0])


def test_rotation_turns_about_the_centre(images):
    turned = make_view(images[0], 180, 0, np.random.default_rng(3))
    assert abs(float(turned[28:36, 28:36].mean()) - float(images[0][28:36, 28:36].mean())) < 4
    assert np.abs(turned.astype(int) - images[0]).mean() > 1


@pytest.mark.parametrize("change, word", [({"views": 0}, "views"), ({"learning_rate": -1.0}, "learning_rate"),
                                          ({"noise": "salt"}, "noise"), ({"hold_out": 0.9}, "hold_out")])
def test_settings_outside_their_range_are_refused(change, word):
    with pytest.raises(InputError, match=word):
        dataclasses.replace(CONFIG, **change)
