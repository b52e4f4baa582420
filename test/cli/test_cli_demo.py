"""``hetnet demo`` inspects with real node processes, writes what it shows, and leaves nothing running."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from hetnet_ros.cli.demo_model import Lesson, taught_model
from hetnet_ros.errors import InputError

pytest.importorskip("rclpy", reason="ROS 2 is not installed for this Python")
pytest.importorskip("hetnet_ros.msg", reason="the ROS interfaces of hetnet_ros are not built")


def start(out: Path, *flags: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "hetnet_ros.cli.main", "demo", "--out", str(out), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def running_nodes(out: Path) -> list[str]:
    """Command lines of processes that write to this demonstration's logs."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "fd/1").startswith(str(out)):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_it_shows_real_verdicts_and_ends_by_itself(tmp_path, tiny_model):
    out = tmp_path / "out"
    process = start(out, "--model", str(tiny_model), "--parts", "3", "--device", "cpu")
    said, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    rows = re.findall(r"^(front_000\d)\s+(good|\w+)\s+(PASS|REJECT|UNCERTAIN)\s+\S+\s+(\d\.\d{3}|nan)", said, re.M)
    assert [row[0] for row in rows] == ["front_0000", "front_0001", "front_0002"]
    mistakes = {("good", "REJECT"): "false reject", **{(truth, "PASS"): "missed" for _, truth, *_ in rows if truth != "good"}}
    lines = [line for line in said.splitlines() if line.startswith("front_")]
    assert [line.partition("<- ")[2] for line in lines] == [mistakes.get(row[1:3], "") for row in rows]
    with (out / "verdicts.csv").open() as table:
        written = list(csv.DictReader(table))
    assert [(row["part"], row["truth"], row["verdict"]) for row in written] == [row[:3] for row in rows]
    assert all(float(row["latency_ms"]) > 0 for row in written)
    overlays = sorted(path.name for path in (out / "overlays").glob("*.png"))
    assert overlays == [f"{number:03d}_{row[1]}_{row[2]}.png" for number, row in enumerate(rows)]
    assert cv2.imread(str(out / "overlays" / overlays[0])).shape == (480, 640, 3)
    sheet = cv2.imread(str(out / "contact_sheet.png"))
    assert sheet.shape[1] > 3 * 400 and sheet.std() > 20
    (out / "overlays" / "mine.png").write_bytes(b"mine")
    (out / "overlays" / overlays[0]).rename(out / "overlays" / "kept.png")
    again = start(out, "--model", str(tiny_model), "--parts", "2", "--device", "cpu")
    assert again.communicate(timeout=180)[1] == "" and again.returncode == 0
    assert sorted(path.name for path in (out / "overlays").glob("*.png")) == [*overlays[:2], "kept.png", "mine.png"]
    assert not running_nodes(out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_demonstration_leaves_nothing_running(tmp_path, tiny_model, number):
    process = start(tmp_path, "--model", str(tiny_model), "--parts", "500", "--device", "cpu")
    try:
        deadline = time.monotonic() + 120
        while not running_nodes(tmp_path):
            assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
            time.sleep(0.1)
        process.send_signal(number)
        errors = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in errors
    assert not running_nodes(tmp_path)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--parts", "0"], "--parts is 0"),
        (["--model", "no.safetensors"], "no such file"),
        (["--steps", "0"], "--steps is 0"),
        (["--face", "nose"], "nose"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(tmp_path, flags, words):
    process = start(tmp_path, *flags)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 2 and re.fullmatch(r"hetnet: error: [^\n]+\n", errors) and words in errors


def test_a_model_that_cannot_be_loaded_ends_it_with_the_cause(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"not a model")
    process = start(tmp_path / "out", "--model", str(tmp_path / "bad.safetensors"), "--parts", "1")
    errors = process.communicate(timeout=180)[1]
    assert process.returncode == 2 and re.fullmatch(r"hetnet: error: [^\n]+\n", errors) and "configure" in errors
    assert not running_nodes(tmp_path)


@pytest.mark.parametrize("name", ["verdicts.csv", "contact_sheet.png", "logs/inspector.log"])
def test_a_file_of_the_users_in_its_folder_is_refused_before_the_work(tmp_path, tiny_model, name):
    mine = tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    process = start(tmp_path / "out", "--model", str(tiny_model), "--parts", "1", "--device", "cpu")
    said, errors = process.communicate(timeout=180)
    assert process.returncode == 2 and re.fullmatch(r"hetnet: error: [^\n]+\n", errors) and mine.name in errors
    assert said == "" and mine.read_text() == "mine"


def test_pictures_of_the_users_beside_its_own_stay_and_are_not_taught(tmp_path, weights_cache, tiny_preset):
    lesson = Lesson("up", ("mid",), 1.0, 320.0, 96, 72, (4, 4, 88, 64), 4, str(tiny_preset), 2, 0)
    taught_model(lesson, tmp_path, False, lambda line: None)
    mine = tmp_path / "good_images" / "mine.png"
    mine.write_bytes(b"mine")
    with pytest.raises(InputError, match="mine.png"):
        taught_model(lesson, tmp_path, True, lambda line: None)
    assert mine.read_bytes() == b"mine"


def test_a_model_is_taught_once_for_each_setting(tmp_path, weights_cache, tiny_preset):
    said = []

    def model(**changes):
        given = dict(
            face="up",
            illuminations=("mid",),
            jitter=1.0,
            distance_mm=320.0,
            width=96,
            height=72,
            roi=(4, 4, 88, 64),
            images=6,
            preset=str(tiny_preset),
            steps=2,
            seed=0,
        )
        return taught_model(Lesson(**{**given, **changes}), tmp_path, False, said.append)

    first = model()
    written = first.stat().st_mtime_ns
    assert len(list((tmp_path / "good_images").glob("*.png"))) == 6
    assert model() == first and first.stat().st_mtime_ns == written and said[-1].startswith("Reusing")
    other = model(seed=1)
    assert other != first and other.exists() and first.exists()
    first.write_bytes(first.read_bytes()[:-10])
    assert model() == first and first.stat().st_mtime_ns != written, "a broken model is taught again"
