"""``scripts/bundle``: a real bundle, small (without torch and ROS), made once, then carried, damaged and installed.

Installations run without a network, for the Python that runs the tests, whose torch they use.  What a bundle
with torch and ROS does was tried by hand: it is 3 GB.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from model_fixtures import made_up_part, write_images

ROOT = Path(__file__).resolve().parents[2]
VENV = Path(os.environ.get("HETNET_VENV") or ROOT / ".venv")
THIS = "{}.{}".format(*sys.version_info[:2])
PIECE = 20 * 2**20
REFUSES = "http://127.0.0.1:9"  # the discard port, where nobody listens


def run(*command: object, cwd: Path | str = "/", **environment: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([os.fspath(word) if isinstance(word, (bytes, Path)) else str(word) for word in command],
                          cwd=cwd, env={**clean, **environment}, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=600)


def make(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    return run(sys.executable, ROOT / "scripts" / "bundle", *arguments, **environment)


def assert_one_line(done: subprocess.CompletedProcess, *words: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert [word for word in words if word not in done.stderr] == [], done.stderr


@pytest.fixture(scope="module")
def without_network() -> list[str]:
    """What a command begins with so that it has no network, not even the loopback; where that is not permitted, so that every
    request goes to a proxy that refuses it."""
    for words in (["unshare", "-n"], ["unshare", "-r", "-n"]):
        if run(*words, "true").returncode == 0:
            return words
    return ["env", f"http_proxy={REFUSES}", f"https_proxy={REFUSES}", f"HTTPS_PROXY={REFUSES}"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """A bundle as a user with a CUDA image makes it."""
    if not (VENV / "bin" / "python").exists():
        pytest.skip("no environment made by scripts/setup: the teachers' weights are read there")
    out = tmp_path_factory.mktemp("stick") / "cell bundle"
    done = make(out, "--python", THIS, "--without", "torch", "--without", "ros", "--half", "--piece", "20M")
    if "package index cannot be reached" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert list(out.parent.iterdir()) == [out]  # what was needed on the way is gone
    return out


@pytest.fixture
def copy(bundle, tmp_path) -> Path:
    """The bundle carried elsewhere; a file is to be replaced, never written to, for these are hard links."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in bundle.iterdir():
        os.link(file, folder / file.name)
    return folder


def flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.unlink()
    file.write_bytes(data)


def install(bundle: Path, *arguments: object, before: Sequence[str] = (), **environment: str) -> subprocess.CompletedProcess:
    return run(*before, "sh", bundle / "install", "--python", sys.executable, *arguments, **environment)


# Making one


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["FOLDER", "--help"]),
        (["out", "--piece", "12Q"], ["--piece 12Q", "60M"]),
        (["out", "--piece", "1K"], ["--piece 1K", "100K"]),
        (["out", "--python", "3.9"], ["3.10 to 3.13", "3.9"]),
        (["out", "--python", "/no/python3.12"], ["/no/python3.12", "install it"]),
        (["out", "--without", "cuda"], ["cuda", "torch", "ros"]),
        (["out", "--wheels", "/no/folder"], ["/no/folder"]),
        (["."], ["not empty"]),
        (["setup.py"], ["not a folder"]),
        (["/tmp/a b/out"], ["space", "--without ros"]),
        (["/proc/out", "--without", "ros"], ["/proc"]),
    ],
)
def test_what_cannot_be_made_is_one_line(arguments, words):
    python = [] if "--python" in arguments else ["--python", sys.executable]
    done = run(sys.executable, ROOT / "scripts" / "bundle", *arguments, *python, cwd=ROOT)
    assert_one_line(done, *words)
    assert not Path("/tmp/a b").exists() and not (ROOT / "out").exists()


def test_a_machine_without_a_compiler_is_told_before_anything_is_fetched(tmp_path):
    (tmp_path / "bin").mkdir()
    done = make(tmp_path / "out", "--python", sys.executable, PATH=str(tmp_path / "bin"))
    assert_one_line(done, "C++ compiler", "--without ros")


def test_a_checkout_that_is_not_set_up_is_one_line(tmp_path):
    done = make(tmp_path / "out", HETNET_VENV=str(tmp_path / "absent"))
    assert_one_line(done, "scripts/setup", "HETNET_VENV")
    assert list(tmp_path.iterdir()) == []


def test_an_index_that_cannot_be_reached_is_one_line_and_leaves_nothing(tmp_path):
    settings = {name: "" for name in os.environ if name.startswith("PIP_")}
    settings |= {"PIP_CONFIG_FILE": os.devnull, "HTTPS_PROXY": REFUSES, "https_proxy": REFUSES}
    done = make(tmp_path / "below" / "out", "--python", sys.executable, "--without", "torch", "--without", "ros", **settings)
    assert_one_line(done, "the package index cannot be reached")
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_pieces_that_sha256sum_accepts_and_that_hold_what_the_manifest_says(bundle, tmp_path):
    manifest = json.loads((bundle / "manifest.json").read_text())
    done = run("sha256sum", "-c", "--quiet", "--strict", "SHA256SUMS", cwd=bundle)
    assert (done.returncode, done.stderr) == (0, "")
    pieces = sorted(bundle.glob("bundle.tar.*"))
    assert [piece["name"] for piece in manifest["pieces"]] == [piece.name for piece in pieces]
    assert [piece.stat().st_size for piece in pieces[:-1]] == [PIECE] * (len(pieces) - 1)
    assert 0 < pieces[-1].stat().st_size <= PIECE
    joined = tmp_path / "joined.tar"
    with open(joined, "wb") as file:
        for piece in pieces:
            file.write(piece.read_bytes())
    with tarfile.open(joined) as archive:
        assert archive.getnames() == [file["name"] for file in manifest["files"]]
        locked = archive.extractfile("lock.txt").read().decode()
    wheels = [file for file in manifest["files"] if file["name"].endswith(".whl")]
    assert {file["sha256"] for file in wheels if "headless" not in file["name"]} == {
        line.split("sha256:")[1] for line in locked.splitlines()}
    listed = {path.name for path in bundle.iterdir()}
    assert {line.split("  ")[1] for line in (bundle / "SHA256SUMS").read_text().splitlines()} == listed - {"SHA256SUMS"}
    assert (manifest["python"], manifest["without"], manifest["weights"]["half"]) == (THIS, ["ros", "torch"], True)
    assert (bundle / "README.txt").read_text().isascii()


def test_what_only_torch_needs_is_left_out_and_what_others_need_too_is_not(bundle):
    packages = set(json.loads((bundle / "manifest.json").read_text())["packages"])
    # sympy and triton are torch's alone; networkx and typing-extensions are nncf's and rosbags' as well.
    assert not {name for name in packages if name.startswith(("torch", "nvidia", "cuda", "triton", "sympy", "ros-"))}
    assert {"numpy", "timm", "networkx", "typing-extensions", "opencv-python", "opencv-python-headless", "hetnet-ros", "pip"} <= packages


# Carrying it: each harm is one line that names the file, and nothing is made


@pytest.mark.parametrize("name", ["bundle.tar.001", "bundle.tar.007", "manifest.json", "install.pyz", "README.txt"])
def test_a_flipped_byte_is_found(copy, tmp_path, name):
    flip(copy / name, (copy / name).stat().st_size // 2)
    assert_one_line(install(copy, "--venv", tmp_path / "new" / "cell"), name, "damaged", "again")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("place", [10, 70])  # in a hash, in a name
def test_a_flipped_byte_among_the_sums_is_found(copy, tmp_path, place):
    flip(copy / "SHA256SUMS", place)
    done = install(copy, "--venv", tmp_path / "cell")
    assert_one_line(done, "again")
    assert not (tmp_path / "cell").exists()


@pytest.mark.parametrize("name", ["bundle.tar.005", "manifest.json", "install.pyz", "SHA256SUMS"])
def test_a_missing_file_is_named(copy, tmp_path, name):
    (copy / name).unlink()
    assert_one_line(install(copy, "--venv", tmp_path / "cell"), name, "missing", "again")
    assert not (tmp_path / "cell").exists()


def test_a_piece_cut_short_is_named_with_both_sizes(copy, tmp_path):
    piece = copy / "bundle.tar.002"
    data = piece.read_bytes()[:-4096]
    piece.unlink()
    piece.write_bytes(data)
    assert_one_line(install(copy, "--target", tmp_path / "cell"), piece.name, f"{PIECE - 4096:,}", f"{PIECE:,}")


def test_a_search_path_for_cd_leads_nowhere_else(bundle, tmp_path):
    (tmp_path / bundle.name).mkdir()
    done = run("sh", f"{bundle.name}/install", "--check", "--python", sys.executable, cwd=bundle.parent, CDPATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_check_alone_says_that_all_is_well_and_makes_nothing(bundle, without_network, tmp_path):
    done = install(bundle, "--check", before=without_network)
    assert (done.returncode, done.stderr) == (0, "")
    assert "whole" in done.stdout.splitlines()[-1]


# The wrong machine


@pytest.mark.parametrize(
    ("says", "words"),
    [("3.9", [f"is for Python {THIS}", "is Python 3.9", "--python 3.9"]), ("3.14", [f"is for Python {THIS}", "is Python 3.14"])],
)
def test_the_wrong_python_is_one_line(copy, tmp_path, says, words):
    other = tmp_path / "python"
    other.write_text(f"#!/bin/sh\necho {says}\n")
    other.chmod(0o755)
    assert_one_line(run("sh", copy / "install", "--venv", tmp_path / "cell", "--python", other), *words)
    assert_one_line(run("sh", copy / "install", f"--python={other}", "--venv", tmp_path / "cell"), *words)
    assert not (tmp_path / "cell").exists()


def test_a_python_that_is_not_there_is_one_line(copy, tmp_path):
    assert_one_line(run("sh", copy / "install", "--venv", tmp_path / "cell", "--python", "/no/python"), "/no/python", "--python")


def changed(copy: Path, **facts: object) -> Path:
    """The bundle as if it had been made for another machine."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from bundling.hashes import hash_file, read_sums, write_sums
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    manifest = json.loads((copy / "manifest.json").read_text()) | facts
    sums = read_sums(copy)
    for name in ("manifest.json", "SHA256SUMS"):
        (copy / name).unlink()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    write_sums(copy, sums | {"manifest.json": hash_file(copy / "manifest.json")})
    return copy


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"glibc": "2.99"}, ["glibc 2.99", "this machine has glibc"]),
        ({"machine": "riscv64"}, ["Linux on riscv64", "this is Linux on"]),
        ({"room": 10**15}, ["MB free", "1,000,000,000 MB"]),
    ],
)
def test_a_machine_that_does_not_suit_is_one_line(copy, tmp_path, facts, words):
    assert_one_line(install(changed(copy, **facts), "--target", tmp_path / "new" / "cell"), *words)
    assert not (tmp_path / "new").exists()


def test_a_python_without_the_torch_that_the_bundle_leaves_out_is_one_line(bundle, tmp_path):
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare")
    bare = tmp_path / "bare" / "bin" / "python"
    done = run("sh", bundle / "install", "--venv", tmp_path / "cell", "--python", bare)
    assert_one_line(done, "brings no torch", str(bare), "No module named 'torch'")
    assert not (tmp_path / "cell").exists()


# The place


def test_what_is_there_already_is_refused_and_stays(bundle, tmp_path):
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / "model.safetensors").write_text("a taught part")
    assert_one_line(install(bundle, "--venv", tmp_path / "cell"), "not empty", "beside")
    assert_one_line(install(bundle, "--target", tmp_path / "cell" / "model.safetensors"), "not a folder")
    assert (tmp_path / "cell" / "model.safetensors").read_text() == "a taught part"


def test_what_a_power_cut_left_is_told_from_what_is_whole(bundle, tmp_path):
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / ".hetnet_unfinished").touch()
    assert_one_line(install(bundle, "--venv", tmp_path / "cell"), "cut off", "rm -r")


@pytest.mark.parametrize(("arguments", "word"), [([], "--venv"), (["--venv", "a", "--target", "b"], "--target"), (["--venv"], "--venv"),
                                                 (["--venv", "a:b"], "colon"), (["--fast", "--check"], "--fast"),
                                                 (["--venv", ""], "is empty"), (["--target", " "], "is empty"),
                                                 (["--venv", "x" * 300], "name too long"), (["--venv", b"a\xff"], "UTF-8"),
                                                 (["--pyth", "python3", "--check"], "--pyth")])
def test_an_installation_asked_for_wrongly_is_one_line(bundle, tmp_path, arguments, word):
    done = run("sh", bundle / "install", "--python", sys.executable, *arguments, cwd=tmp_path)
    assert_one_line(done, word)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a disk that has room for so many files, whatever their size: the check beforehand sees enough bytes."""
    mounted = []

    def mount(options: str) -> Path:
        folder = tmp_path / "disk"
        folder.mkdir()
        if run("mount", "-t", "tmpfs", "-o", options, "none", folder).returncode:
            pytest.skip("mounting a small disk is not permitted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        run("umount", folder)


def test_a_disk_that_is_too_small_is_one_line_before_anything_is_made(bundle, small_disk):
    disk = small_disk("size=100m")
    assert_one_line(install(bundle, "--venv", disk / "cell"), "MB free", "needs")
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("files", [40, 130])  # full while unpacking its 60 wheels, and while pip installs the package's 170 files
def test_a_disk_that_fills_up_meanwhile_is_one_line_and_leaves_nothing(bundle, small_disk, files):
    disk = small_disk(f"size=4g,nr_inodes={files}")  # it takes memory only for what is written
    done = install(bundle, "--venv", disk / "cell")
    assert_one_line(done, "the disk is full")
    assert ("installing" in done.stdout) == (files == 130), done.stdout
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_installation_leaves_nothing_and_an_empty_folder_as_it_was(bundle, tmp_path, number):
    (tmp_path / "cell").mkdir()
    command = ["sh", str(bundle / "install"), "--python", sys.executable, "--venv", str(tmp_path / "cell")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("cell/.hetnet_unpacked/*/*")) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(number)
    _, errors = child.communicate(timeout=120)
    assert child.returncode == 128 + number, errors
    assert errors.count("\n") == 1 and "interrupted" in errors
    assert [path.name for path in tmp_path.iterdir()] == ["cell"] and not any((tmp_path / "cell").iterdir())


# The cell


def test_a_cell_without_a_network_installs_and_works(bundle, without_network, tmp_path, tiny_preset, weights_cache):
    """From the stick to a verdict, in a folder whose name has a space; the teachers are the bundle's, whatever a cache holds."""
    cell, home = tmp_path / "a cell" / "2026-11", tmp_path / "home"
    home.mkdir()
    # pip asks a rustc on PATH, and rustup's makes a folder.
    done = install(bundle, "--venv", cell, before=without_network, HOME=str(home), PATH=os.defpath)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert list(home.iterdir()) == []  # no device id of a runtime that would report
    assert "teach here" in done.stdout and f"{cell}/environment.sh" in done.stdout

    def in_cell(*command: object) -> subprocess.CompletedProcess:
        here = ["sh", "-eu", "-c", '. "$0/environment.sh" && exec "$@"', cell, *command]
        return run(*without_network, *here, cwd=tmp_path, HETNET_CACHE=str(weights_cache), PATH=os.defpath)

    doctor = in_cell("hetnet", "doctor")
    assert (doctor.returncode, doctor.stderr) == (0, "")
    assert f"in {cell}/lib" in doctor.stdout and "Nothing needed is missing" in doctor.stdout
    (row,) = [line for line in doctor.stdout.splitlines() if "vit_small_patch14_dinov2 (edge)" in line and line.startswith("ok")]
    assert "rounded to float16" in row and str(cell / "share") in row
    good = write_images(tmp_path / "good", [made_up_part(seed) for seed in range(6)])
    taught = in_cell("hetnet", "train", good, "-o", "m.safetensors", "--preset", tiny_preset, "--steps", "2")
    assert taught.returncode == 0, taught.stderr
    predicted = in_cell("hetnet", "predict", "m.safetensors", good / "000.png", "-o", "out")
    assert predicted.returncode == 0, predicted.stderr
    assert "000.png" in predicted.stdout


def test_a_plain_folder_works_for_the_python_that_made_it(bundle, without_network, tmp_path):
    done = install(bundle, "--target", tmp_path / "cell", before=without_network)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert not (tmp_path / "cell" / "pyvenv.cfg").exists()
    shown = run("sh", "-euc", '. "$0/environment.sh" && hetnet --version && head -n 1 "$(command -v hetnet)"', tmp_path / "cell")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("hetnet ") and sys.executable in shown.stdout
    left = [path.name for path in (tmp_path / "cell").iterdir() if path.name.startswith(".")]
    assert left == []
