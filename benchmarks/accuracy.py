#!/usr/bin/env python3
"""Accuracy and time to teach on real images: teaches every set with each seed and prints means over the seeds.

    benchmarks/accuracy.py --data ROOT [--sets bottle screw magnetic_tile] [--seeds 3] [--first-seed 0] [--models DIR] [--json F]

ROOT holds category folders in MVTec layout, at any depth; sets are found by folder name.  For magnetic_tile the
cross-exposure protocol is run as well: teach on the dark exposures (exp0 to exp2), test on the bright ones (exp4 to exp6),
and the reverse, each beside a model taught on as many images of the tested exposures.  DIR keeps the sets' models, as
backend_accuracy.py takes them.

What a user would say of the part is said here too: a screw may lie anyhow (hetnet train --rotation 180), and a magnetic tile's defects
cover areas (--large-defects).
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import resource
import sys
import tempfile
from pathlib import Path
from statistics import mean

import grid
import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets import open_dataset
from hetnet_ros.evaluation.evaluator import evaluate
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.learning.preset import Preset, load_preset
from hetnet_ros.learning.teach import teach

SETS = ("bottle", "screw", "magnetic_tile")
ROTATION = {"screw": 180.0}  # a screw lies anyhow; known from the part, not from its test images
LARGE_DEFECTS = {"magnetic_tile"}  # unevenly ground tiles among them; a user says so with hetnet train --large-defects
EXPOSURES = {"dark": {"0", "1", "2"}, "bright": {"4", "5", "6"}}


def find_set(root: Path, name: str) -> Path:
    for good in sorted(root.glob("**/train/good")):
        if good.parent.parent.name == name:
            return good.parent.parent
    raise InputError(f"{root} holds no category folder {name} with train/good: give the folder above it")


def measure(train: Path, test: Path, preset: Preset, seed: int, device: str, keep: Path | None = None) -> dict[str, float]:
    """Teach on ``train``, evaluate on ``test``; fractions, seconds and the steps taken.  keep: where the model stays."""
    with tempfile.TemporaryDirectory() as folder:
        report = teach(train, keep or Path(folder) / "model.safetensors", preset, seed=seed, device=device)
        result = evaluate(PartInspector.load(report.model, device), open_dataset(test), progress=True)
    total = result.total
    return {"image_auroc": total.image_auroc.value, "pixel_auroc": total.pixel_auroc.value, "aupro": total.aupro.value,
            "teach_s": report.seconds, "steps": report.steps}


def averaged(runs: list[dict[str, float]]) -> dict[str, object]:
    row: dict[str, object] = {key: mean(run[key] for run in runs) for key in runs[0]}
    row["image_auroc_std"] = float(np.std([run["image_auroc"] for run in runs]))
    row["seeds"] = runs
    return row


def model_file(folder: Path, name: str, seed: int) -> Path:
    """Where a set's model of one seed is kept."""
    return folder / f"{name}_{seed}.safetensors"


def preset_for(preset: Preset, name: str, steps: int | None = None) -> Preset:
    """The preset as this set is taught: with its rotation, for large defects where it has them and the preset knows them, and with
    ``steps`` where they are given."""
    preset = preset.rotated(ROTATION[name]) if name in ROTATION else preset
    preset = preset.for_large_defects() if name in LARGE_DEFECTS and preset.large_defects else preset
    return dataclasses.replace(preset, training=dataclasses.replace(preset.training, steps=steps, epochs=0)) if steps else preset


def exposure_split(category: Path, exposures: set[str], into: Path, limit: int | None, seed: int) -> Path:
    """A category folder of links to the images of these exposures; at most ``limit`` good ones to teach."""
    def chosen(path: Path) -> bool:
        match = re.match(r"exp(\d)", path.name)
        return bool(match) and match[1] in exposures

    for folder in sorted(p for p in category.glob("*/*") if p.is_dir()):
        files = sorted(p for p in folder.iterdir() if chosen(p))
        if folder.parent.name == "train" and limit is not None and len(files) > limit:
            files = [files[i] for i in sorted(np.random.default_rng(seed).choice(len(files), limit, replace=False))]
        target = into / folder.relative_to(category)
        target.mkdir(parents=True)
        for path in files:
            (target / path.name).symlink_to(path.resolve())
    return into


def cross_exposure(category: Path, preset: Preset, seed: int, device: str) -> dict[str, dict[str, float]]:
    """I-AUROC across exposures, within the tested exposure at equal training size, and the fall between the two."""
    count = {side: sum(p.name[3] in numbers for p in (category / "train" / "good").glob("exp*"))
             for side, numbers in EXPOSURES.items()}
    size = min(count.values())
    rows = {}
    for source, target in (("dark", "bright"), ("bright", "dark")):
        with tempfile.TemporaryDirectory() as folder:
            own = exposure_split(category, EXPOSURES[target], Path(folder) / "own", size, seed)
            other = exposure_split(category, EXPOSURES[source], Path(folder) / "other", size, seed)
            crossed = measure(other, own, preset, seed, device)
            same = measure(own, own, preset, seed, device)
        rows[f"{source}_to_{target}"] = {**crossed, "same_exposure_image_auroc": same["image_auroc"], "train_images": size,
                                         "fall": same["image_auroc"] - crossed["image_auroc"]}
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder above the category folders")
    parser.add_argument("--sets", nargs="+", default=list(SETS), help=f"which sets (default: {' '.join(SETS)})")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (default: 3)")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of them, to share seeds among runs (default: 0)")
    parser.add_argument("--preset", default="edge")
    parser.add_argument("--steps", type=int, help="optimiser steps (default: the preset's)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--no-cross-exposure", action="store_true", help="leave the cross-exposure protocol out")
    parser.add_argument("--models", type=Path, help="keep the sets' models in this folder")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    if args.seeds < 1 or args.first_seed < 0:
        raise InputError(f"--seeds is {args.seeds} and --first-seed {args.first_seed}: use at least 1, and at least 0")
    preset = load_preset(args.preset)
    results: dict[str, object] = {"preset": preset.name, "seeds": args.seeds}
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    lines = []
    for name in args.sets:
        category = find_set(args.data, name)
        taught = preset_for(preset, name, args.steps)
        runs = [measure(category, category, taught, seed, args.device,
                        args.models and model_file(args.models, name, seed)) for seed in seeds]
        results[name] = row = {**averaged(runs), "image_size": taught.network.image_size}
        lines.append(f"{name:16s} {row['image_size']:4d} {100 * row['image_auroc']:7.2f} {100 * row['pixel_auroc']:6.2f} {100 * row['aupro']:6.2f} "
                     f"{row['steps']:7.0f} {row['teach_s']:8.0f}   (I-AUROC deviation {100 * row['image_auroc_std']:.2f})")
        print(lines[-1], file=sys.stderr, flush=True)
        if name == "magnetic_tile" and not args.no_cross_exposure:
            crossed = [cross_exposure(category, taught, seed, args.device) for seed in seeds]
            results["cross_exposure"] = {way: {key: mean(run[way][key] for run in crossed) for key in crossed[0][way]}
                                         for way in crossed[0]}
            for way, figures in results["cross_exposure"].items():
                lines.append(f"{way:16s}      {100 * figures['image_auroc']:6.2f}   against "
                             f"{100 * figures['same_exposure_image_auroc']:.2f} at the same exposure")
        grid.write_json(args.json, results)
    results["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"preset {preset.name}, {args.seeds} seeds, peak memory {results['peak_memory_mb']:.0f} MB\n"
          "set                px I-AUROC P-AUROC AUPRO   steps  teach s")
    print("\n".join(lines))
    grid.write_json(args.json, results)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"accuracy.py: error: {error}")
