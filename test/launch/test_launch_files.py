"""The launch files: what can be checked anywhere, and on a ROS installation a real launch of the real node.

launch and launch_ros come with a ROS installation only; without them the tests that need them are skipped.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "launch").glob("*.launch.py"))
INSPECT = ROOT / "launch" / "inspect.launch.py"
PICK_AND_REJECT = ROOT / "launch" / "pick_and_reject.launch.py"

needs_launch = pytest.mark.skipif(
    importlib.util.find_spec("launch_ros") is None,
    reason="launch_ros is not installed; it comes with a ROS installation",
)


def arguments(file: Path) -> dict[str, tuple[str, str, object]]:
    """The table ``ARGUMENTS`` of a launch file: name to (default, description, choices)."""
    tree = ast.parse(file.read_text(), str(file))
    constants = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    table = constants["ARGUMENTS"]
    assert isinstance(table, ast.Dict)
    return {
        ast.literal_eval(name): (ast.literal_eval(row.elts[0]), ast.literal_eval(row.elts[1]), ast.unparse(row.elts[2]))
        for name, row in zip(table.keys, table.values)
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_launch_file_defines_its_entry_point(file):
    functions = {node.name for node in ast.parse(file.read_text(), str(file)).body if isinstance(node, ast.FunctionDef)}
    assert "generate_launch_description" in functions


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_docs_list_exactly_the_arguments_with_their_defaults(file):
    section = re.search(rf"^## {re.escape(file.name)}\n(.*?)(?=^## |\Z)", (ROOT / "docs" / "launch.md").read_text(),
                        re.MULTILINE | re.DOTALL)
    assert section, f"docs/launch.md has no section {file.name}"
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\|", section[1], re.MULTILINE)
    assert rows == [(name, default) for name, (default, _, _) in arguments(file).items()]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_argument_is_described_in_a_sentence(file):
    assert [name for name, (_, text, _) in arguments(file).items() if not text.endswith(".")] == []


def load(file: Path):
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    return get_launch_description_from_python_launch_file(str(file))


@needs_launch
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_launch_shows_the_arguments(file):
    shown = {argument.name: argument.description for argument in load(file).get_launch_arguments()}
    assert list(shown) == list(arguments(file))
    assert [name for name, (_, text, _) in arguments(file).items() if not shown[name].startswith(text)] == []


def rviz_topics(layout: Path) -> dict[str, str]:
    """Name of each display of an RViz layout to its topic."""
    displays = yaml.safe_load(layout.read_text())["Visualization Manager"]["Displays"]
    return {display["Name"]: display["Topic"]["Value"] for display in displays if "Topic" in display}


def test_the_rviz_layout_shows_the_default_topics():
    assert rviz_topics(ROOT / "config" / "inspect.rviz") == {
        "Camera": "/image", "Overlay": "/inspector/overlay", "Defects": "/inspector/markers"}


@needs_launch
def test_rviz_shows_the_topics_of_this_launch(monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("inspect_launch", INSPECT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "get_package_share_directory", lambda package: str(ROOT))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    module.rviz({"namespace": "cell", "name": "eye", "image": "camera/image_raw", "use_sim_time": "false"})
    assert rviz_topics(next(tmp_path.glob("*.rviz"))) == {
        "Camera": "/cell/camera/image_raw", "Overlay": "/cell/eye/overlay", "Defects": "/cell/eye/markers"}


class Launch:
    """A running launch of a file, in a process of its own as under ``ros2 launch``."""

    CODE = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
service = LaunchService(argv=sys.argv[2:], noninteractive=True)  # so it hands signals on to its processes
source = PythonLaunchDescriptionSource(sys.argv[1])
given = [tuple(word.split(":=", 1)) for word in sys.argv[2:]]
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(source, launch_arguments=given)]))
sys.exit(service.run())
"""

    def __init__(self, log: Path, file: Path, **given: object) -> None:
        self.log = log
        words = [f"{name}:={value}" for name, value in given.items()]
        with log.open("wb") as output:
            self.process = subprocess.Popen([sys.executable, "-u", "-c", self.CODE, str(file), *words], stdout=output,
                                            stderr=subprocess.STDOUT, env={**os.environ, "PYTHONUNBUFFERED": "1"})

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, pattern: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.text()):
            assert self.process.poll() is None and time.monotonic() < deadline, f"no {pattern!r} in:\n{self.text()}"
            time.sleep(0.1)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        return self.process.wait(30)


@pytest.fixture
def start(tmp_path):
    """Starts ``inspect.launch.py``, or another file, with arguments; what is still running at the end is stopped."""
    pytest.importorskip("hetnet_ros.msg", reason="the ROS interfaces are not built here")
    running: list[Launch] = []

    def start_launch(file: Path = INSPECT, **given: object) -> Launch:
        running.append(Launch(tmp_path / f"launch_{len(running)}.log", file, **given))
        return running[-1]

    yield start_launch
    for launch in running:
        if launch.process.poll() is None:
            launch.interrupt()
            try:
                launch.end()
            except subprocess.TimeoutExpired:
                launch.process.kill()


@needs_launch
def test_the_inspector_is_brought_up_and_ctrl_c_ends_it_quietly(start, tiny_model):
    launch = start(model=tiny_model, device="cpu", namespace="cell", image="/camera/image_raw")
    launch.wait_for(r"inspecting /camera/image_raw")
    launch.interrupt()
    launch.end()
    assert "process has finished cleanly" in launch.text()
    assert "Traceback" not in launch.text()
    assert "[ERROR]" not in launch.text()


@needs_launch
def test_without_autostart_the_node_waits(start, tiny_model):
    import rclpy
    from lifecycle_msgs.srv import GetState

    launch = start(model=tiny_model, device="cpu", namespace="waiting", autostart="false")
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("asks_for_the_state", context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    client = node.create_client(GetState, "/waiting/inspector/get_state")
    assert client.wait_for_service(timeout_sec=30.0), launch.text()
    future = client.call_async(GetState.Request())
    executor.spin_until_future_complete(future, timeout_sec=20.0)
    node.destroy_node()
    rclpy.shutdown(context=context)
    assert future.result().current_state.label == "unconfigured"


@needs_launch
def test_a_model_that_cannot_be_loaded_is_reported_and_the_node_stays(start, tmp_path):
    launch = start(model=tmp_path / "absent.safetensors", device="cpu")
    launch.wait_for(r"configure failed: .*absent\.safetensors")
    assert launch.process.poll() is None


@needs_launch
def test_the_launch_ends_with_its_node(start, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("/**:\n  ros__parameters:\n    device: abacus\n")
    launch = start(params_file=wrong)
    launch.end()
    assert "abacus" in launch.text()
    assert "Traceback" not in launch.text()


@needs_launch
def test_respawn_brings_the_node_back(start, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("/**:\n  ros__parameters:\n    device: abacus\n")
    launch = start(params_file=wrong, respawn="true")
    launch.wait_for(r"(?s)process has died.*process started with pid")
    assert launch.process.poll() is None


@needs_launch
@pytest.mark.parametrize("argument", ["params_file", "fastdds_profile"])
def test_a_file_that_is_not_there_is_one_line(start, tmp_path, argument):
    launch = start(**{argument: tmp_path / "absent"})
    assert launch.end() != 0
    assert f"{argument}: there is no file {tmp_path / 'absent'}" in launch.text()
    assert "Traceback" not in launch.text()


@needs_launch
def test_pick_and_reject_brings_up_planner_inspector_and_camera(start, tiny_model):
    launch = start(PICK_AND_REJECT, model=tiny_model, device="cpu", namespace="line", virtual_cell="true", parts="1",
                   recipe="front")
    for line in (r"recipe front, arm virtual_cell; call ~/start", r"inspecting /line/image", r"showing face front"):
        launch.wait_for(line)
    launch.interrupt()
    launch.end()
    assert "Traceback" not in launch.text()


@needs_launch
def test_a_cell_file_that_is_wrong_ends_the_launch_with_one_line(start, tmp_path):
    launch = start(PICK_AND_REJECT, cell_file=tmp_path / "absent")
    assert launch.end() != 0
    assert f"cell_file: there is no file {tmp_path / 'absent'}" in launch.text()
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("arm: {backend: puppet}")
    launch = start(PICK_AND_REJECT, cell_file=wrong)
    launch.end()
    assert f"cell file {wrong}: cell: missing key 'viewpoints'" in launch.text() and "Traceback" not in launch.text()
