"""Fixtures of the node's tests: ROS in this process, inspectors on real DDS, and a model taught in seconds."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

try:
    import hetnet_ros.msg  # noqa: F401 - generated; absent in a source tree that was not built
    import rclpy
except ImportError as error:
    NO_ROS = f"needs ROS 2 and this package's built messages ({error}): run scripts/test"
else:
    NO_ROS = ""


class SkippedFile(pytest.File):
    """A test file that cannot even be imported here, told as one skipped test with its reason."""

    def collect(self) -> Iterator[pytest.Item]:
        yield SkippedItem.from_parent(self, name="everything")


class SkippedItem(pytest.Item):
    def runtest(self) -> None:
        pytest.skip(NO_ROS)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.File | None:
    """Without ROS, stand in for the files that speak ROS."""
    speaks_ros = module_path.name.startswith("test_nodes_ros_") or module_path.name == "test_nodes_virtual_camera.py"
    return SkippedFile.from_parent(parent, path=module_path) if NO_ROS and speaks_ros else None


_raised: list[str] = []
"""What callbacks raised out of the executor since the last look."""


@pytest.fixture(autouse=True)
def nothing_raised_out_of_the_executor() -> Iterator[None]:
    """An exception there ends a real node, so the test in which it comes fails."""
    _raised.clear()
    yield
    assert not _raised, "\n".join(_raised)


@pytest.fixture(scope="session")
def executor() -> Iterator[Any]:
    """ROS in this process, with one executor that spins in a thread."""
    from rclpy.executors import MultiThreadedExecutor
    from rclpy.impl.implementation_singleton import rclpy_implementation

    rclpy.init()
    spinning = MultiThreadedExecutor(num_threads=8)

    def spin() -> None:
        while rclpy.ok():
            try:
                return spinning.spin()
            except rclpy_implementation.InvalidHandle:  # a test destroyed a publisher just as the executor looked at it
                continue
            except Exception:  # of a callback; the thread must outlive it, or every later test waits in vain
                _raised.append(traceback.format_exc())

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    yield spinning
    spinning.shutdown(timeout_sec=2)
    rclpy.try_shutdown()  # destroys the nodes
    thread.join(5)


class Inspectors:
    """Starts inspectors, each in a namespace of its own, and lets them rest when their test is over."""

    _numbers = itertools.count()

    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self._nodes: list[Any] = []

    def start(self, **parameters: Any) -> Any:
        """A new inspector and its client, a ``Cell``; ``__`` in a parameter's name stands for a dot."""
        from inspection_cell import Cell
        from rclpy.node import Node
        from rclpy.parameter import Parameter

        from hetnet_ros.nodes.inspector import Inspector

        namespace = f"/test_{next(self._numbers)}"
        values = {"diagnostics_period": 0.1, "max_age": 30.0, "frozen_after": 0, **parameters}
        # On a busy machine 2 s may pass; and most tests show the same still image again.
        overrides = [Parameter(name.replace("__", "."), value=value) for name, value in values.items()]
        nodes = Inspector(namespace=namespace, parameter_overrides=overrides), Node("cell", namespace=namespace)
        for node in nodes:
            self._nodes.append(node)
            self._executor.add_node(node)
        return Cell(nodes[1], namespace, nodes[0])

    def rest(self) -> None:
        """Take the nodes out of the executor.  They are destroyed with ROS itself: doing it beside running callbacks is
        what crashes older distributions."""
        for node in self._nodes:
            for timer in node.timers:
                timer.cancel()
            self._executor.remove_node(node)


@pytest.fixture
def start_inspector(executor: Any) -> Iterator[Callable[..., Any]]:
    """``start_inspector(model="...", autostart=True) -> Cell`` starts an inspector for the length of a test."""
    inspectors = Inspectors(executor)
    yield inspectors.start
    inspectors.rest()


@pytest.fixture(scope="session")
def plate_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model once more, of a part called ``plate`` and with an id of its own."""
    from hetnet_ros.inspection.artifact import load_artifact, save_artifact

    artifact = load_artifact(tiny_model)
    path = tmp_path_factory.mktemp("plate") / "plate.safetensors"
    save_artifact(path, dataclasses.replace(artifact.card, part_name="plate"), artifact.tensors)
    return path


@pytest.fixture(scope="module")
def cell(executor: Any, tiny_model: Any) -> Iterator[Any]:
    """One active inspector with the tiny model, shared by the tests of a module; each leaves it active and enabled."""
    inspectors = Inspectors(executor)
    made = inspectors.start(model=str(tiny_model), device="cpu")
    assert made.transition("configure") and made.transition("activate")
    yield made
    inspectors.rest()
