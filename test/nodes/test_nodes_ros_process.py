"""Node processes as a launch system or a person starts them: how they end, and how wrong arguments are answered."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hetnet_ros.msg import Inspection
from inspection_cell import Cell, wait_for
from model_fixtures import made_up_part
from part_client import camera
from rclpy.node import Node


def start(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "hetnet_ros.cli.main", "run", "inspector", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )


def test_a_nodes_numpy_leaves_the_cores_to_the_network() -> None:
    count = ("import hetnet_ros.nodes.inspector, threadpoolctl; "
             "print([lib['num_threads'] for lib in threadpoolctl.threadpool_info() if lib['internal_api'] == 'openblas'])")
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", count], env=environment, capture_output=True, text=True, check=True)
    threads = json.loads(done.stdout)
    if not threads:
        pytest.skip("numpy was built with another BLAS than OpenBLAS here")
    assert set(threads) == {1}


def test_working_nodes_end_on_a_signal(executor: Any, tiny_model: Path) -> None:
    client = Node("cell")
    executor.add_node(client)
    cells = {number: Cell(client, f"/{number.name.lower()}") for number in (signal.SIGINT, signal.SIGTERM)}
    processes = {
        number: start(
            "--ros-args",
            "-r",
            f"__ns:={cell.namespace}",
            "-p",
            f"model:={tiny_model}",
            "-p",
            "device:=cpu",
            "-p",
            "autostart:=true",
        )
        for number, cell in cells.items()
    }
    try:
        for number, cell in cells.items():
            wait_until_subscribed(cell, processes[number])
            # A node that is still starting subscribes already but looks at no image, so show several, as a camera does.
            inspections = cell.listen("inspection", Inspection)
            with camera(cell, lambda count: made_up_part(count % 8)):
                wait_for(lambda: any(i.verdict == Inspection.PASS for i in inspections), "a PASS")
        for number, process in processes.items():
            process.send_signal(number)
        errors = {number: process.communicate(timeout=20)[1] for number, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
        executor.remove_node(client)
    for number, process in processes.items():
        assert process.returncode == 0, errors[number]
        assert "Traceback" not in errors[number]


def wait_until_subscribed(cell: Cell, process: subprocess.Popen) -> None:
    def ready() -> int:
        assert process.poll() is None, process.stderr.read()
        return cell.image_publisher().get_subscription_count()

    wait_for(ready, "the node process", timeout=60)

CHANGING_NODE = """
import sys, time
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from std_msgs.msg import Header
from hetnet_ros.nodes.process import run_node

def make_node():
    node, ends = Node("changing"), time.monotonic() + 6.0

    def change():
        if time.monotonic() > ends:
            node.context.shutdown()
        else:
            publisher = node.create_publisher(Header, "come_and_gone", 1)
            time.sleep(0.003)  # the executor comes to wait for it
            node.destroy_publisher(publisher)

    for _ in range(3):
        node.create_timer(0.001, change, callback_group=ReentrantCallbackGroup())
    return node

sys.exit(run_node(make_node, []))
"""


def test_a_node_whose_publishers_come_and_go_goes_on() -> None:
    """rclpy's executor raises where one is destroyed just as it is about to wait for it."""
    done = subprocess.run([sys.executable, "-c", CHANGING_NODE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "InvalidHandle" not in done.stderr, done.stderr


THREADED_NODE = """
import sys, threading
from rclpy.node import Node
from std_msgs.msg import Header
from hetnet_ros.nodes.process import run_node

def make_node():
    node = Node("threaded")
    publisher = node.create_publisher(Header, "state", 1)

    def work():
        if sys.argv[1] == "after the end":
            node.context.shutdown()
        elif sys.argv[1] == "early":
            raise ValueError("a defect of the worker")
        publisher.publish(Header())

    node.create_timer(0.1, lambda: threading.Thread(target=work).start())
    return node

sys.exit(run_node(make_node, []))
"""


@pytest.mark.parametrize(("when", "code", "words"), [("early", 1, "a defect of the worker"), ("after the end", 0, "")])
def test_a_node_ends_with_the_thread_that_does_its_work(when: str, code: int, words: str) -> None:
    """It would look alive else; but what a publisher says once the context has ended is no fault."""
    done = subprocess.run([sys.executable, "-c", THREADED_NODE, when], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    assert words in done.stderr and ("Traceback" in done.stderr) == bool(words)


SLOW_NODE = """
import pathlib, sys
import torch
from torch.nn.modules.module import register_module_forward_hook
from hetnet_ros.network.hetnet import HetNet
from hetnet_ros.nodes import inspector

runs = []

def slow(module, _inputs, _output):
    if isinstance(module, HetNet):
        runs.append(1)
        if len(runs) > 2:  # those of the warm-up
            pathlib.Path(sys.argv[1]).touch()
            torch.linalg.matrix_power(torch.eye(2000), 2**62 - 1)  # one call of the library, minutes long: 122 products

register_module_forward_hook(slow)
sys.exit(inspector.main(sys.argv[2:]))
"""


def test_a_node_in_the_middle_of_a_long_inference_ends_on_a_signal(executor: Any, tiny_model: Path, tmp_path: Path) -> None:
    inferring = tmp_path / "inferring"
    client = Node("cell")
    executor.add_node(client)
    cell = Cell(client, "/slow")
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", SLOW_NODE, str(inferring), "--ros-args", "-r", f"__ns:={cell.namespace}"),
            *("-p", f"model:={tiny_model}", "-p", "device:=cpu", "-p", "threads:=1", "-p", "autostart:=true"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until_subscribed(cell, process)
        with camera(cell, lambda count: made_up_part(count % 8)):
            wait_for(inferring.exists, "an inference", timeout=60)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        executor.remove_node(client)
    assert process.returncode == 0, errors
    assert "terminate called" not in errors and "Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_node_that_is_still_loading_ends_on_a_signal(tiny_model: Path, number: signal.Signals) -> None:
    process = start("--ros-args", "-p", f"model:={tiny_model}", "-p", "autostart:=true", "-r", "__ns:=/loading")
    try:
        # Loading imports torch, whose library then shows among the files the process has mapped.
        maps = Path(f"/proc/{process.pid}/maps")
        wait_for(lambda: "libtorch" in maps.read_text(), "the import of torch", timeout=60)
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--ros-args", "-p", "device:=tpu"), "auto, cuda, cpu"),
        (("--ros-args", "-p", "max_age:=-1.0"), "max_age"),
        (("--ros-args", "-p", "max_age:=word"), "max_age"),
        (("--ros-args", "-p", "nonsense"), "nonsense"),
        (("--nonsense",), "--nonsense"),
    ],
)
def test_wrong_arguments_are_one_line_and_code_2(arguments: tuple[str, ...], words: str) -> None:
    process = start(*arguments)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2, errors
    lines = [line for line in errors.splitlines() if "error: " in line]
    assert len(lines) == 1 and words in lines[0], errors
    assert "Traceback" not in errors


def test_a_misspelt_parameter_is_pointed_out() -> None:
    process = start("--ros-args", "-p", "modle:=x", "-r", "__ns:=/misspelt")
    try:
        line = ""
        deadline = time.monotonic() + 60
        while "modle" not in line and time.monotonic() < deadline:
            line = process.stderr.readline()
        assert "did you mean model?" in line
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_run_lists_the_nodes() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "hetnet_ros.cli.main", "run", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0
    assert "inspector" in answer.stdout and "virtual_camera" in answer.stdout
    answer = subprocess.run(
        [sys.executable, "-m", "hetnet_ros.cli.main", "run", "inspektor"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 2 and "inspector" in answer.stderr and "Traceback" not in answer.stderr
