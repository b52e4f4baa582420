"""What conditions.py and ablation.py share: the virtual cell's MSC-AD grid as tasks, teaching one, figures of several.

A task is one model's share of the work: what it is taught from and what it is tested on.  Each condition report is that of
one model, within which scores share a threshold; over several models figures are averaged, never pooled, because the raw
scores of two models have no common scale.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hetnet_ros.cell.dataset import Recipe, parse_conditions, write
from hetnet_ros.cell.defects import KINDS
from hetnet_ros.cell.faces import FACES
from hetnet_ros.cell.framing import part_frame
from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.condition_report import AxisMean, ConditionReport, ConditionRow, mark_worst
from hetnet_ros.evaluation.condition_sources import find_conditions
from hetnet_ros.evaluation.datasets import open_dataset
from hetnet_ros.evaluation.evaluator import evaluate
from hetnet_ros.evaluation.figures import Figures, mean_figures
from hetnet_ros.evaluation.json_file import metric_values
from hetnet_ros.evaluation.result import EvaluationResult
from hetnet_ros.inspection.crop import Crop
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.learning.preset import Preset, load_preset
from hetnet_ros.learning.teach import TeachReport, teach

TAUGHT = ("high_200", "high_600", "low_200", "low_600")
"""Conditions that are taught: neither the middle light nor the widths 150 and 300 are seen before the test."""
TAUGHT_SEED, TESTED_SEED = 0, 1
"""Seeds of the parts: no part is both taught and tested."""


@dataclass(frozen=True)
class Task:
    """taught, tested: category folders in MVTec layout, which may be one and the same.  crop: the part of each image that
    detectors look at."""

    name: str
    taught: Path
    tested: Path
    crop: Crop = Crop()


def add_arguments(parser: argparse.ArgumentParser, faces: Sequence[str], seeds: int, steps: int | None, good: int,
                  defects: int) -> None:
    """Flags of the grid and of teaching; these defaults differ."""
    parser.add_argument("--faces", nargs="+", default=list(faces), metavar="FACE",
                        help=f"all, or some of {', '.join(FACES)} (default: {' '.join(faces)})")
    parser.add_argument("--taught", nargs="+", default=list(TAUGHT), metavar="C",
                        help="conditions that are taught, as hetnet cell --conditions takes them: mid_300, high, 600, all "
                        f"(default: {' '.join(TAUGHT)}); all twelve are tested")
    parser.add_argument("--train", type=int, default=10, help="images taught from, for each face and taught condition (default: 10)")
    parser.add_argument("--good", type=int, default=good, help=f"good test images for each face and condition (default: {good})")
    parser.add_argument("--defects", type=int, default=defects,
                        help=f"defective test images for each face and condition (default: {defects})")
    parser.add_argument("--crop", choices=("part", "none"), default="part",
                        help="what all detectors look at. part: the smallest part of the picture that holds every part of the face, "
                        "however it and the robot are off; none: the whole picture (default: part)")
    parser.add_argument("--preset", default="edge", help="preset, by name or path (default: edge)")
    parser.add_argument("--steps", type=int, default=steps, help=f"optimiser steps (default: {steps or 'as the preset says'})")
    parser.add_argument("--seeds", type=int, default=seeds, help=f"number of seeds, from 0 (default: {seeds})")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="write the figures here")


def preset_of(args: argparse.Namespace) -> Preset:
    """The preset with the steps asked for.  Images are held out for the stages' weights however few there are: further models
    (cross-conformal calibration) would make thresholds better, which none of these figures reads, and take four times as
    long."""
    if args.seeds < 1:
        raise InputError(f"--seeds is {args.seeds}: use at least 1")
    preset = load_preset(args.preset)
    changes: dict[str, object] = {"calibration": "split"}
    if args.steps:
        changes |= {"steps": args.steps, "epochs": 0}
    return dataclasses.replace(preset, training=dataclasses.replace(preset.training, **changes))


def write_grid(args: argparse.Namespace, folder: Path, one_model: bool = False) -> list[Task]:
    """Write the grid's images below ``folder`` and give a task for each face, or one for all of them.

    Raises InputError for faces, conditions or counts that make no grid, and where ``folder`` holds something already.
    """
    faces = tuple(FACES) if args.faces == ["all"] else tuple(dict.fromkeys(args.faces))
    unknown = [face for face in faces if face not in FACES]
    if unknown:
        raise InputError(f"--faces: {unknown[0]!r} is unknown; choose from {', '.join(FACES)}, or all")
    if min(args.train, args.good, args.defects) < 1:
        raise InputError("--train, --good and --defects must be at least 1")
    if (args.good + args.defects) % len(KINDS) == 0:
        raise InputError(f"--good and --defects make {args.good + args.defects} images of each condition, a multiple of the "
                         f"{len(KINDS)} kinds of defects: every condition would show the same ones; change one of them")
    taught, tested = parse_conditions(args.taught), parse_conditions(["all"])
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: give another folder")
    tasks = []
    for name, group in {"all": faces}.items() if one_model else {face: (face,) for face in faces}.items():
        crop = Crop(*part_frame(group)) if args.crop == "part" else Crop()
        task = Task(name, folder / name / "taught", folder / name / "tested", crop)
        for recipe, where in ((Recipe(group, taught, args.train, 0, 0, seed=TAUGHT_SEED), task.taught),
                              (Recipe(group, tested, 0, args.good, args.defects, seed=TESTED_SEED), task.tested)):
            written = sum(1 for _ in write(recipe, where))
            say(f"{where.relative_to(folder)}: {written} images")
        tasks.append(task)
    return tasks


def teach_and_evaluate(task: Task, model: Path, preset: Preset, seed: int, device: str) -> tuple[EvaluationResult, TeachReport]:
    """The evaluation of a model taught for this task, and what teaching it took."""
    began = time.monotonic()
    say(f"{model.stem}: teaching")
    report = teach(task.taught, model, preset, seed=seed, device=device, part_name=task.name, progress=sys.stderr.isatty(),
                   crop=task.crop)
    dataset = open_dataset(task.tested)
    result = evaluate(PartInspector.load(model, device), dataset, progress=sys.stderr.isatty(),
                      conditions=find_conditions(dataset))
    say(f"{model.stem}: {report.steps} steps in {report.seconds:.0f} s, {time.monotonic() - began:.0f} s with the test, "
        f"I-AUROC {100 * result.total.image_auroc.value:.2f}")
    return result, report


def average(reports: Sequence[ConditionReport]) -> ConditionReport:
    """The reports of several models as one: each figure is the mean over the models that define it, and counts are added
    up.  A model of one surface alone has its total in that surface's row."""
    rows: dict[tuple[str, str], list[ConditionRow]] = {}
    for row in (row for axis in _axes(reports) for report in reports for row in report.rows_on(axis)):
        rows.setdefault((row.axis, row.value), []).append(row)
    averaged = [ConditionRow(axis, value, mean_figures([row.figures for row in same], "model"),
                             sum(row.good for row in same), sum(row.defective for row in same))
                for (axis, value), same in rows.items()]
    marked = [row for axis in _axes(reports) for row in mark_worst([row for row in averaged if row.axis == axis])]
    means = tuple(AxisMean(axis, mean_figures([row.figures for row in marked if row.axis == axis], "row"))
                  for axis in _axes(reports))
    return ConditionReport(reports[0].source, tuple(marked), means, mean_figures([r.cells for r in reports], "model"),
                           sum(r.cell_count for r in reports), mean_figures([r.total for r in reports], "model"),
                           sum(r.unplaced for r in reports))


def _axes(reports: Sequence[ConditionReport]) -> list[str]:
    return list(dict.fromkeys(mean.axis for report in reports for mean in report.means))


def figure_values(figures: Figures) -> dict[str, float | None]:
    """image_auroc, pixel_auroc and aupro as fractions, None where not defined."""
    return {name: value for name, value in metric_values(figures).items() if name != "undefined"}


def report_values(report: ConditionReport) -> dict[str, object]:
    """``total``, and ``rows`` by ``axis/value``."""
    return {"total": figure_values(report.total),
            "rows": {f"{row.axis}/{row.value}": figure_values(row.figures) for row in report.rows}}


def write_json(path: Path | None, results: dict[str, object]) -> None:
    """Write what is known so far, if anywhere: these runs are long."""
    if path is not None:
        path.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")


def say(line: str) -> None:
    """Progress, on stderr."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)
