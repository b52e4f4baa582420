"""From picture to verdict, by backend: latency at batch 1, where the time goes, and pictures a second at batch 1 to 8.

Latency is that of the product's own path, image message in to Inspection out.  Where the network's part of it goes is measured in
runs of their own, since telling the network from the map takes waiting for the card in between; graphs hold both in one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from hetnet_ros.gpu_check.backends import absence, candidates, open_backend
from hetnet_ros.gpu_check.models import SHARED, model_for
from hetnet_ros.gpu_check.percentiles import percentiles
from hetnet_ros.gpu_check.pictures import disc
from hetnet_ros.gpu_check.plan import Part, Settings
from hetnet_ros.gpu_check.reporter import Reporter
from hetnet_ros.inspection.backends.interface import BACKENDS
from hetnet_ros.inspection.image_conversion import fill_image, image_to_rgb
from hetnet_ros.inspection.part_inspector import PartInspector, View

LATENCY, RATE = "latency", "throughput"
BATCHES = (1, 2, 4, 8)
_SECONDS, _SHORT_SECONDS = 2.0, 1.0
"""For each backend's latency, with the shared model and elsewhere; a batch's rate gets a quarter of it."""
_MOST_RUNS, _FEWEST_RUNS, _FEWEST_SIDE_RUNS = 300, 5, 3
"""How often, whatever the time: most and fewest runs for the latency, fewest for the map and for a batch's rate."""


def measure(settings: Settings, part: Part, report: Reporter) -> None:
    """Two rows for each backend."""
    preset, size = str(part.arguments["preset"]), int(part.arguments["size"])
    model = model_for(settings, preset, size, report)
    exports = _Exports(model)
    for name in report.remaining(candidates(settings.device, settings.quick)):
        missing = absence(name, settings.device)
        if missing:
            report.absent(LATENCY, name, missing)
            continue
        with report.unit(LATENCY, name):
            exports.make(name)
            shared = (preset, size) == SHARED and not settings.quick
            p50 = measure_backend(model, name, settings, report, name, _SECONDS if shared else _SHORT_SECONDS)
            if (preset, size) == SHARED:
                _remember(settings, name, p50)


def measure_backend(model: Path, name: str, settings: Settings, report: Reporter, row: str,
                    seconds: float = _SHORT_SECONDS) -> float:
    """Both rows of one backend; returns its median latency, ms."""
    before = _card_mib(settings.device)
    inspector = open_backend(model, name, settings.device)
    messages = [_message(seed) for seed in range(max(BATCHES))]
    whole, stages = [], []
    for run in _runs(seconds, _FEWEST_RUNS):
        begun = time.perf_counter()
        rgb = image_to_rgb(messages[run % len(messages)])
        decoded = time.perf_counter()
        timings = inspector.inspect(rgb).timings
        whole.append(1e3 * (time.perf_counter() - begun))
        stages.append((1e3 * (decoded - begun), timings.preprocess_ms, timings.inference_ms, timings.regions_ms))
    decode, preprocess, inference, regions = (round(float(value), 2) for value in np.median(stages, axis=0))
    map_ms = _map_ms(inspector, messages, seconds / 4)
    divided = {"network_and_map": inference} if map_ms is None else {
        "network": round(inference - map_ms, 2), "map": round(map_ms, 2)}
    figures = percentiles(whole)
    report.row(LATENCY, row, **figures, runs=len(whole), decode=decode, preprocess=preprocess, **divided, regions=regions)
    rates = {f"batch_{batch}": _rate(inspector, messages[:batch], seconds / 4)
             for batch in (BATCHES[:2] if settings.quick else BATCHES)}
    used = {} if settings.device == "cpu" else {"card_mib": _card_mib(settings.device) - before}
    report.row(RATE, row, **rates, **used)
    return figures["p50_ms"]


def fastest_backend(settings: Settings, among: list[str] | None) -> str | None:
    """The backend with the lowest median of the shared model, of those given; None where nothing was measured."""
    path = settings.folder / "speeds.jsonl"
    found = dict(json.loads(line) for line in path.read_text().splitlines()) if path.exists() else {}
    return min((name for name in found if among is None or name in among), key=found.get, default=None)


def _remember(settings: Settings, name: str, p50: float) -> None:
    with (settings.folder / "speeds.jsonl").open("a") as file:
        file.write(json.dumps((name, p50)) + "\n")


def _message(seed: int, width: int = 640, height: int = 480) -> SimpleNamespace:
    """What a raw image message has, without ROS."""
    message = SimpleNamespace()
    fill_image(message, disc(width, height, seed), "rgb8")
    return message


def _runs(seconds: float, fewest: int = _FEWEST_SIDE_RUNS) -> Iterator[int]:
    """Counts for so long, but neither fewer nor more often than is of use."""
    end = time.monotonic() + seconds
    for run in range(_MOST_RUNS):
        if run >= fewest and time.monotonic() > end:
            return
        yield run


def _rate(inspector: PartInspector, messages: list[SimpleNamespace], seconds: float) -> float:
    """Pictures a second when so many are inspected in one run of the network."""
    def once() -> None:
        inspector.inspect_batch([View(image_to_rgb(message)) for message in messages])

    once()  # a graph of this batch size is made now
    times = []
    for _ in _runs(seconds):
        begun = time.perf_counter()
        once()
        times.append(time.perf_counter() - begun)
    return round(len(messages) / float(np.median(times)), 1)


def _map_ms(inspector: PartInspector, messages: list[SimpleNamespace], seconds: float) -> float | None:
    """Median time of the step from the stages' distances to the map; None for a backend that does all in one."""
    network, kind = getattr(inspector.runner, "network", None), BACKENDS[inspector.backend]
    if network is None or kind.recorded or kind.compiled:
        return None
    with _timed(network.anomaly_map, _waiter(inspector.device)) as times:
        for run in _runs(seconds):
            inspector.inspect(image_to_rgb(messages[run % len(messages)]))
    return float(np.median(times))


@contextmanager
def _timed(module, wait: Callable[[], None]) -> Iterator[list[float]]:  # noqa: ANN001 - torch.nn.Module
    """Collects how long a module runs, ms, with all that was asked of the device before and in it done."""
    begun, times = [0.0], []

    def before(*_: object) -> None:
        wait()
        begun[0] = time.perf_counter()

    def after(*_: object) -> None:
        wait()
        times.append(1e3 * (time.perf_counter() - begun[0]))

    handles = module.register_forward_pre_hook(before), module.register_forward_hook(after)
    try:
        yield times
    finally:
        for handle in handles:
            handle.remove()


def _waiter(device: str) -> Callable[[], None]:
    if device == "cpu":
        return lambda: None
    import torch

    return lambda: torch.cuda.synchronize(device)


def _card_mib(device: str) -> int:
    """Memory of the card that is in use by anybody, MiB."""
    if device == "cpu":
        return 0
    import torch

    free, total = torch.cuda.mem_get_info(device)
    return round((total - free) / 2**20)


class _Exports:
    """Makes a model's exports, with what they have in common computed once."""

    def __init__(self, model: Path) -> None:
        self._model, self._exports = model, None

    def make(self, name: str) -> None:
        if BACKENDS[name].runtime != "torch":
            from hetnet_ros.inspection.export_cache import CachedExports

            self._exports = self._exports or CachedExports(self._model)
            self._exports[BACKENDS[name]]
