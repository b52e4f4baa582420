#!/usr/bin/env python3
"""HetNet and other detectors on the virtual cell's grid of conditions, in the shape of the paper's Table I.

    benchmarks/conditions.py [--peers-python PY] [--seeds 1] [--keep DIR] [--json F]

The grid is MSC-AD's: six surfaces, three illuminations, four resolutions.  One model sees good parts of all surfaces under
some conditions only (``--taught``), and is tested under all.  With a Python that has anomalib
(benchmarks/requirements-peers.txt) PatchCore and AnomalyDINO get the same good images, the same teachers' weights and the
same tables; their maps are scored by the same code as HetNet's.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy as np
from tqdm import tqdm

from hetnet_ros.cell import dataset as cell
from hetnet_ros.cell.faces import FACES
from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.condition_report import ConditionReport, report_conditions
from hetnet_ros.evaluation.condition_sources import find_conditions
from hetnet_ros.evaluation.condition_table import LEGEND, condition_table
from hetnet_ros.evaluation.datasets import LabelledDataset, open_dataset
from hetnet_ros.evaluation.evaluator import evaluate
from hetnet_ros.evaluation.figures import Figures
from hetnet_ros.evaluation.pixel_counts import count_pixels
from hetnet_ros.inspection.image_files import read_rgb
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.learning.preset import Preset, load_preset
from hetnet_ros.learning.teach import teach
from hetnet_ros.network.weights import resolve_weights

PEERS = ("patchcore", "anomaly_dino")
TAUGHT = ("high_200", "high_600", "low_200", "low_600")


def draw_grid(folder: Path, args: argparse.Namespace, seed: int) -> tuple[LabelledDataset, list[Path]]:
    """The test images under every condition, and the good ones to teach, under the taught conditions."""
    every, taught = cell.parse_conditions(["all"]), cell.parse_conditions(args.taught)
    faces = tuple(args.faces or FACES)
    lesson = cell.Recipe(faces, taught, args.train, 0, 0, seed=2 * seed)
    trial = cell.Recipe(faces, every, 0, args.good, args.defects, seed=2 * seed + 1)
    for recipe, into in ((lesson, folder / "lesson"), (trial, folder / "trial")):
        for _ in tqdm(cell.write(recipe, into), total=recipe.count, desc=f"drawing {into.name}"):
            pass
    return open_dataset(folder / "trial"), sorted((folder / "lesson" / "train" / "good").iterdir())


def hetnet(data: LabelledDataset, good: list[Path], preset: Preset, seed: int, folder: Path) -> tuple[ConditionReport, float]:
    """Figures by condition, and seconds to teach."""
    taught = teach(good[0].parent, folder / "hetnet.safetensors", preset, seed=seed, paths=good)
    inspector = PartInspector.load(taught.model, "auto")
    result = evaluate(inspector, data, progress=True, conditions=find_conditions(data))
    assert result.conditions is not None
    return result.conditions, taught.seconds


def peer(name: str, data: LabelledDataset, good: list[Path], python: Path, folder: Path) -> tuple[ConditionReport, float]:
    """The same of another detector, run by ``python``."""
    out = folder / name
    weights = folder / "weights"
    for into in (out, weights):
        into.mkdir(exist_ok=True)
    from safetensors.torch import save_file

    for config in (load_preset("edge").network.cnn, load_preset("edge").network.transformer):
        if not (weights / f"{config.model}.safetensors").exists():
            save_file(resolve_weights(config.model).tensors, weights / f"{config.model}.safetensors")
    tests = [image.path for image in data.images]
    order = {"name": name, "weights": str(weights), "good": list(map(str, good)), "test": list(map(str, tests)), "out": str(out)}
    (out / "order.json").write_text(json.dumps(order))
    begun = time.monotonic()
    subprocess.run([python, Path(__file__).with_name("condition_peers.py"), out / "order.json"], check=True)
    scores, counts = np.load(out / "scores.npy"), []
    for number, image in enumerate(data.images):
        raw = np.load(out / f"{number}.npy").astype(np.float32)
        counts.append(count_pixels(raw, image.mask(raw.shape)))
    conditions = find_conditions(data)
    assert conditions is not None
    return report_conditions(conditions, list(scores), [image.is_defective for image in data.images],
                             counts), time.monotonic() - begun


def as_json(reports: list[ConditionReport], seconds: list[float]) -> dict[str, object]:
    """Means over the seeds."""
    rows = {f"{row.axis}/{row.value}": _mean([_row(report, row.axis, row.value) for report in reports])
            for row in reports[0].rows}
    return {"total": _mean([report.total for report in reports]), "cells": _mean([report.cells for report in reports]),
            "rows": rows, "seconds": mean(seconds)}


def _row(report: ConditionReport, axis: str, value: str) -> Figures:
    return next(row.figures for row in report.rows if (row.axis, row.value) == (axis, value))


def _mean(figures: list[Figures]) -> dict[str, float | None]:
    found = {}
    for name in ("image_auroc", "pixel_auroc", "aupro"):
        values = [getattr(one, name).value for one in figures if getattr(one, name).defined]
        found[name] = mean(values) if values else None
    return found


def main() -> int:
    args = _parser().parse_args()
    preset = load_preset(args.preset)
    if args.steps:
        preset = dataclasses.replace(preset, training=dataclasses.replace(preset.training, steps=args.steps, epochs=0))
    names = ("hetnet", *(PEERS if args.peers_python else ()))
    reports: dict[str, list[ConditionReport]] = {name: [] for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as temporary:
        for seed in range(args.seeds):
            folder = (args.keep or Path(temporary)) / f"seed{seed}"
            data, good = draw_grid(folder, args, seed)
            for name in names:
                report, took = (hetnet(data, good, preset, seed, folder) if name == "hetnet"
                                else peer(name, data, good, args.peers_python, folder))
                reports[name].append(report)
                seconds[name].append(took)
                print(f"\n{name}, seed {seed}, {len(good)} good images of {' '.join(args.taught)}, {took:.0f} s\n"
                      f"{condition_table(report)}\n{LEGEND}", flush=True)
    if not args.peers_python:
        print("peers left out: give --peers-python a Python that has anomalib (benchmarks/requirements-peers.txt)")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results = {"preset": preset.name, "image_size": preset.network.image_size, "seeds": args.seeds, "taught": args.taught,
               "peak_memory_mb": peak, **{name: as_json(reports[name], seconds[name]) for name in names}}
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="edge")
    parser.add_argument("--steps", type=int, help="optimiser steps (default: the preset's)")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds, of the grid and of teaching, from 0 (default: 1)")
    parser.add_argument("--faces", nargs="+", choices=tuple(FACES), help="surfaces (default: all six)")
    parser.add_argument("--taught", nargs="+", default=list(TAUGHT), help=f"taught conditions (default: {' '.join(TAUGHT)})")
    parser.add_argument("--train", type=int, default=10, help="good images to teach, a surface and taught condition (default: 10)")
    parser.add_argument("--good", type=int, default=3, help="good test images, a surface and condition (default: 3)")
    parser.add_argument("--defects", type=int, default=4, help="defective test images, likewise (default: 4)")
    parser.add_argument("--peers-python", type=Path, help="a Python with anomalib: see benchmarks/requirements-peers.txt")
    parser.add_argument("--keep", type=Path, help="keep images, models and maps in this folder")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"conditions: {error}")
