"""A bag played through the real inspector, a process of its own, over real DDS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bag_fixtures import write_bag
from model_fixtures import made_up_part
from rosbags.interfaces import QosReliability

from hetnet_ros.cli.main import main

DOMAIN = os.environ["ROS_DOMAIN_ID"]  # of this test run


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "hetnet_ros.cli.main", *map(str, words)]


def live(bag: Path, model: Path, target: Path, *flags: object) -> dict:
    done = subprocess.run(
        command("replay", bag, "--model", model, "--live", "--domain", DOMAIN, "--device", "cpu", "--json", target, *flags),
        capture_output=True, text=True, timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(target.read_text())


def verdicts(result: dict) -> dict[int, tuple]:
    return {frame["index"]: (frame["verdict"], frame["reason"], frame["raw_score"], frame["regions"])
            for frame in result["frames"]}


def test_live_gives_the_verdicts_of_offline(labelled_bag, tiny_model, tmp_path):
    """On the frames that both saw; one that grew old on a busy machine is UNCERTAIN, stale, as it must be."""
    played = live(labelled_bag, tiny_model, tmp_path / "live.json", "--rate", "0.5", "--report", tmp_path / "live.html")
    assert main(["replay", str(labelled_bag), "--model", str(tiny_model), "--device", "cpu", "--json",
                 str(tmp_path / "offline.json")]) == 0
    offline = verdicts(json.loads((tmp_path / "offline.json").read_text()))
    fresh = {index: seen for index, seen in verdicts(played).items() if seen[1] != "stale"}
    assert len(fresh) >= 12
    for index, (verdict, reason, score, regions) in fresh.items():
        assert (verdict, reason, regions) == (offline[index][0], offline[index][1], offline[index][3])
        assert score == pytest.approx(offline[index][2], rel=1e-5)  # the message carries float32
    transport = played["transport"]
    assert transport["published"] == 24 and transport["verdicts"] == len(played["frames"])
    assert transport["received"] is not None and transport["dropped"] is not None
    assert played["timing"]["dropped"] == 24 - len(played["frames"])
    assert played["timing"]["latency"]["p50_ms"] > 0 and played["mode"] == "live"
    assert played["detection"]["image_auroc"] > 0.8 and played["detection"]["pixel_auroc"] is None
    assert (tmp_path / "live.html").read_text().count('class="card"') == len(played["frames"])


def test_compressed_best_effort_images_go_through(tiny_model, tmp_path):
    bag = write_bag(tmp_path / "bag", [made_up_part(i) for i in range(8)], packed_images=True,
                    reliability=QosReliability.BEST_EFFORT)
    played = live(bag, tiny_model, tmp_path / "live.json", "--rate", "0.5")
    assert played["transport"]["reliable"] is False and played["transport"]["published"] == 8
    assert len(played["frames"]) >= 4 and all(frame["score"] is not None for frame in played["frames"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_it_with_a_partial_result_and_no_node_left(tiny_model, tmp_path, number):
    bag = write_bag(tmp_path / "bag", [made_up_part(i) for i in range(400)])
    target = tmp_path / "live.json"
    process = subprocess.Popen(
        command("replay", bag, "--model", tiny_model, "--live", "--domain", DOMAIN, "--rate", "0.2", "--json", target),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        children: list[int] = []
        while not children and time.monotonic() < deadline:
            children = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
            time.sleep(0.1)
        assert children
        node = children[0]
        while time.monotonic() < deadline and not _inspecting(node):
            time.sleep(0.2)
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, out
    assert "Traceback" not in out
    assert not Path(f"/proc/{node}").exists()
    if target.exists():  # else it was interrupted before the first verdict
        assert json.loads(target.read_text())["complete"] is False


def _inspecting(pid: int) -> bool:
    """Whether the node has used enough processor time to have loaded its model."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return True
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") > 6


def test_a_model_that_the_node_cannot_load_is_one_line(labelled_bag, tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    done = subprocess.run(command("replay", labelled_bag, "--model", tmp_path / "bad.safetensors", "--live"),
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
