#!/usr/bin/env python3
"""Can a planner trust the verdicts?  Measured on the virtual cell, with parts that were never taught:

1. false rejects against the promised rate, for three rates; false passes; injected faults caught as UNCERTAIN;
2. three views of a part against one, at equal promised and at equal measured false-reject rate;
3. defects in space (defects_in_space.py);
6. the latency budget of one view, by stage, over real DDS (verdict_latency.py).

    benchmarks/verdicts.py [--model MODEL.safetensors] [--cache DIR] [--json F]

Without --model a model is taught from 240 pictures first.  Seeds are fixed; --cache keeps pictures and scores for the next
run.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

import cv2
import defects_in_space
import numpy as np
import verdict_latency
from scipy.stats import beta, binom
from verdict_parts import FAULTS, VIEWPOINTS, Counts, pictures, plan
from verdict_scores import Outputs, inspections, outputs

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.frozen_camera import FrozenCamera
from hetnet_ros.inspection.multi_view import RULES, SeenView, combine
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.result import Inspection, Verdict
from hetnet_ros.learning.calibrate import fit_calibration
from hetnet_ros.learning.preset import load_preset
from hetnet_ros.learning.teach import teach

RATES = (0.01, 0.02, 0.05)
VIEWS = len(VIEWPOINTS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a model of the cell's parts, taught from these viewpoints (default: teach)")
    parser.add_argument("--steps", type=int, help="optimiser steps where a model is taught (default: the preset's)")
    parser.add_argument("--cache", type=Path, help="folder for pictures and scores, to be used again")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--quick", action="store_true", help="a tenth of the parts, to try the command")
    args = parser.parse_args()
    counts = Counts(60, 99, 50, 30, 10) if args.quick else Counts()
    with tempfile.TemporaryDirectory() as folder:
        model = args.model or taught(counts, args, Path(folder))
        inspector = PartInspector.load(model, args.device)
        found = {role: outputs(inspector, role, counts, args.cache) for role in ("calibrate", "good", "defective", "fault")}
        report = {"model": inspector.model_id, "counts": dataclasses.asdict(counts), "viewpoints": VIEWS}
        report["rates"] = [at_rate(inspector, found, counts, rate) for rate in RATES]
        report["multi_view"] = equal_rejects(found)
        print("\n".join(table(report)))
        report["space"] = defects_in_space.measure(12 if args.quick else defects_in_space.PARTS)
        print("\n".join(["", "3. defects in space, at 400 mm", *defects_in_space.lines(report["space"])]))
        report["latency"] = verdict_latency.measure(model, args.device)
        print("\n".join(["", *verdict_latency.lines(report["latency"])]))
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def taught(counts: Counts, args: argparse.Namespace, folder: Path) -> Path:
    """A model of preset edge, taught from the pictures set apart for it."""
    preset = load_preset("edge")
    if args.steps:
        preset = dataclasses.replace(preset, training=dataclasses.replace(preset.training, steps=args.steps, epochs=0))
    images = folder / "images"
    images.mkdir()
    for number, image in enumerate(pictures("teach", counts, preset.network.image_size, args.cache)):
        cv2.imwrite(str(images / f"{number:04d}.png"), image[:, :, ::-1])
    kept = (args.cache or folder) / "verdicts.safetensors"
    return teach(images, kept, preset, device=args.device, part_name="virtual_front").model


def at_rate(inspector: PartInspector, found: dict[str, Outputs], counts: Counts, rate: float) -> dict[str, object]:
    """Line 1 at one promised rate, and all views together at the same one."""
    calibration = fit_calibration(found["calibrate"].scores, found["calibrate"].peaks, false_reject=rate)
    seen = {role: inspections(inspector, calibration, found[role]) for role in ("good", "defective", "fault")}
    single = {role: verdict_counts([one.verdict for one in one_view_each(seen[role])]) for role in ("good", "defective")}
    several = {rule: {role: verdict_counts(part_verdicts(seen[role], calibration, rule)) for role in ("good", "defective")}
               for rule in RULES}
    low, high = (int(x) for x in binom.interval(0.95, counts.good, rate))
    alarms, known = int(np.floor(rate * (counts.calibrate + 1))), counts.calibrate
    return {"promised": rate, "single": single, "multi": several, "interval": [low, high],
            "inside": low <= single["good"]["REJECT"] <= high,
            "multi_within": {rule: several[rule]["good"]["REJECT"] <= high for rule in RULES},
            "rate_given_calibration": list(beta.interval(0.95, max(alarms, 1), known + 1 - alarms)),
            "faults": faults_caught(seen["fault"], counts)}


def one_view_each(seen: list[Inspection]) -> list[Inspection]:
    """Part after part from another viewpoint, as the calibration's parts were seen."""
    return [seen[start + start // VIEWS % VIEWS] for start in range(0, len(seen), VIEWS)]


def part_verdicts(seen: list[Inspection], calibration: Calibration, rule: str) -> list[Verdict]:
    return [combine([SeenView(f"view_{k}", one, calibration) for k, one in enumerate(seen[start:start + VIEWS])], VIEWS,
                    VIEWS, rule).verdict for start in range(0, len(seen), VIEWS)]


def verdict_counts(verdicts: list[Verdict]) -> dict[str, int]:
    return {verdict.name: verdicts.count(verdict) for verdict in Verdict}


def faults_caught(seen: list[Inspection], counts: Counts) -> dict[str, dict[str, int]]:
    """How many pictures with each fault were UNCERTAIN, PASS and REJECT, and by which reason."""
    caught: dict[str, dict[str, int]] = {}
    for (_, _, fault), one in zip(plan("fault", counts), seen, strict=True):
        entry = caught.setdefault(fault, {})
        key = one.reason if one.verdict == Verdict.UNCERTAIN else one.verdict.name
        entry[key] = entry.get(key, 0) + 1
    caught["frozen_camera"] = {"frozen_camera": frozen_caught(counts.faults)}
    assert set(caught) == set(FAULTS)
    return caught


def frozen_caught(count: int) -> int:
    """Of so many cameras that hang after their first picture: at how many is the second one noticed?"""
    rng = np.random.default_rng(0)
    caught = 0
    for _ in range(count):
        camera, picture = FrozenCamera(), rng.integers(0, 256, (480, 640, 3), np.uint8)
        caught += camera.look(picture, 1).new and camera.look(picture.copy(), 2).times == 2
    return caught


def equal_rejects(found: dict[str, Outputs]) -> list[dict[str, float]]:
    """Line 2 by scores alone: share of defective parts above the score that rejects the same number of the good test
    parts, for one view (each part from another viewpoint), for the largest score of all views and for their geometric
    mean."""
    rows = []
    for rate in RATES:
        row: dict[str, float] = {"rejected_good": rate}
        for name in ("single", "largest", "mean"):
            good, bad = (part_scores(found[role].scores, name) for role in ("good", "defective"))
            allowed = int(rate * len(good))
            row[name] = float((bad > np.sort(good)[::-1][allowed]).mean())
        rows.append(row)
    return rows


def part_scores(scores: np.ndarray, name: str) -> np.ndarray:
    by_part = scores.reshape(-1, VIEWS)
    if name == "mean":
        return np.exp(np.log(by_part).mean(1))
    return by_part.max(1) if name == "largest" else by_part[np.arange(len(by_part)), np.arange(len(by_part)) % VIEWS]


def table(report: dict) -> list[str]:
    counts = report["counts"]
    good, bad = counts["good"], counts["defective"]
    lines = [f"model {report['model']}; calibrated on {counts['calibrate']} good parts; {good} good and {bad} defective ones",
             "", "1. one view of each part",
             "promised  rejected good (95 % interval of the promise)   uncertain good   passed bad   uncertain bad   rejected bad"]
    for row in report["rates"]:
        ok, ko, (low, high) = row["single"]["good"], row["single"]["defective"], row["interval"]
        lines.append(f"{row['promised']:7.1%}   {ok['REJECT']:4d} = {ok['REJECT'] / good:5.1%}  ({low} to {high}: "
                     f"{'inside' if row['inside'] else 'OUTSIDE'}){'':16s}{ok['UNCERTAIN'] / good:9.1%}{ko['PASS'] / bad:15.1%}"
                     f"{ko['UNCERTAIN'] / bad:14.1%}{ko['REJECT'] / bad:15.1%}")
    lines += ["", f"   injected faults, each on {counts['faults']} parts, at a promised rate of {report['rates'][0]['promised']:.0%}"]
    total = caught = 0
    for fault, entry in report["rates"][0]["faults"].items():
        uncertain = sum(number for key, number in entry.items() if key not in ("PASS", "REJECT"))
        total, caught = total + sum(entry.values()), caught + uncertain
        lines.append(f"   {fault:14s} {uncertain:3d} UNCERTAIN   {', '.join(f'{k} {n}' for k, n in sorted(entry.items()))}")
    lines += [f"   all            {caught / total:.1%} UNCERTAIN", "", f"2. {VIEWS} views of each part against one",
              "promised  views                rejected good   uncertain good   passed bad   uncertain bad   rejected bad"]
    for row in report["rates"]:
        for name, found in (("one", row["single"]), *((f"{VIEWS}, {rule}", row["multi"][rule]) for rule in RULES)):
            ok, ko = found["good"], found["defective"]
            lines.append(f"{row['promised']:7.1%}   {name:16s}{ok['REJECT'] / good:16.1%}{ok['UNCERTAIN'] / good:17.1%}"
                         f"{ko['PASS'] / bad:13.1%}{ko['UNCERTAIN'] / bad:16.1%}{ko['REJECT'] / bad:15.1%}")
    lines.append("rejected bad where exactly so many good test parts are rejected, by score:")
    lines += [f"{row['rejected_good']:7.1%}   one view {row['single']:.1%}, "
              f"largest of all {row['largest']:.1%}, their mean {row['mean']:.1%}" for row in report["multi_view"]]
    return lines


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"verdicts.py: error: {error}")
