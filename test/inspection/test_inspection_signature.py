"""Signed models: what is taken, what is refused, and that the key, the model and the signature all have to fit."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest
from disk_fixtures import fill

pytest.importorskip("cryptography")

from hetnet_ros.cli.main import main  # noqa: E402
from hetnet_ros.errors import InputError  # noqa: E402
from hetnet_ros.inspection.artifact import load_artifact, save_artifact  # noqa: E402
from hetnet_ros.inspection.part_inspector import PartInspector  # noqa: E402
from hetnet_ros.inspection.signature import PublicKeys, signature_file  # noqa: E402


@pytest.fixture
def signed(tiny_model, tmp_path, capsys) -> tuple[Path, Path]:
    """A signed copy of the model, and the public key."""
    model, key = tmp_path / "part.safetensors", tmp_path / "line.key"
    shutil.copy(tiny_model, model)
    assert main(["sign", "--new-key", str(key)]) == 0
    assert main(["sign", str(model), "--key", str(key)]) == 0
    assert "line.key.pub" in capsys.readouterr().out
    return model, tmp_path / "line.key.pub"


def load(model: Path, public: Path, backend: str = "file") -> PartInspector:
    return PartInspector.load(model, "cpu", backend=backend, trusted=PublicKeys.read(public))


def refused(model: Path, public: Path, backend: str = "file") -> str:
    with pytest.raises(InputError) as caught:
        load(model, public, backend)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_signed_model_is_taken_under_any_name(signed, tmp_path):
    model, public = signed
    assert load(model, public).model_id == load_artifact(model).model_id
    moved = tmp_path / "elsewhere" / "bracket.safetensors"
    moved.parent.mkdir()
    shutil.copy(model, moved)
    shutil.copy(signature_file(model), signature_file(moved))
    load(moved, public)
    assert main(["sign", str(moved), "--check", str(public)]) == 0


def test_a_model_without_signature_is_refused_and_so_is_one_that_somebody_changed_and_digested_anew(signed):
    """As an attacker would who can write the file: the card's threshold raised, a new digest, a file in every way valid."""
    model, public = signed
    before = load_artifact(model)
    import dataclasses
    calibration = dataclasses.replace(before.card.calibration, score_accept=before.card.calibration.score_reject)
    save_artifact(model, dataclasses.replace(before.card, calibration=calibration), before.tensors)
    PartInspector.load(model, "cpu")  # without a key it cannot be told
    assert "was changed, or signed by somebody else" in refused(model, public)
    signature_file(model).unlink()
    assert "is not signed" in refused(model, public)


def test_somebody_elses_key_does_not_do_and_two_keys_are_both_taken(signed, tmp_path):
    model, public = signed
    assert main(["sign", "--new-key", str(tmp_path / "other.key")]) == 0
    other = tmp_path / "other.key.pub"
    assert "signed by somebody else" in refused(model, other)
    both = tmp_path / "both.pub"
    both.write_bytes(other.read_bytes() + public.read_bytes())
    load(model, both)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"format": "hetnet-signature-1", "signature": "!"}',
                                     b'{"format": "hetnet-signature-1", "signature": ""}', b"{" * 60_000, b" " * 70_000])
def test_what_is_no_signature_is_one_line(signed, content):
    model, public = signed
    signature_file(model).write_bytes(content)
    assert signature_file(model).name in refused(model, public)


def test_no_bit_of_a_signature_can_be_changed(signed):
    model, public = signed
    values = json.loads(signature_file(model).read_text())
    good = values["signature"]
    for place in range(0, len(good) - 2, 7):
        values["signature"] = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1:]
        signature_file(model).write_text(json.dumps(values))
        refused(model, public)


@pytest.mark.parametrize("backend", ["onnx", "auto"])
def test_other_backends_run_no_unsigned_model(signed, backend):
    model, public = signed
    signature_file(model).unlink()
    assert "is not signed" in refused(model, public, backend)


def test_an_exported_model_is_signed_by_itself(signed, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    model, public = signed
    exported = tmp_path / "part.onnx"
    assert main(["export", str(model), "--format", "onnx", "-o", str(exported)]) == 0
    assert load(model, public, "onnx").backend == "onnx"  # out of the cache, from a signed model
    assert "is not signed" in refused(exported, public)
    shutil.copy(signature_file(model), signature_file(exported))
    assert "signed by somebody else" in refused(exported, public)
    assert main(["sign", str(exported), "--key", str(tmp_path / "line.key")]) == 0
    load(exported, public)


def test_the_private_key_is_its_owners_and_never_replaced(signed, tmp_path, capsys):
    key = tmp_path / "line.key"
    before = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert main(["sign", "--new-key", str(key)]) == 2 and "is there already" in capsys.readouterr().err
    assert key.read_bytes() == before


def test_a_full_disk_leaves_neither_half_a_key_nor_one_without_the_other(small_disk, capsys):
    folder = small_disk(64)
    for room in (0, 4):  # KiB: for neither, for the private one alone
        fill(folder, room)
        assert main(["sign", "--new-key", str(folder / "new" / "line.key")]) == 2 and "the disk is full" in capsys.readouterr().err
        assert not list(folder.rglob("line.key*"))


@pytest.mark.parametrize("key, said", [("line.key", "belongs on no robot"), ("part.safetensors", "at most 64.0 kB"),
                                        ("part.safetensors.sig", "is not one or more Ed25519"),
                                       ("none", "does not exist")])
def test_what_is_no_public_key_is_one_line(signed, tmp_path, key, said):
    with pytest.raises(InputError, match=said):
        PublicKeys.read(tmp_path / key)


@pytest.mark.parametrize("arguments, said", [
    ([], "one of the arguments"), (["--new-key", "k", "m"], "signs nothing"), (["--key", "line.key.pub", "part.safetensors"], "not a key in PEM"),
    (["--key", "line.key"], "no models are given"), (["--key", "line.key", "line.key"], "not a readable safetensors")])
def test_a_wrong_use_is_one_line(signed, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert main(["sign", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
