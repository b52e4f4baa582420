#!/usr/bin/env python3
"""Accuracy of one model under several backends, on the images of whole test sets.

    benchmarks/backend_accuracy.py --data ROOT --models DIR [--backends openvino-bf16 openvino-int8] [--json F]

ROOT holds category folders in MVTec layout, at any depth; DIR the models that ``accuracy.py --models DIR`` kept.  Each
is evaluated with torch in float32 and with every backend, exported as the product does it; a backend whose export is refused
says so, with the reason.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from accuracy import find_set

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets import open_dataset
from hetnet_ros.evaluation.evaluator import evaluate
from hetnet_ros.inspection.part_inspector import PartInspector

FIGURES = ("image_auroc", "pixel_auroc", "aupro")


def measured(model: Path, category: Path, backend: str) -> dict[str, float]:
    total = evaluate(PartInspector.load(model, "cpu", backend=backend), open_dataset(category), progress=True).total
    return {name: getattr(total, name).value for name in FIGURES}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder above the category folders")
    parser.add_argument("--models", type=Path, required=True, help="folder that accuracy.py --models wrote")
    parser.add_argument("--backends", nargs="+", default=["openvino-bf16", "openvino-int8"])
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    models = sorted(args.models.glob("*.safetensors"))
    if not models:
        raise InputError(f"{args.models} holds no model: fill it with accuracy.py --models {args.models}")
    results: dict[str, dict[str, object]] = {}
    print(f"{'model':20s} {'backend':16s} I-AUROC P-AUROC  AUPRO   points lost against torch")
    for model in models:
        category = find_set(args.data, model.stem.rsplit("_", 1)[0])
        row = results[model.stem] = {"torch": measured(model, category, "torch")}
        print(line(model.stem, "torch", row["torch"], row["torch"]), flush=True)
        for backend in args.backends:
            try:
                row[backend] = measured(model, category, backend)
            except InputError as refused:
                row[backend] = {"refused": str(refused)}
                print(f"{model.stem:20s} {backend:16s} refused: {refused}", flush=True)
                continue
            print(line(model.stem, backend, row[backend], row["torch"]), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def line(model: str, backend: str, found: dict[str, float], reference: dict[str, float]) -> str:
    lost = " ".join(f"{100 * (reference[name] - found[name]):6.2f}" for name in FIGURES)
    return f"{model:20s} {backend:16s} " + " ".join(f"{100 * found[name]:7.2f}" for name in FIGURES) + f"   {lost}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"backend_accuracy.py: error: {error}")
