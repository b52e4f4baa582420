"""The parts of ``scripts/bundle`` whose mistakes would show late: pins and hashes, pieces, weights, and what an installation touches."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from bundling.installer.environment import write_environment  # noqa: E402
from bundling.installer.pieces import check_pieces, unpack  # noqa: E402
from bundling.installer.place import Place  # noqa: E402
from bundling.pieces import pack  # noqa: E402
from bundling.process import Console, Problem  # noqa: E402
from bundling.requirements import SUFFIX, read_constraints, requirement_lines, stand_in, write_constraints  # noqa: E402
from bundling.wheels import SOURCES, glibc_of, lock, name_and_version  # noqa: E402

A, B = "a" * 64, "b" * 64


def test_constraints_are_read_with_hashes_and_without(tmp_path):
    file = tmp_path / "constraints.txt"
    file.write_text(f'''# Exact versions.
numpy==2.2.6 ; python_version == "3.10"
numpy==2.4.6 ; python_version == "3.11" or python_version == "3.12" \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
Typing_Extensions==4.16.0 --hash=sha256:{A}  # for everything
torch==2.14.1
''')
    pins = read_constraints(file)
    assert [(pin.name, pin.version, len(pin.hashes)) for pin in pins] == [
        ("numpy", "2.2.6", 0), ("numpy", "2.4.6", 2), ("typing-extensions", "4.16.0", 1), ("torch", "2.14.1", 0)]
    write_constraints(pins, tmp_path / "plain.txt", without=("torch",))
    assert (tmp_path / "plain.txt").read_text() == '''numpy==2.2.6 ; python_version == "3.10"
numpy==2.4.6 ; python_version == "3.11" or python_version == "3.12"
Typing_Extensions==4.16.0
'''


def test_the_constraints_of_this_checkout_pin_what_the_requirements_name():
    pinned = {pin.name for pin in read_constraints(ROOT / "scripts" / "constraints.txt")}
    lines = requirement_lines(ROOT / "scripts" / "requirements-python.txt", without=("torch", "torchvision"))
    assert lines and not [line for line in lines if line.startswith("torch")]
    assert {"torch", "torchvision", "numpy", "pip"} <= pinned


def test_a_line_that_pins_nothing_is_named(tmp_path):
    (tmp_path / "constraints.txt").write_text("numpy>=2\n")
    with pytest.raises(Problem, match="numpy>=2"):
        read_constraints(tmp_path / "constraints.txt")


def test_pip_takes_the_stand_in_where_that_version_is_asked_for(tmp_path):
    if not list(importlib.metadata.distributions(name="pip")):  # looking for the module would change this process's distutils
        pytest.skip("this Python has no pip; an environment made by scripts/setup has it")
    wheel = stand_in(tmp_path, "torch", "2.14.1")
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--find-links", tmp_path, "--target", tmp_path / "there",
               "torch==2.14.1"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there" / f"torch-2.14.1{SUFFIX}.dist-info").is_dir() and wheel.stat().st_size < 2000  # a few lines of metadata


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("opencv_python-4.14.0.94-cp37-abi3-manylinux_2_28_x86_64.whl", (2, 28)),
        ("scipy-1.17.1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl", (2, 27)),  # either tag admits it
        ("zstandard-0.25.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", (2, 17)),
        ("tqdm-4.70.1-py3-none-any.whl", (0, 0)),
    ],
)
def test_the_c_library_a_wheel_needs_is_in_its_name(file, expected):
    assert glibc_of(Path(file)) == expected


def test_the_c_library_a_wheel_built_here_needs_is_in_its_symbols(tmp_path):
    wheel = tmp_path / "hetnet_ros-0.1.0-cp311-cp311-linux_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("lib/libone.so", b"..GLIBC_2.4\0..GLIBC_2.34\0")
        archive.writestr("lib/libtwo.so", b"..GLIBC_2.14\0")
    assert glibc_of(wheel) == (2, 34)


def test_the_lock_has_one_opencv_and_the_hash_of_every_wheel(tmp_path):
    for name in ("opencv_python-4.1-py3-none-any.whl", "opencv_python_headless-4.1-py3-none-any.whl", "A.b_c-2-py3-none-any.whl"):
        (tmp_path / name).write_text(name)
    assert lock(tmp_path).splitlines() == [
        f"{name}=={version} --hash=sha256:{hashlib.sha256(file.encode()).hexdigest()}"
        for name, version, file in (("a-b-c", "2", "A.b_c-2-py3-none-any.whl"), ("opencv-python", "4.1", "opencv_python-4.1-py3-none-any.whl"))]


def test_a_source_packages_name_and_version_are_read():
    assert name_and_version("ros-ament_cmake-2.7.3.tar.gz") == ("ros-ament-cmake", "2.7.3")


@pytest.mark.parametrize("most", [0, 1000, 10240, 7])
def test_what_is_cut_into_pieces_comes_back_the_same(tmp_path, most):
    payload, out, back = (tmp_path / name for name in ("payload", "out", "back"))
    for folder in (payload / "wheels", out, back):
        folder.mkdir(parents=True)
    contents = {"wheels/a.whl": b"a" * 3000, "lock.txt": b"", "weights.bin": os.urandom(5000) if most != 7 else b"x"}
    for name, data in contents.items():
        (payload / name).write_bytes(data)
    pieces, files = pack(payload, out, most)
    sizes = [piece["size"] for piece in pieces]
    assert len(sizes) == 1 if not most else set(sizes[:-1]) <= {most} and 0 < sizes[-1] <= most
    assert not [path for path in payload.rglob("*") if path.is_file()]  # what is packed is gone: a disk need not hold it twice
    manifest = {"pieces": pieces, "files": files}
    check_pieces(Console("test"), out, pieces)
    unpack(out, manifest, back)
    assert {path.relative_to(back).as_posix(): path.read_bytes() for path in back.rglob("*") if path.is_file()} == contents
    manifest["files"] = [{**file, "sha256": A} if file["name"] == "lock.txt" else file for file in files]
    with pytest.raises(Problem, match="lock.txt changed"):
        unpack(out, manifest, tmp_path / "other")
    manifest["files"] = [file for file in files if file["name"] != "weights.bin"]
    with pytest.raises(Problem, match="weights.bin.*manifest"):
        unpack(out, manifest, tmp_path / "third")


def test_full_weights_are_those_of_the_packages_and_half_ones_say_what_they_lack(tmp_path):
    """Models taught with the packages' weights run where a bundle brought them: the hash is the same."""
    pytest.importorskip("onnx", reason="the Transformer's weights are read with it")
    from bundling.teacher_files import last_block, write

    from hetnet_ros.network.weights import PACKAGED, hash_tensors, reduction

    for folder in ("full", "half"):
        (tmp_path / folder).mkdir()
    full, half = write(tmp_path / "full", False), write(tmp_path / "half", True)
    assert {model: facts["sha256"] for model, facts in full.items()} == {model: hash_tensors(read()) for model, read in PACKAGED.items()}
    assert last_block("vit_small_patch14_dinov2") == 7  # preset edge: indices 3, 5, 7
    assert half["vit_small_patch14_dinov2"]["blocks"] == 8 and "blocks" not in half["tf_efficientnet_lite0"]
    for model in PACKAGED:
        assert half[model]["sha256"] != full[model]["sha256"]
        sizes = [(tmp_path / folder / f"{model}.safetensors").stat().st_size for folder in ("half", "full")]
        assert sizes[0] < 0.51 * sizes[1]  # two bytes a value instead of four
        assert reduction(tmp_path / "full" / f"{model}.safetensors") == "" != reduction(tmp_path / "half" / f"{model}.safetensors")


# What an installation touches


def test_a_discarded_place_takes_its_parents_along_but_nothing_of_anybody_else(tmp_path):
    (tmp_path / "there").mkdir()
    place = Place(tmp_path / "there" / "a" / "b")
    place.check()
    place.make()
    (place.folder / "lib").mkdir()
    (place.folder / "lib" / "file").touch()
    (place.folder / "lib64").symlink_to(tmp_path)
    (tmp_path / "there" / "a" / "somebody").touch()
    place.discard()
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["there", "there/a", "there/a/somebody"]


def test_the_second_of_two_installations_to_one_empty_folder_is_refused_and_leaves_the_first_alone(tmp_path):
    first, second = Place(tmp_path), Place(tmp_path)
    first.check()
    second.check()
    first.make()
    with pytest.raises(Problem, match="cannot write"):
        second.make()
    second.discard()
    assert first.work.is_dir()
    first.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("as_venv", [True, False])
def test_an_environment_with_ros_wheels_leaves_a_sourced_ros_out(tmp_path, as_venv):
    folder = tmp_path / "a cell"
    site = folder / "lib" / "python3.11" / "site-packages"
    (site / "ros_rcl.libs").mkdir(parents=True)
    write_environment(folder, site, as_venv, ros=True, torch=False)
    sourced = {"PATH": "/opt/ros/jazzy/bin:/usr/bin:/bin", "PYTHONPATH": "/opt/ros/jazzy/lib/python3.12/site-packages:/vendor",
               "LD_LIBRARY_PATH": "/opt/ros/jazzy/lib", "ROS_DISTRO": "jazzy", "HOME": "/tmp"}
    for shell in ("sh", "bash"):
        done = subprocess.run([shell, "-euc", '. "$1/environment.sh"; env', shell, folder], env=sourced, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        found = dict(line.split("=", 1) for line in done.stdout.splitlines())
        assert "/opt/ros" not in done.stdout and "ROS_DISTRO" not in found and "_hetnet" not in found
        assert found["PATH"] == f"{folder}/bin:/usr/bin:/bin" and found["AMENT_PREFIX_PATH"] == str(folder)
        assert found["PYTHONPATH"] == ("/vendor" if as_venv else f"{site}:/vendor")
        assert found.get("_ROS_WHEELS_BOOTSTRAP_COMPLETE") == (None if as_venv else "1")
        assert as_venv or found["LD_LIBRARY_PATH"] == f"{folder}/lib:{site}/ros_rcl.libs"


def test_an_environment_without_ros_wheels_leaves_a_sourced_ros_as_it_is(tmp_path):
    write_environment(tmp_path, tmp_path / "site", False, ros=False, torch=True)
    sourced = {"PATH": "/opt/ros/jazzy/bin:/bin:/usr/bin", "PYTHONPATH": "/opt/ros/jazzy/site", "ROS_DISTRO": "jazzy"}
    done = subprocess.run(["sh", "-euc", '. "$1/environment.sh"; env', "sh", tmp_path], env=sourced, capture_output=True, text=True)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert found["PYTHONPATH"] == f"{tmp_path}/site:/opt/ros/jazzy/site" and found["ROS_DISTRO"] == "jazzy"
    assert "/opt/ros/jazzy/bin" in found["PATH"] and "AMENT_PREFIX_PATH" not in found


# The scripts themselves


def test_the_command_can_be_run_and_explains_itself():
    assert os.access(ROOT / "scripts" / "bundle", os.X_OK)
    done = subprocess.run([sys.executable, ROOT / "scripts" / "bundle", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert [flag for flag in ("--python", "--without", "--half", "--piece", "--wheels", "sh install") if flag not in done.stdout] == []


def test_the_installer_is_a_script_for_any_posix_shell():
    done = subprocess.run(["sh", "-n", ROOT / "scripts" / "bundling" / "installer" / "install.sh"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_everything_the_package_is_built_from_is_in_the_bundle():
    """A new folder of the sources that CMake or setup.py reads must be named for the bundle too."""
    manifest = (ROOT / "MANIFEST.in").read_text().split()
    named = {word for word in manifest if (ROOT / word).exists()}
    assert named <= set(SOURCES)
    assert [name for name in SOURCES if not (ROOT / name).exists()] == []
