"""What a user may get wrong with a path, tried on every place where a command takes one: always one line and exit code 2."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bag_fixtures import write_bag
from disk_fixtures import fill
from model_fixtures import made_up_part

from hetnet_ros import resources
from hetnet_ros.cli.main import main

#: Command -> its arguments; a name in braces is a place for a path, and stands for a good one unless it is tried.
INPUTS: dict[str, tuple[str, ...]] = {
    "train": ("{folder}", "-o", "{new}.safetensors", "--preset", "{preset}"),
    "train of a bag": ("{bag}", "-o", "{new}.safetensors", "--labels", "{labels}"),
    "calibrate": ("{model}", "{folder}", "-o", "{new}.safetensors", "--defects", "{defects}"),
    "evaluate": ("{model}", "{data}", "--conditions", "{csv}"),
    "predict": ("{model}", "{image}", "-o", "{new}"),
    "replay": ("{bag}", "--model", "{model}", "--labels", "{labels}"),
    "compare": ("{result}", "{result2}"),
    "label": ("{bag}", "--import", "{coco}", "-o", "{new}.json"),
    "export": ("{model}", "--format", "onnx", "-o", "{new}.onnx", "--images", "{folder}"),
    "bench": ("{model}",),
}
OUTPUTS: dict[str, tuple[str, ...]] = {
    "train": ("{folder}", "-o", "{out}.safetensors"),
    "calibrate": ("{model}", "--false-reject", "0.02", "-o", "{out}.safetensors"),
    "evaluate as json": ("{model}", "{data}", "--json", "{out}"),
    "evaluate as a report": ("{model}", "{data}", "--report", "{out}"),
    "evaluate with maps": ("{model}", "{data}", "--maps", "{out}"),
    "predict": ("{model}", "{image}", "-o", "{out}"),
    "predict as json": ("{model}", "{image}", "-o", "{new}", "--json", "{out}"),
    "replay as json": ("{bag}", "--model", "{model}", "--json", "{out}"),
    "replay as a report": ("{bag}", "--model", "{model}", "--report", "{out}"),
    "compare": ("{result}", "{result}", "--json", "{out}"),
    "label": ("{bag}", "-o", "{out}.json"),
    "label with frames": ("{bag}", "--extract", "{out}"),
    "export": ("{model}", "--format", "onnx", "-o", "{out}.onnx"),
    "bench": ("{model}", "--json", "{out}"),
    "cell": ("{out}", "--faces", "front", "--conditions", "mid_150", "--train", "1", "--good", "0", "--defects", "0"),
    "cell as a bag": ("--bag", "{out}.mcap", "--good", "1", "--defects", "0", "--frames", "1", "--size", "64x48"),
}
SLOTS = [(name, slot) for name, words in INPUTS.items()
         for slot in dict.fromkeys(word[word.find("{") + 1:word.find("}")] for word in words if "{" in word) if slot != "new"]
FOLDERS = ("folder", "defects", "data")
UNUSUAL = {
    "too long": "n" * 300,
    "not UTF-8": os.fsdecode(b"caf\xe9"),
    "several lines and a colour": "one\ntwo\x1b[31m",
}


@pytest.fixture(scope="module")
def good(tmp_path_factory, tiny_model, tiny_data, tiny_preset, weights_cache) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("good")
    bag = write_bag(folder / "bag", [made_up_part(index) for index in range(3)])
    texts = {
        "labels": ("l.json", '{"format": "hetnet-labels-1", "frames": [{"frame": [0, 2], "label": "good"}]}'),
        "csv": ("c.csv", "image,light\n000,high\n"),
        "result": ("r.json", '{"format": "hetnet-replay-1", "frames": []}'),
        "coco": ("k.json", '{"images": [{"id": 1, "file_name": "f_1.png"}], "categories": [], "annotations": []}'),
    }
    for name, text in texts.values():
        (folder / name).write_text(text)
    paths = {
        "folder": tiny_data / "train" / "good", "defects": tiny_data / "test" / "cross", "data": tiny_data, "preset": tiny_preset,
        "bag": bag, "model": tiny_model, "weights": weights_cache / "weights" / "tf_efficientnet_lite0.safetensors",
        "image": tiny_data / "test" / "good" / "000.png", **{key: folder / name for key, (name, _) in texts.items()},
    }
    paths["result2"] = paths["result"]
    return {key: str(path) for key, path in paths.items()}


def refused(capfd, command: str, words: tuple[str, ...], paths: dict[str, str]) -> str:
    """The one line with which the command ended."""
    argv = [command.split()[0], *(word.format(**paths) for word in words)]
    code = main(argv)
    said = capfd.readouterr().err
    lines = said.splitlines()
    assert code == 2, (argv, code, said)
    assert said.endswith("\n") and lines[-1].startswith("hetnet: error: ") and len(lines[-1]) < 1200, (argv, said)
    assert "Traceback" not in said and "\x1b" not in said
    return lines[-1]


@contextlib.contextmanager
def nobody(number: int = 65534) -> Iterator[None]:
    """As a user who owns nothing; permissions do not bind root."""
    if os.getuid():
        pytest.skip("only root can become another user")
    os.setresuid(number, number, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def suffix_of(slot: str, good: dict[str, str]) -> str:
    return "" if slot in FOLDERS else ".mcap" if slot == "bag" else Path(good[slot]).suffix


@pytest.mark.parametrize("name, slot", SLOTS)
def test_an_input_that_is_not_what_it_should_be(tmp_path, capfd, good, name, slot):
    """Absent, of another kind, a pipe, empty, or named as nothing should be."""
    suffix = suffix_of(slot, good)
    tried = {f"absent, {what}": tmp_path / f"{text}{suffix}" for what, text in UNUSUAL.items()} | {"absent": tmp_path / f"a{suffix}"}
    tried["a file as a folder"] = Path(good["result"]) / f"a{suffix}"
    tried["a pipe"] = tmp_path / f"pipe{suffix}"
    os.mkfifo(tried["a pipe"])
    tried["empty"] = tmp_path / f"empty{suffix}"
    tried["a folder"] = tmp_path / f"folder{suffix}"
    tried["a folder"].mkdir()
    if slot in FOLDERS:
        tried["empty"].mkdir()
        tried["a file"] = Path(good["result"])
    else:
        tried["empty"].write_bytes(b"")
        tried["a link to itself"] = tmp_path / f"link{suffix}"
        tried["a link to itself"].symlink_to(tried["a link to itself"])
    if slot == "image":  # the one place for several: loading the model anew for each takes long
        code = main(["predict", good["model"], *map(str, tried.values()), "-o", str(tmp_path / "new")])
        said = capfd.readouterr().err.splitlines()
        assert code == 2 and len(said) == len(tried) and all(line.startswith("hetnet: error: ") for line in said)
        assert "\x1b" not in "".join(said)
        return
    for path in tried.values():
        refused(capfd, name, INPUTS[name], {**good, "new": str(tmp_path / "new"), slot: str(path)})


@pytest.mark.parametrize("name, slot", SLOTS)
def test_an_input_that_may_not_be_read(capfd, good, name, slot):
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        suffix = suffix_of(slot, good)
        locked, inside = Path(place) / f"locked{suffix}", Path(place) / "folder" / f"a{suffix}"
        inside.parent.mkdir()
        for path in (locked, inside):
            path.mkdir() if slot in FOLDERS else path.write_text("x")
        os.chmod(locked, 0)
        os.chmod(inside.parent, 0)
        for path in (locked, inside):
            with nobody():
                refused(capfd, name, INPUTS[name], {**good, "new": f"{place}/new", slot: str(path)})


def test_a_user_without_a_home_gets_as_far_as_any_other(capfd, good):
    """As in a container: no entry in the list of users, no HOME, a working folder that may not be written to."""
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        os.chmod(place, 0o777)
        for name in ("HOME", "HETNET_CACHE", "XDG_CACHE_HOME"):
            patch.delenv(name, raising=False)
        patch.setattr(tempfile, "tempdir", place)
        patch.chdir("/")
        resources._temporary_cache.cache_clear()
        with nobody(54321):
            assert main(["doctor"]) == 0
            said = capfd.readouterr()
            assert f"{place}/hetnet_ros_54321" in said.out and "Traceback" not in said.out + said.err
            refused(capfd, "label", ("{bag}", "-o", "relative.json"), good)  # into a folder that may not be written to
    resources._temporary_cache.cache_clear()


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_that_cannot_be_written(tmp_path, capfd, good, name):
    """Refused before the work: too long a name, below a file, a pipe, in the place of a folder or in a folder that may not be
    written."""
    words = OUTPUTS[name]
    tried = [tmp_path / ("n" * 300), Path(good["result"]) / "below" / "a"]
    for path in tried:
        refused(capfd, name, words, {**good, "new": str(tmp_path / "new"), "out": str(path)})
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o555)
        with nobody():
            refused(capfd, name, words, {**good, "new": str(tmp_path / "new"), "out": f"{place}/a"})


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_on_a_full_disk(capfd, good, name, small_disk, tmp_path):
    folder = small_disk(64)
    fill(folder)
    line = refused(capfd, name, OUTPUTS[name], {**good, "new": str(tmp_path / "new"), "out": str(folder / "a")})
    assert any(words in line for words in ("full", "No space left", "MB are free"))
    assert not list(folder.rglob("*.part"))


@pytest.mark.parametrize("path", ["", "/"])
@pytest.mark.parametrize("words", [
    ("predict", "@", "a.png", "-o", "out"), ("evaluate", "@", "data"), ("replay", "bag", "--model", "@"), ("calibrate", "@", "-o", "m.safetensors"),
    ("export", "@", "--format", "onnx", "-o", "a.onnx"), ("sign", "@", "--check", "k.pub"), ("sign", "--new-key", "@"),
    ("train", "data", "-o", "@"), ("cell", "--bag", "@", "--good", "1", "--defects", "0"),
    ("cell", "--bag", "@", "--good", "1", "--defects", "0", "--force"),
], ids=" ".join)
def test_a_path_without_a_name_is_one_line(tmp_path, monkeypatch, capfd, words, path):
    """As of a shell variable that is empty."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main([path if word == "@" else word for word in words]) == 2
    assert capfd.readouterr().err.count("\n") == 1 and not list(tmp_path.rglob(".*"))
