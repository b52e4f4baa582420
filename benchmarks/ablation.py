#!/usr/bin/env python3
"""The paper's ablations: teachers and modules, and kinds of noise; means and deviations over seeds.

    benchmarks/ablation.py [--data CATEGORY] [--seeds 3] [--steps N] [--json F]

Without ``--data`` the virtual cell's grid of conditions is drawn as in benchmarks/conditions.py, one for each seed.  A row
with one teacher lets the fusion see that teacher alone and the students reproduce it alone; all others are the preset with
one thing switched off.  "both" adds the two features without attention and teaches without noise.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from conditions import TAUGHT, draw_grid

from hetnet_ros.cell.faces import FACES
from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets import LabelledDataset, open_dataset
from hetnet_ros.evaluation.evaluator import evaluate
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.learning.preset import Preset, load_preset
from hetnet_ros.learning.teach import teach

Switches = dict[str, object]
"""Changes of NetworkConfig and of TrainingConfig, by name."""
MODULES: dict[str, Switches] = {
    "CNN only": {"use_global": False, "global_target": False, "noise": "none"},
    "Transformer only": {"use_local": False, "local_target": False, "noise": "none"},
    "both (HTE)": {"use_algf": False, "noise": "none"},
    "+ ALGF": {"noise": "none"},
    "+ LMGN": {"use_algf": False},
    "full": {},
}
NOISES: dict[str, Switches] = {"none": {"noise": "none"}, "plain Gaussian": {"noise": "gaussian"}, "LMGN": {}}
FIGURES = ("image_auroc", "pixel_auroc", "aupro")


def switched(preset: Preset, switches: Switches) -> Preset:
    """The preset with these changes."""
    of_network = {name: value for name, value in switches.items() if hasattr(preset.network, name)}
    of_training = {name: value for name, value in switches.items() if name not in of_network}
    return dataclasses.replace(preset, network=dataclasses.replace(preset.network, **of_network),
                               training=dataclasses.replace(preset.training, **of_training))


def measure(data: LabelledDataset, good: list[Path] | None, preset: Preset, seed: int) -> tuple[float, ...]:
    """Teach and evaluate once: image AUROC, pixel AUROC, AUPRO of all images together, fractions."""
    with tempfile.TemporaryDirectory() as folder:
        taught = teach(good[0].parent if good else data.path, Path(folder) / "model.safetensors", preset, seed=seed, paths=good)
        total = evaluate(PartInspector.load(taught.model, "auto"), data, progress=True).total
    return tuple(getattr(total, name).value for name in FIGURES)


def main() -> int:
    args = _parser().parse_args()
    preset = load_preset(args.preset)
    if args.steps:
        preset = dataclasses.replace(preset, training=dataclasses.replace(preset.training, steps=args.steps, epochs=0))
    rows = {("modules", name): switches for name, switches in MODULES.items()}
    rows |= {("noise", name): switches for name, switches in NOISES.items()}
    taken: dict[tuple[str, str], list[tuple[float, ...]]] = {row: [] for row in rows}
    known: dict[tuple[int, str], tuple[float, ...]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(args.seeds):
            data, good = ((open_dataset(args.data), None) if args.data
                          else draw_grid(Path(folder) / f"seed{seed}", args, seed))
            for row, switches in rows.items():
                same = (seed, json.dumps(switches, sort_keys=True))  # the noise table shares rows with the modules'
                if same not in known:
                    known[same] = measure(data, good, switched(preset, switches), seed)
                taken[row].append(known[same])
                print(f"seed {seed}, {row[0]}, {row[1]}: {_percents(known[same])}", file=sys.stderr, flush=True)
    results: dict[str, dict[str, object]] = {"modules": {}, "noise": {}}
    print(f"{data.path.name}, {args.seeds} seeds: I-AUROC, P-AUROC, AUPRO, mean and deviation in %")
    for (table, name), runs in taken.items():
        average, deviation = np.mean(runs, 0), np.std(runs, 0)
        results[table][name] = {"mean": dict(zip(FIGURES, average.tolist())), "std": dict(zip(FIGURES, deviation.tolist()))}
        print(f"{table:8} {name:18} {_percents(average)}   ({_percents(deviation)})")
    if args.json:
        args.json.write_text(json.dumps({"preset": preset.name, "seeds": args.seeds, **results}, indent=1))
    return 0


def _percents(values) -> str:  # noqa: ANN001 - any sequence of fractions
    return " ".join(f"{100 * value:6.2f}" for value in values)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a category folder (default: the virtual cell's grid)")
    parser.add_argument("--preset", default="edge")
    parser.add_argument("--steps", type=int, help="optimiser steps (default: the preset's)")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0 (default: 3)")
    parser.add_argument("--faces", nargs="+", choices=tuple(FACES), help="of the grid: surfaces (default: all six)")
    parser.add_argument("--taught", nargs="+", default=list(TAUGHT), help=f"of the grid: taught conditions (default: {' '.join(TAUGHT)})")
    parser.add_argument("--train", type=int, default=10, help="of the grid: good images to teach, each (default: 10)")
    parser.add_argument("--good", type=int, default=3, help="of the grid: good test images, each (default: 3)")
    parser.add_argument("--defects", type=int, default=4, help="of the grid: defective test images, each (default: 4)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"ablation: {error}")
