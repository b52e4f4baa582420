#!/usr/bin/env python3
"""The paper's ablations on the virtual cell's grid, or on a data set: which module and which noise brings what.

    benchmarks/ablation.py [--faces front ...] [--steps 300] [--seeds 3] [--data CATEGORY] [--json F]

A row is the mean of the models' figures over all conditions (see conditions.py for the grid and for what is pooled), and its
mean and deviation over the seeds.  Deviations of a few seeds are rough.  A setting that stands in both tables is taught once.

The rows are the paper's, and each changes HetNet as it is here, in one process and with the same steps:

- CNN only: the fusion sees the CNN alone and the students reproduce the CNN alone (our extension, by which they reproduce the
  Transformer's blocks as well, is off).
- Transformer only: the fusion sees the Transformer alone, at the CNN's grids, and the students reproduce the mean of its
  blocks alone.  The paper's students reproduce CNN features; with no CNN there are none, so the one teacher left is both
  input and target, as in its other row.
- both: local and global features are added, without ALGF's attention.  From here on the students reproduce both.
- + ALGF, + LMGN: one of the two; full: both.
- full + memory: with the memory of places (ours), as the preset has it; no other row has one.

With one seed, the rows start from the same random numbers, as far as they have the same parts: without that, the weights that
ALGF's attention draws alone moved a face by more than a point.

The first four rows are taught without noise.  The noise table is the full network under another noise.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import sys
import tempfile
from pathlib import Path

import grid
import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.figures import Figures, mean_figures
from hetnet_ros.learning.preset import Preset

Variant = tuple[dict[str, object], str]
"""Changed settings of the network, and the noise."""

ALONE = {"place_memory": 0, "cnn_memory": 0.0}
PLAIN = {**ALONE, "use_algf": False}
MODULES: dict[str, Variant] = {
    "CNN only": ({**PLAIN, "use_global": False, "global_target": False}, "none"),
    "Transformer only": ({**PLAIN, "use_local": False, "local_targets": 0}, "none"),
    "both": (PLAIN, "none"),
    "+ ALGF": (ALONE, "none"),
    "+ LMGN": (PLAIN, "lmgn"),
    "full": (ALONE, "lmgn"),
    "full + memory": ({}, "lmgn"),
}
NOISE: dict[str, Variant] = {name: (ALONE, name) for name in ("none", "gaussian", "lmgn")}
TABLES = {"modules": MODULES, "noise": NOISE}
HEADINGS = ("I-AUROC", "P-AUROC", "AUPRO")


def changed(preset: Preset, variant: Variant) -> Preset:
    network, noise = variant
    return dataclasses.replace(preset, network=dataclasses.replace(preset.network, **network),
                               training=dataclasses.replace(preset.training, noise=noise))


def measure(variant: Variant, tasks: list[grid.Task], preset: Preset, seeds: int, device: str) -> list[Figures]:
    """For each seed, the mean over the tasks."""
    found = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            results = [grid.teach_and_evaluate(task, Path(folder) / f"{task.name}_{seed}.safetensors", changed(preset, variant),
                                               seed, device)[0] for task in tasks]
        found.append(mean_figures([result.total for result in results], "model"))
    return found


def spread(seeds: list[Figures]) -> dict[str, dict[str, float | None]]:
    """Mean and deviation over the seeds of each figure; None for one that a seed does not define."""
    runs = [grid.figure_values(one) for one in seeds]
    defined = {name: [run[name] for run in runs] for name in runs[0] if None not in [run[name] for run in runs]}
    return {kind: {name: float(compute(defined[name])) if name in defined else None for name in runs[0]}
            for kind, compute in (("mean", np.mean), ("std", np.std))}


def lines(results: dict) -> list[str]:
    seen = ", cropped to the part" if results["crop"] == "part" else ""
    text = [f"preset {results['preset']}, {results['image_size']} px, {results['steps']} steps, {results['seeds']} seed(s), on "
            f"{results['data']}{seen}, peak memory {results['peak_memory_mb']:.0f} MB", "per cent, mean and deviation over the seeds"]
    for table in (table for table in TABLES if results[table]):
        text += ["", f"{table:18}" + "".join(f"{heading:>16}" for heading in HEADINGS)]
        for name, row in results[table].items():
            cells = [f"{100 * mean:7.2f} ± {100 * row['std'][figure]:5.2f}" if mean is not None else "-"
                     for figure, mean in row["mean"].items()]
            text.append(f"{name:18}" + "".join(f"{cell:>16}" for cell in cells))
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    grid.add_arguments(parser, faces=("front",), seeds=3, steps=300, good=2, defects=4)
    parser.add_argument("--data", type=Path, help="a category folder in MVTec layout in place of the grid")
    parser.add_argument("--tables", nargs="+", choices=tuple(TABLES), default=list(TABLES), help="which (default: both)")
    args = parser.parse_args()
    preset = grid.preset_of(args)
    where = args.data.resolve().name if args.data else f"the grid, {' '.join(args.faces)}"
    results: dict[str, object] = {"preset": preset.name, "image_size": preset.network.image_size,
                                  "steps": preset.training.steps, "seeds": args.seeds, "data": where,
                                  "crop": "none" if args.data else args.crop, "modules": {}, "noise": {}}
    with tempfile.TemporaryDirectory() as folder:
        tasks = [grid.Task(where, args.data, args.data)] if args.data else grid.write_grid(args, Path(folder))
        known: list[tuple[Variant, dict]] = []
        for table in args.tables:
            for name, variant in TABLES[table].items():
                row = next((row for other, row in known if other == variant), None)
                if row is None:
                    grid.say(f"{table}: {name}")
                    row = spread(measure(variant, tasks, preset, args.seeds, args.device))
                    known.append((variant, row))
                results[table][name] = row
                grid.write_json(args.json, results)
    results["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    grid.write_json(args.json, results)
    print("\n".join(lines(results)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"ablation.py: error: {error}")
