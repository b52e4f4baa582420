"""``hetnet evaluate``: measure a model on labelled images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

SUMMARY = "measure a model on labelled images"

EPILOG = """\
DATA is a category folder in MVTec layout: test/<type>/<image> and ground_truth/<type>/<image>_mask.png, where the type
"good" has no masks.  Without any ground_truth folder only images are scored.  See docs/evaluation.md."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file made by hetnet train")
    parser.add_argument("data", metavar="DATA", type=Path, help="labelled data set")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all results as JSON")
    parser.add_argument("--report", metavar="FILE.html", type=Path, help="write a report that shows the worst errors")
    parser.add_argument(
        "--maps",
        metavar="DIR",
        type=Path,
        help="write each image's raw anomaly map, float32 at the image's size, to DIR/<type>/<stem>.npy",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")


def run(args: argparse.Namespace) -> int:
    from hetnet_ros.evaluation.datasets import open_dataset
    from hetnet_ros.evaluation.output_files import check_output_file, check_output_folder

    dataset = open_dataset(args.data)
    check_output_file(args.json)
    check_output_file(args.report)
    check_output_folder(args.maps)

    from hetnet_ros.evaluation.evaluator import evaluate
    from hetnet_ros.evaluation.json_file import write_json
    from hetnet_ros.evaluation.report import write_report
    from hetnet_ros.evaluation.table import remarks, text_table
    from hetnet_ros.inspection.part_inspector import PartInspector

    inspector = PartInspector.load(args.model, args.device)
    result = evaluate(inspector, dataset, maps_folder=args.maps, progress=sys.stderr.isatty())
    if args.json:
        write_json(args.json, result)
    if args.report:
        write_report(args.report, result, dataset, inspector)
    print(
        f"{result.part_name} (model {result.model_id}) on {result.data}, {len(result.images)} images, "
        f"{result.seconds:.1f} s on {result.device}"
    )
    print(text_table(result))
    for line in remarks(result):
        print(line)
    for name, path in (("results", args.json), ("report", args.report), ("maps", args.maps)):
        if path:
            print(f"{name}: {path}")
    return 0
