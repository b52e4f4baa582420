"""Shapes, gradients and ablations of HetNet with small random teachers; what is frozen must stay frozen."""

import dataclasses

import pytest
import torch

from hetnet_ros.configuration import from_mapping
from hetnet_ros.errors import InputError
from hetnet_ros.network.config import NetworkConfig, TeacherConfig
from hetnet_ros.network.fusion import ALGF, MHF
from hetnet_ros.network.hetnet import HetNet
from hetnet_ros.network.losses import stage_loss
from hetnet_ros.network.students import OCE, LinearAttention, Student
from hetnet_ros.network.teachers import MOST_GAIN, Teacher, TeacherFeatures

CNN = TeacherConfig("tf_efficientnet_lite0", (1, 2, 3), 64, (0.5,) * 3, (0.5,) * 3)
VIT = TeacherConfig("vit_tiny_patch16_224", (0, 1, 2), 64, (0.5,) * 3, (0.5,) * 3)
CONFIG = NetworkConfig(CNN, VIT, image_size=64, fusion_widths=(8, 16, 16), embedding=32, depth=2)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return HetNet(CONFIG)


@pytest.fixture
def images():
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_map_has_the_size_of_the_input_and_one_score_an_image(network, images):
    maps, scores, descriptors = network.eval()(images)
    assert maps.shape == (2, 64, 64) and scores.shape == (2,)
    assert bool((maps >= 0).all())
    assert descriptors.shape == (2, 2 * 192)
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(2))
    assert torch.equal(scores, maps.flatten(1).amax(1))


def test_images_brought_to_one_brightness_read_the_same_in_any_exposure():
    torch.manual_seed(0)
    network = HetNet(dataclasses.replace(CONFIG, brightness=0.4)).eval()
    image = 0.2 + 0.3 * torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    seen = [network.teachers(image * gain).global_[-1] for gain in (0.5, 1.0, 2.0)]
    torch.testing.assert_close(seen[0], seen[1], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(seen[2], seen[1], rtol=1e-3, atol=1e-3)
    as_it_is = HetNet(CONFIG).eval()
    as_it_is.load_state_dict(network.state_dict())
    torch.testing.assert_close(as_it_is.teachers(image * (0.4 / image.mean())).global_[-1], seen[1], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(as_it_is.teachers(image).global_[-1], seen[1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("level", [0.0, 0.004, 0.9999])
def test_what_is_nearly_black_or_white_is_brought_no_further_than_fourfold(level):
    network = HetNet(dataclasses.replace(CONFIG, brightness=0.2)).eval()
    image = torch.full((1, 3, 64, 64), level)
    gain = {0.0: 1.0, 0.004: MOST_GAIN, 0.9999: 1 / MOST_GAIN}[level]
    as_it_is = HetNet(CONFIG).eval()
    as_it_is.load_state_dict(network.state_dict())
    torch.testing.assert_close(network.teachers(image).local[0], as_it_is.teachers(image * gain).local[0])


def test_students_reproduce_the_shapes_of_the_teachers_stages(network, images):
    features = network.teachers(images)
    outputs = network.denoising(network.fuse(features))
    assert [o.shape for o in outputs] == [t.shape for t in network.targets(features)]
    assert [f.shape[2] for f in features.local] == [16, 8, 4]


def test_training_moves_fusion_and_both_students_but_no_teacher(network, images):
    network.train()
    before = {k: v.clone() for k, v in network.teachers.state_dict().items()}
    features = network.teachers(images)
    fused = network.fuse(features)
    prototype = network.reconstruction(fused)
    loss = stage_loss(network.targets(features), prototype, network.stage_weights)
    loss = loss + stage_loss(prototype, network.denoising(fused), network.stage_weights)
    loss.backward()
    assert all(p.grad is None and not p.requires_grad for p in network.teachers.parameters())
    for room in (network.algf, network.mhf, network.reconstruction, network.denoising):
        assert sum(float(p.grad.abs().sum()) for p in room.parameters()) > 0
    assert all(torch.equal(before[k], v) for k, v in network.teachers.state_dict().items())
    assert not network.teachers.cnn.model.training


def test_the_denoising_loss_sends_no_gradient_into_its_target(network, images):
    network.zero_grad()
    features = network.teachers(images)
    with torch.no_grad():
        fused = network.fuse(features)
    stage_loss(network.reconstruction(fused), network.denoising(fused), network.stage_weights).backward()
    assert all(p.grad is None for p in network.reconstruction.parameters())


def test_hard_fraction_lowers_the_weight_of_easy_patches():
    target = torch.ones(1, 4, 2, 2)
    output = torch.ones(1, 4, 2, 2)
    output[0, :, 0, 0] = torch.tensor([1.0, -1.0, 1.0, -1.0])  # one patch at distance 1, three at 0
    output[0, :, 0, 1] = torch.tensor([1.0, 1.0, 1.0, -1.0])   # one at distance 0.5
    assert stage_loss((target,), (output,), (1.0,)) == pytest.approx((1 + 0.5) / 4)
    assert stage_loss((target,), (output,), (1.0,), hard_fraction=0.25) < (1 + 0.5) / 4


def test_pruned_teachers_give_the_features_of_the_whole_model(images):
    import timm
    torch.manual_seed(3)
    whole = timm.create_model("vit_tiny_patch16_224", img_size=64).eval()
    network = HetNet(CONFIG)
    network.teachers.transformer.model.load_state_dict(whole.state_dict(), strict=False)
    expected = whole.forward_intermediates((images - 0.5) / 0.5, indices=[0, 1, 2], norm=False, intermediates_only=True)
    for want, got in zip(expected, network.teachers.transformer(images)):
        torch.testing.assert_close(got, want)
    assert len(network.teachers.transformer.model.blocks) == 3


def test_algf_is_local_plus_global_plus_an_attended_hybrid():
    local, global_ = torch.randn(2, 6, 8, 8), torch.randn(2, 10, 4, 4)
    fusion = ALGF(6, 10, 16, heads=4).eval()
    plain = ALGF(6, 10, 16, attention=False).eval()
    plain.load_state_dict(fusion.state_dict(), strict=False)
    assert fusion(local, global_).shape == (2, 16, 8, 8)
    hybrid = fusion(local, global_) - plain(local, global_)
    resized = torch.nn.functional.interpolate(fusion.global_(global_), (8, 8), mode="bilinear")
    seen, raised = fusion.local(local), fusion.global_(global_)
    own, other = fusion._hybrid_weights(seen.mean((2, 3)), raised.mean((2, 3)))
    torch.testing.assert_close(own + other, torch.ones(2, 16, 1, 1))
    torch.testing.assert_close(hybrid, own * seen + other * resized)
    assert float(hybrid.detach().abs().mean()) > 0


def test_mhf_and_oce_reach_the_bottleneck_the_paper_draws():
    levels = tuple(torch.randn(1, d, s, s) for d, s in ((8, 16), (16, 8), (16, 4)))
    fused = MHF((8, 16, 16)).eval()(levels)
    assert fused.shape == (1, 48, 4, 4)
    assert OCE(48, 32, 0.2).eval()(fused).shape == (1, 16, 32)
    outputs = Student(48, ((6, 4), (7, 2), (8, 1)), 32, 2, 0.2, 9).eval()(fused)
    assert [o.shape[1:] for o in outputs] == [(6, 16, 16), (7, 8, 8), (8, 4, 4), (9, 4, 4)]


def test_students_know_the_place_by_their_embedding_alone():
    torch.manual_seed(0)
    alike = torch.randn(1, 48, 1, 1).expand(1, 48, 4, 4)
    blind, placed = (Student(48, ((8, 1),), 32, 2, 0.2, places=places).eval() for places in (0, 16))
    with torch.no_grad():
        placed.places.normal_()
        (same,), (other,) = blind(alike), placed(alike)
    torch.testing.assert_close(same, same[..., :1, :1].expand_as(same))
    assert float(other.flatten(2).std(2).min()) > 0


@pytest.mark.parametrize("change", [{"use_local": False}, {"use_global": False}, {"use_algf": False},
                                    {"global_target": False}, {"local_targets": 0}, {"local_targets": 2}, {"local_targets": 0, "use_local": False},
                                    {"map_student": "reconstruction"}, {"map_student": "denoising"}, {"score": "top"},
                                    {"combination": "geometric"}, {"place_embedding": True}])
def test_every_ablation_runs(change, images):
    maps, scores, _ = HetNet(dataclasses.replace(CONFIG, **change)).eval()(images)
    assert maps.shape == (2, 64, 64) and bool(torch.isfinite(scores).all())


@pytest.mark.parametrize("change", [{"use_algf": False}, {"use_local": False}, {"use_global": False}])
def test_what_is_left_out_of_the_fusion_leaves_the_rest_to_start_from_the_same_numbers(change):
    torch.manual_seed(0)
    whole = HetNet(CONFIG)
    torch.manual_seed(0)
    ablated = HetNet(dataclasses.replace(CONFIG, **change))
    for room in ("mhf", "reconstruction", "denoising"):
        for name, value in getattr(whole, room).state_dict().items():
            torch.testing.assert_close(getattr(ablated, room).state_dict()[name], value, rtol=0, atol=0, msg=f"{room}.{name}")


def test_a_transformer_alone_is_all_that_is_seen_and_reproduced(images):
    torch.manual_seed(0)
    network = HetNet(dataclasses.replace(CONFIG, use_local=False, local_targets=0, use_algf=False)).eval()
    features = network.teachers(images)
    assert [t.shape[1] for t in network.targets(features)] == [192] and len(network.stage_weights) == 1
    other = TeacherFeatures(tuple(torch.randn_like(f) for f in features.local), features.global_)
    torch.testing.assert_close(network.map_from_features(other), network.map_from_features(features))


@pytest.mark.parametrize("change, word", [({"map_student": "best"}, "map_student"), ({"image_size": 100}, "multiple of 32"),
                                          ({"use_local": False, "use_global": False}, "keep one teacher"),
                                          ({"score": "mean"}, "network.score"),
                                          ({"local_targets": 0, "global_target": False}, "something to reproduce"),
                                          ({"local_targets": 4}, "use 0 to 3"),
                                          ({"embedding": 100}, "embedding must"),
                                          ({"dropout": 1.0}, "dropout from")])
def test_settings_that_make_no_network_are_refused(change, word):
    with pytest.raises(InputError, match=word):
        dataclasses.replace(CONFIG, **change)


def test_config_survives_json_and_refuses_unknown_missing_and_mistyped_keys():
    import json
    values = json.loads(json.dumps(dataclasses.asdict(CONFIG)))
    assert from_mapping(NetworkConfig, values, "network") == CONFIG
    with pytest.raises(InputError, match="unknown key 'colour'"):
        from_mapping(NetworkConfig, {**values, "colour": 1}, "network")
    with pytest.raises(InputError, match="missing key 'cnn'"):
        from_mapping(NetworkConfig, {"transformer": values["transformer"]}, "network")
    with pytest.raises(InputError, match="network.embedding is 'wide': expected int"):
        from_mapping(NetworkConfig, {**values, "embedding": "wide"}, "network")


def test_position_embeddings_are_resampled_as_asked():
    from timm.layers import resample_abs_pos_embed
    kept = []
    for antialias in (True, False):
        torch.manual_seed(4)
        teacher = HetNet(dataclasses.replace(CONFIG, transformer=dataclasses.replace(VIT, position_antialias=antialias)))
        kept.append(teacher.teachers.transformer.model.pos_embed)
    torch.manual_seed(4)
    import timm
    timm.create_model("tf_efficientnet_lite0")
    whole = timm.create_model("vit_tiny_patch16_224").pos_embed
    expected = resample_abs_pos_embed(whole, [4, 4], num_prefix_tokens=1, antialias=False)
    torch.testing.assert_close(kept[1], expected)
    assert not torch.allclose(kept[0], kept[1])


def test_patches_of_another_size_see_what_the_own_ones_see_of_the_resized_image():
    seen = []
    for size, patch in ((64, 0), (128, 32)):
        torch.manual_seed(6)
        teacher = Teacher(dataclasses.replace(VIT, input_size=size, patch_size=patch), None)
        coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(3))
        seen.append(teacher(torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)))
    assert [tuple(f.shape) for f in seen[1]] == [(1, 192, 4, 4)] * 3
    for own, other in zip(*seen):
        assert torch.cosine_similarity(own, other, dim=1).min() > 0.98
    with pytest.raises(InputError, match="patches of 30 px: use a divisor of its input size 64"):
        dataclasses.replace(CONFIG, transformer=dataclasses.replace(VIT, patch_size=30))


@pytest.mark.parametrize("balance, ratio", [(0.5, 2.0), (1.0, 4.0), (0.0, 1.0)])
def test_a_stage_that_errs_more_on_good_images_counts_less(network, balance, ratio):
    before = network.anomaly_map.weights.clone()
    quiet, loud = torch.full((3, 4, 4), 0.01), torch.full((3, 4, 4), 0.01)
    quiet[:, 0, 0], loud[:, 1, 2] = 0.1, 0.4
    network.anomaly_map.weigh([loud, quiet, quiet, quiet], balance)
    weights = network.anomaly_map.weights
    assert weights[1] / weights[0] == pytest.approx(ratio, rel=1e-3) and weights.mean() == pytest.approx(1)
    assert "anomaly_map.weights" in network.trained_state()
    network.anomaly_map.weights.copy_(before)


@pytest.mark.parametrize("changes, said", [
    ({"image_level": 1.5}, "are shares: use values from 0 to 1"),
    ({"combination": "sum", "place_level": 0.5}, "are for network.combination 'geometric'"),
])
def test_levels_that_cannot_be_taken_off_are_refused(changes, said):
    with pytest.raises(InputError, match=said):
        dataclasses.replace(CONFIG, **changes)


def test_stage_distances_are_what_the_map_sums(network, images):
    """Interpolation and smoothing as products of matrices are what torch's own operations give."""
    network.eval()
    kernel = torch.exp(-0.5 * (torch.arange(-12, 13) / 4.0) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    with torch.no_grad():
        parts = network.stage_distances(network.teachers(images))
        raised = sum(torch.nn.functional.interpolate(p[:, None], (64, 64), mode="bilinear") for p in parts)
        padded = torch.nn.functional.pad(raised, (12,) * 4, mode="reflect")
        expected = torch.conv2d(torch.conv2d(padded, kernel), kernel.transpose(2, 3))[:, 0]
        torch.testing.assert_close(network(images)[0], expected)


def test_the_map_of_both_students_is_the_mean_of_theirs(images):
    torch.manual_seed(0)
    network = HetNet(CONFIG).eval()
    maps = {}
    for choice in ("reconstruction", "denoising", "both"):
        network.config = dataclasses.replace(CONFIG, map_student=choice)
        with torch.no_grad():
            maps[choice] = network(images)[0]
    torch.testing.assert_close(maps["both"], (maps["reconstruction"] + maps["denoising"]) / 2)
    assert not torch.allclose(maps["reconstruction"], maps["denoising"])


def test_linear_attention_is_that_of_elu_plus_one():
    attention = LinearAttention(16, heads=2)
    tokens = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))
    query, key, value = (part.view(2, 5, 2, 8).transpose(1, 2) for part in attention.qkv(tokens).chunk(3, 2))
    similarity = (torch.nn.functional.elu(query) + 1) @ (torch.nn.functional.elu(key) + 1).transpose(2, 3)
    mixed = similarity / similarity.sum(3, keepdim=True) @ value
    torch.testing.assert_close(attention(tokens), attention.out(mixed.transpose(1, 2).reshape(2, 5, 16)))
