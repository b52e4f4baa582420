#!/usr/bin/env python3
"""The paper's Table I on the virtual cell: taught on some conditions, tested on all, by resolution, illumination and surface.

    benchmarks/conditions.py [--peers-python PEERS/bin/python] [--keep DIR] [--json F]

The virtual cell writes MSC-AD's grid (6 surfaces, 3 illuminations, 4 resolutions); models are taught on four of each
surface's twelve conditions and tested on all of them.  One model is taught for each surface, as a cell would have it: a
surface is known where the camera is sent, the light and the scale on it are not under control.  --one-model teaches all surfaces
together instead.

What the figures are: within a model, images are pooled, since they share its threshold; over models, figures are averaged.  A
surface's row is its model's figure over all conditions; a resolution's or illumination's row is the mean, over the models, of
the figure on the images of that condition; the total is the mean of the models' figures over all their images.

All detectors look at the same part of each picture, see --crop. With --peers-python, PatchCore on the CNN teacher and
AnomalyDINO on the Transformer teacher (anomalib; the same weight files, see requirements-peers.txt) learn from the same
good images, of which HetNet holds some back to weigh its stages, at 256 and 252 px; their maps and scores go through the
same evaluation. AnomalyDINO reads block 7 counted from 0, the deepest that HetNet uses, and not the last one: later blocks
of the packaged weights were tuned for another task and are unusable here. The peers are run with one seed only.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path

import grid
import peer_evaluation

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.condition_report import ConditionReport
from hetnet_ros.evaluation.condition_table import condition_remarks, condition_table
from hetnet_ros.evaluation.table import percent
from hetnet_ros.learning.preset import Preset
from hetnet_ros.learning.teach import TeachReport

LEGEND = ("rows: a condition's defective images against its own good ones; images are pooled within a model, and figures "
          "averaged over models")


def hetnet(tasks: list[grid.Task], preset: Preset, args: argparse.Namespace, folder: Path) -> tuple[ConditionReport, list[TeachReport]]:
    """The report over all tasks and seeds, and what each teaching took."""
    reports, taught = [], []
    for seed in range(args.seeds):
        for task in tasks:
            result, teaching = grid.teach_and_evaluate(task, folder / f"{task.name}_{seed}.safetensors", preset, seed, args.device)
            reports.append(result.conditions)
            taught.append(teaching)
    return grid.average(reports), taught


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    grid.add_arguments(parser, faces=("all",), seeds=1, steps=None, good=10, defects=15)
    parser.add_argument("--one-model", action="store_true", help="teach all surfaces together (default: a model for each)")
    parser.add_argument("--peers-python", type=Path, help="a Python with anomalib: see benchmarks/requirements-peers.txt")
    parser.add_argument("--keep", type=Path, help="folder, empty or new, in which images and models are kept")
    args = parser.parse_args()
    preset = grid.preset_of(args)
    reports: dict[str, ConditionReport] = {}
    results: dict[str, object] = {
        "preset": preset.name, "image_size": preset.network.image_size, "seeds": args.seeds,
        "taught": args.taught, "counts": {"train": args.train, "good": args.good, "defects": args.defects},
        "crop": args.crop, "models": "one model" if args.one_model else "a model for each surface"}
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        tasks = grid.write_grid(args, folder / "images", args.one_model)
        for name in peer_evaluation.PEERS if args.peers_python else ():  # first: a Python without them is known at once
            reports[name], costs = peer_evaluation.measure(name, args.peers_python, tasks, Path(temporary))
            results[name] = {**grid.report_values(reports[name]), **costs}
            grid.write_json(args.json, results)
        reports["hetnet"], taught = hetnet(tasks, preset, args, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results["hetnet"] = {**grid.report_values(reports["hetnet"]), "peak_memory_mb": peak,
                         "teach_s": sum(one.seconds for one in taught), "teach_s_each": [one.seconds for one in taught]}
    results["steps"] = max(one.steps for one in taught)
    grid.write_json(args.json, results)
    print("\n".join(lines(results, reports)))
    return 0


def lines(results: dict, reports: dict[str, ConditionReport]) -> list[str]:
    """The tables, HetNet's first, and the totals beside each other."""
    counts = results["counts"]
    seen = "cropped to the part" if results["crop"] == "part" else "whole images"
    text = [f"preset {results['preset']}, {results['image_size']} px, {results['steps']} steps, {results['seeds']} seed(s), "
            f"{results['models']}, {seen}; taught on {' '.join(results['taught'])}, {counts['train']} images each; tested on "
            f"{counts['good']} good and {counts['defects']} defective images of each surface and condition", LEGEND]
    names = ["hetnet", *(name for name in reports if name != "hetnet")]
    for name in names:
        text += ["", name, condition_table(reports[name]), *condition_remarks(reports[name])]
    text += ["", f"{'total':16}{'I-AUROC':>9}{'P-AUROC':>9}{'AUPRO':>9}{'teach s':>10}{'memory':>11}"]
    for name in names:
        total = reports[name].total
        text.append(f"{name:16}{percent(total.image_auroc):>9}{percent(total.pixel_auroc):>9}{percent(total.aupro):>9}"
                    f"{results[name]['teach_s']:10.0f}{results[name]['peak_memory_mb']:8.0f} MB")
    if len(names) == 1:
        text.append("peers left out: give --peers-python a Python with anomalib (benchmarks/requirements-peers.txt)")
    return text


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"conditions.py: error: {error}")
