"""The part ``node`` of ``hetnet gpu-check``: verdicts a second, drops and stamp to verdict, for one camera and for four.

Every camera is a process of its own, so that one Python process is not what limits the four of them.  A picture counts as dropped if
it was published in the time measured and no verdict came for its stamp.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.gpu_check.models import SHARED, model_for
from hetnet_ros.gpu_check.parity import allowed_backends
from hetnet_ros.gpu_check.percentiles import percentiles
from hetnet_ros.gpu_check.plan import Part, Settings
from hetnet_ros.gpu_check.reporter import NotHere, Reporter
from hetnet_ros.gpu_check.speed import fastest_backend

TABLE = "node"
NAMESPACE = "/gpu_check"
_SETTLE_SECONDS, _LAST_SECONDS = 1.0, 0.5


@dataclass(frozen=True)
class Load:
    """So many cameras, each offering pictures of a size at a rate, for so long."""

    cameras: int
    width: int
    height: int
    rate: float
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.cameras} camera{'s' if self.cameras > 1 else ''}, {self.width}x{self.height}, {self.rate:g} Hz"


def loads_for(settings: Settings) -> list[Load]:
    """What is tried: 60 Hz on a card; on a CPU, what two cores can do."""
    rate, seconds = (60.0, 3.0) if settings.device != "cpu" else (3.0, 2.0 if settings.quick else 4.0)
    sizes = ((640, 480),) if settings.quick else ((640, 480), (1280, 1024))
    return [Load(cameras, *size, rate / (cameras if settings.device == "cpu" else 1), seconds)
            for cameras in (1, 4) for size in sizes]


def measure(settings: Settings, part: Part, report: Reporter) -> None:
    """A row for each load, on the fastest backend that gave the CPU's answers."""
    for module, what in (("rclpy", "ROS 2 is not here: source an installation"),
                         ("hetnet_ros.msg", "the messages of hetnet_ros are not built: colcon build")):
        if importlib.util.find_spec(module) is None:
            raise NotHere(what)
    from hetnet_ros.nodes.node_load import Listener, isolate, start_inspector, stop

    os.environ.pop("ROS_DOMAIN_ID", None)  # never among the user's nodes
    isolate()
    model = model_for(settings, *SHARED, report)
    backend = fastest_backend(settings, allowed_backends(settings)) or ("torch" if settings.device == "cpu" else "torch-graph")
    report.note(f"edge, 384 px, backend {backend}")
    device = _only_card(settings.device)
    loads = {load.name: load for load in loads_for(settings)}
    names = report.remaining(list(loads))
    for cameras in dict.fromkeys(loads[name].cameras for name in names):
        inspector = start_inspector(model, device, 0, backend, NAMESPACE, camera_names(cameras))
        try:
            with Listener(NAMESPACE) as listener:
                for name in names:
                    if loads[name].cameras == cameras:
                        with report.unit(TABLE, name):
                            _under_load(loads[name], inspector, listener, settings.folder, report)
        finally:
            stop(inspector)


def _only_card(device: str) -> str:
    """The node's word for the device.  It knows ``cuda`` alone, so another card than the first becomes the only one that it sees."""
    number = int(device.partition(":")[2] or 0)
    if number:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[number] if number < len(visible) else str(number)
    return device.partition(":")[0]


def camera_names(count: int) -> tuple[str, ...]:
    """Of several cameras; a single one has none."""
    return tuple(f"camera_{index}" for index in range(1, count + 1)) if count > 1 else ()


def _under_load(load: Load, inspector: subprocess.Popen, listener, folder: Path, report: Reporter) -> None:  # noqa: ANN001 - Listener
    from hetnet_ros.nodes import load_camera
    from hetnet_ros.nodes.node_load import start, stop

    names = camera_names(load.cameras) or ("camera",)
    logs = {name: folder / f"{name}-{load.width}.stamps" for name in names}
    topics = {name: f"{name}/image" if load.cameras > 1 else "image" for name in names}
    begun = time.time_ns()
    processes = {name: start(name, load_camera.command(NAMESPACE, topics[name], load.rate, load.width, load.height, logs[name], name))
                 for name in names}
    try:
        def all_heard() -> bool:
            of_now = [arrival.camera for arrival in listener.arrivals if arrival.stamp_ns >= begun]
            return len(of_now) >= 3 * load.cameras and len(set(of_now)) == load.cameras

        listener.wait(all_heard, {"inspector": inspector, **processes})
        time.sleep(_SETTLE_SECONDS)  # past the first, slower inferences
        window = [time.time_ns(), 0]
        time.sleep(load.seconds)
        window[1] = time.time_ns()
        time.sleep(_LAST_SECONDS)
    finally:
        for process in processes.values():
            stop(process)
    published = {name: [int(line) for line in logs[name].read_text().split("\n")[:-1] if window[0] <= int(line) < window[1]]
                 for name in names}
    _report(load, published, {(arrival.camera, arrival.stamp_ns): arrival for arrival in list(listener.arrivals)}, report)


def _report(load: Load, published: dict[str, list[int]], arrivals: dict, report: Reporter) -> None:
    """The row of a load from what was published in its window, stamps by camera, and all that arrived."""
    answers = [arrivals.get((name if load.cameras > 1 else "", stamp)) for name, stamps in published.items() for stamp in stamps]
    answered = [answer for answer in answers if answer is not None]
    if not answered:
        raise InputError(f"no verdict for any of {len(answers)} pictures")
    figures = {"published_hz": round(len(answers) / load.seconds, 1), "verdicts_hz": round(len(answered) / load.seconds, 1),
               "dropped": len(answers) - len(answered), "of": len(answers),
               **percentiles([answer.latency_ms for answer in answered]),
               "of_it_inspection": round(float(np.median([answer.inspection_ms for answer in answered])), 1)}
    faults = [answer.fault for answer in answered if answer.fault]
    if faults:
        report.failed(TABLE, load.name, f"{len(faults)} pictures got no score: {faults[-1]}", **figures)
    else:
        report.row(TABLE, load.name, **figures)
