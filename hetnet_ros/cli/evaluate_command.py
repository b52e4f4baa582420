"""``hetnet evaluate``: measure a model on labelled images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hetnet_ros.cli.backend_flag import BACKEND_HELP

SUMMARY = "measure a model on labelled images"

EPILOG = """\
DATA is a labelled data set: a category folder in the layout of MVTec AD, MPDD, MVTec LOCO or BTAD, an object of VisA,
KolektorSDD or KolektorSDD2, a tree like MSC-AD's, or plain folders of images, one of them called "good".  The layout is
found by itself; without masks only images are scored.

Where images were taken under several conditions, a second table compares them.  Names such as front_high_300_0007
(surface, illumination, resolution, number) and MSC-AD's folders are understood; state others as in
  hetnet evaluate tile.safetensors tiles --condition-pattern 'exp(?P<exposure>[0-9])'

See docs/evaluation.md."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file made by hetnet train, or exported model")
    parser.add_argument("data", metavar="DATA", type=Path, help="labelled data set")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all results as JSON")
    parser.add_argument("--report", metavar="FILE.html", type=Path, help="write a report that shows the worst errors")
    parser.add_argument(
        "--maps",
        metavar="DIR",
        type=Path,
        help="write each image's raw anomaly map, float32 at the image's size, to DIR/<type>/<stem>.npy",
    )
    conditions = parser.add_mutually_exclusive_group()
    conditions.add_argument(
        "--conditions",
        metavar="FILE.csv",
        type=Path,
        help="report by the conditions in a CSV with a column 'image' (path below DATA, or stem) and one for each axis",
    )
    conditions.add_argument(
        "--condition-pattern",
        metavar="REGEX",
        help="report by the named groups of a regular expression that is searched in each image's path below DATA",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--backend", default="file", help=BACKEND_HELP)


def run(args: argparse.Namespace) -> int:
    from hetnet_ros.evaluation.condition_sources import find_conditions
    from hetnet_ros.evaluation.datasets import open_dataset
    from hetnet_ros.evaluation.truth import check_truth
    from hetnet_ros.inspection.exported import model_files
    from hetnet_ros.own_files import check_apart, check_outputs
    from hetnet_ros.whole_files import check_output_file, check_output_folder

    dataset = open_dataset(args.data)
    conditions = find_conditions(dataset, args.conditions, args.condition_pattern)
    files = [path for image in dataset.images for path in (image.path, *image.mask_paths)]
    check_outputs({"--json": args.json, "--report": args.report}, [*model_files(args.model), args.conditions, *files])
    check_output_file(args.json)
    check_output_file(args.report)
    if args.maps is not None:
        check_apart(args.maps, {image.path.parent for image in dataset.images}, [args.data], flag="--maps")
    check_output_folder(args.maps)
    doubts = check_truth(dataset, progress=sys.stderr.isatty())

    from hetnet_ros.evaluation.condition_table import LEGEND, condition_remarks, condition_table
    from hetnet_ros.evaluation.evaluator import evaluate
    from hetnet_ros.evaluation.json_file import write_json
    from hetnet_ros.evaluation.report import write_report
    from hetnet_ros.evaluation.table import remarks, text_table
    from hetnet_ros.inspection.part_inspector import PartInspector

    inspector = PartInspector.load(args.model, args.device, backend=args.backend)
    result = evaluate(inspector, dataset, args.maps, progress=sys.stderr.isatty(), conditions=conditions, remarks=doubts)
    print(
        f"{result.part_name} (model {result.model_id}) on {result.data}, {len(result.images)} images, "
        f"{result.seconds:.1f} s on {result.device} with {inspector.backend}"
    )
    print(text_table(result))
    for line in remarks(result):
        print(line)
    if result.conditions:
        print(f"\n{condition_table(result.conditions)}")
        for line in (LEGEND, *condition_remarks(result.conditions)):
            print(line)
    if args.json:  # what was found is told before, should the disk be full by now
        write_json(args.json, result)
    if args.report:
        write_report(args.report, result, dataset, inspector)
    for name, path in (("results", args.json), ("report", args.report), ("maps", args.maps)):
        if path:
            print(f"{name}: {path}")
    return 0
