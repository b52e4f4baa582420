"""Runs a peer (peer_maps.py, in its own Python) on the grid's tasks and evaluates its maps the way HetNet's are."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import grid
import numpy as np
import peers

import hetnet_ros
from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.condition_report import ConditionReport, report_conditions
from hetnet_ros.evaluation.condition_sources import find_conditions
from hetnet_ros.evaluation.conditions import Condition, Conditions
from hetnet_ros.evaluation.datasets import LabelledDataset, open_dataset
from hetnet_ros.evaluation.evaluator import image_counts
from hetnet_ros.inspection.crop import Crop
from hetnet_ros.inspection.image_files import list_images, read_rgb
from hetnet_ros.inspection.maps import in_place
from hetnet_ros.inspection.result import Box
from hetnet_ros.learning.good_images import good_folder
from hetnet_ros.network.weights import resolve_weights
from hetnet_ros.resources import cache_directory

PEERS = ("patchcore", "anomaly_dino")
_SCRIPT = Path(__file__).resolve().parent / "peer_maps.py"


def measure(name: str, python: Path, tasks: Sequence[grid.Task], folder: Path, seconds: float = 300.0) -> tuple[ConditionReport, dict[str, float]]:
    """The peer's report over all tasks; ``teach_s``, the seconds it learned in all, and ``peak_memory_mb``.

    folder: for one task's maps at a time.  seconds: what a peer that is trained step by step may take for a task.
    Raises InputError where the peer does not run with ``python``.
    """
    for model in (peers.CNN, peers.TRANSFORMER):
        resolve_weights(model)  # which puts them into the cache, where the peer finds them
    package = str(Path(hetnet_ros.__file__).resolve().parents[1])  # images are read and resized by the same code
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])]),
                   "TQDM_DISABLE": "1",
                   "MALLOC_MMAP_THRESHOLD_": str(2**20)}  # PatchCore's coreset, step by step, else fragments glibc's heap by gigabytes
    command = [str(python), str(_SCRIPT), name, str(cache_directory() / "weights")]
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env=environment)
    except OSError as error:
        raise InputError(f"--peers-python {python} cannot be run: {error.strerror}") from None
    reports, learned, memory = [], 0.0, 0.0
    with process:
        for task in tasks:
            dataset = open_dataset(task.tested)
            maps = [str(folder / f"{name}_{index:05d}.npy") for index in range(len(dataset.images))]
            request = {"good": [str(path) for path in list_images(good_folder(task.taught))],
                       "test": [str(image.path) for image in dataset.images], "maps": maps, "seconds": seconds,
                       "crop": dataclasses.astuple(task.crop)}
            answer = _ask(process, request, f"{name} failed with {python}; what it said is above")
            reports.append(report_maps(dataset, answer["scores"], [Path(path) for path in maps], task.crop))
            learned, memory = learned + answer["fit_s"], answer["peak_memory_mb"]
            grid.say(f"{name} {task.name}: learned in {answer['fit_s']:.0f} s, "
                     f"I-AUROC {100 * reports[-1].total.image_auroc.value:.2f}")
        process.stdin.close()
    return grid.average(reports), {"teach_s": learned, "peak_memory_mb": memory}


def _ask(process: subprocess.Popen, request: dict, failure: str) -> dict:
    try:
        print(json.dumps(request), file=process.stdin, flush=True)
        answer = process.stdout.readline()
    except BrokenPipeError:
        answer = ""
    if not answer:
        raise InputError(f"{failure}; its Python needs benchmarks/requirements-peers.txt")
    return json.loads(answer)


def report_maps(dataset: LabelledDataset, scores: Sequence[float], maps: Sequence[Path], crop: Crop = Crop()) -> ConditionReport:
    """The report on square maps of the images' ``crop``, .npy files that are removed, raised to the images' sizes as HetNet's are."""
    counts = []
    for image, path in zip(dataset.images, maps, strict=True):
        height, width = read_rgb(image.path).shape[:2]
        counts.append(image_counts(image, in_place(np.load(path), crop.of(Box(0, 0, width, height)), (height, width))))
        path.unlink()
    conditions = find_conditions(dataset) or Conditions((), (Condition(),) * len(dataset.images), "none")
    return report_conditions(conditions, scores, [image.is_defective for image in dataset.images], counts)
