"""safetensors files: every byte is accounted for, and the file may change while it is read."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from hetnet_ros.errors import InputError
from hetnet_ros.network.tensor_files import read_tensors, save_tensors

LIMIT = 10**6


def written(path: Path, header: str | dict, data: bytes) -> Path:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(begin: int, end: int, dtype: str = "F32", shape: tuple = (1,)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def test_what_is_written_is_read(tmp_path):
    tensors = {"a": torch.arange(3.0), "b": torch.zeros(0, 4), "c": torch.tensor(True), "d": torch.ones(2, 2).bfloat16()}
    save_tensors(tmp_path / "t.safetensors", tensors, {"key": "value"})
    metadata, found = read_tensors(tmp_path / "t.safetensors", "model", LIMIT, "make one")
    assert metadata == {"key": "value"} and found.keys() == tensors.keys()
    assert all(found[name].dtype == tensor.dtype and torch.equal(found[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("header, data", [
    ({"a": entry(0, 4)}, bytes(5)),  # something follows
    ({"a": entry(0, 4)}, bytes(3)),
    ({"a": entry(0, 4), "b": entry(8, 12)}, bytes(12)),  # a gap
    ({"a": entry(0, 4), "b": entry(0, 4)}, bytes(4)),  # two of one place
    (f'{{"a": {json.dumps(entry(0, 4))}, "a": {json.dumps(entry(0, 4))}}}', bytes(4)),  # two of one name
    (f'{{"a": {json.dumps(entry(0, 4))}, "__metadata__": {{"k": "1"}}, "__metadata__": {{"k": "2"}}}}', bytes(4)),
    ({"a": entry(0, 4, shape=(2,))}, bytes(4)),  # says to be larger than it is
    ({"a": entry(0, 4, shape=(2**62, 4))}, bytes(4)),
    ({"a": entry(0, 4, shape=(-1, -1))}, bytes(4)),
    ({"a": entry(0, 4, dtype="F128")}, bytes(4)),
    ({"a": entry(0, 4, dtype=["F32"])}, bytes(4)),
    ({"a": {**entry(0, 4), "more": 1}}, bytes(4)),
    ({"a": entry(0, True)}, bytes(1)),
    ({"a": "text"}, b""), ("[]", b""), ("nothing", b""), ({"a": entry(0, 4), "__metadata__": {"k": 1}}, bytes(4)),
])
def test_a_header_that_does_not_say_what_the_file_holds_is_refused(tmp_path, header, data):
    path = written(tmp_path / "t.safetensors", header, data)
    with pytest.raises(InputError, match="not a readable safetensors file") as error:
        read_tensors(path, "model", LIMIT, "make one")
    assert "\n" not in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize("data", [b"", b"short", struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 10**6) + b"{}"])
def test_a_length_that_cannot_be_is_refused(tmp_path, data):
    (tmp_path / "t.safetensors").write_bytes(data)
    with pytest.raises(InputError, match="not a readable safetensors file"):
        read_tensors(tmp_path / "t.safetensors", "model", LIMIT, "make one")


def test_a_pipe_and_a_sparse_file_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "sparse.safetensors").touch()
    os.truncate(tmp_path / "sparse.safetensors", 8 * 2**30)
    for name, said in (("pipe", "named pipe"), ("sparse", "at most")):
        with pytest.raises(InputError, match=said):
            read_tensors(tmp_path / f"{name}.safetensors", "model", LIMIT, "make one")


def test_a_file_that_is_copied_over_while_it_is_read_kills_nobody(tmp_path):
    """The copy truncates it first, which is deadly to a process that has it mapped.  In a process of its own."""
    path, started = tmp_path / "t.safetensors", tmp_path / "started"
    save_tensors(path, {f"t{index}": torch.ones(2**17) for index in range(64)}, {})
    whole = path.read_bytes()
    code = """
import pathlib, sys
from hetnet_ros.errors import InputError
from hetnet_ros.network.tensor_files import read_tensors
pathlib.Path(sys.argv[2]).touch()
for _ in range(40):
    try:
        tensors = read_tensors(sys.argv[1], "model", 10**9, "make one")[1]
        assert sum(float(tensor.sum()) for tensor in tensors.values()) == 2**23
    except InputError:
        pass
"""
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen([sys.executable, "-c", code, str(path), str(started)], cwd=root, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if started.exists():
            with path.open("r+b") as file:
                file.truncate(0)
                file.write(whole)
        else:
            time.sleep(0.01)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
