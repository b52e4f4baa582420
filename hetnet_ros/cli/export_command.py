"""``hetnet export``: turn a model into one graph for another runtime, checked against torch."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "turn a model into one graph for another runtime, checked against torch"

EPILOG = """\
The graph takes 8-bit images and gives map and score; card and thresholds come with it: in the .onnx itself, or in the .json
beside .xml and .bin, which belong together.  Nothing is written where its answers differ from torch's by more than the
tolerance (docs/backends.md).  Such a model is used like any other: hetnet predict part.onnx image.png -o out"""

_PRECISIONS = {"onnx": ("fp32", "fp16"), "openvino": ("fp32", "bf16", "int8")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file made by hetnet train")
    parser.add_argument("--format", choices=tuple(_PRECISIONS), required=True, help="runtime that is to run it")
    parser.add_argument("-o", "--output", metavar="PATH", type=Path, required=True, help="file to write: .onnx or .xml")
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16", "bf16", "int8"),
        default="fp32",
        help="openvino: fp32, bf16 or int8; onnx: fp32, or fp16 for TensorRT (default: fp32)",
    )
    parser.add_argument(
        "--images",
        metavar="DIR",
        type=Path,
        help="good images to check, quantise and calibrate with (default: those kept in the model)",
    )


def run(args: argparse.Namespace) -> int:
    from hetnet_ros.errors import InputError
    from hetnet_ros.inspection.backends.interface import BACKENDS
    from hetnet_ros.own_files import check_outputs
    from hetnet_ros.whole_files import check_output_file

    if args.precision not in _PRECISIONS[args.format]:
        raise InputError(
            f"--precision {args.precision} is not for --format {args.format}: use {', '.join(_PRECISIONS[args.format])}"
        )
    kind = next(
        kind for kind in BACKENDS.values() if (kind.runtime, kind.precision) == (args.format, args.precision)
    )
    check_outputs({"-o": args.output}, [args.model])
    check_output_file(args.output)

    from hetnet_ros.inspection.export import export_model
    from hetnet_ros.inspection.exported import check_exported_place

    check_exported_place(args.output)

    images = None if args.images is None else _good_images(args.model, args.images)
    parity = export_model(args.model, args.output, kind.name, images)
    print(f"{args.output}: {args.model} for backend {kind.name}")
    print(f"against torch: {parity.summary}")
    if not kind.exact:
        print(f"thresholds follow this backend's scores, which are {parity.score_shift:.4f} times torch's")
    return 0


def _good_images(model: Path, folder: Path):
    from hetnet_ros.inspection.artifact import MAX_EXAMPLES, load_artifact
    from hetnet_ros.learning.good_images import load_good_images

    card = load_artifact(model).card
    return load_good_images(folder, card.network.image_size, MAX_EXAMPLES, progress=False, crop=card.crop).images
