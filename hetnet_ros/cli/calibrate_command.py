"""``hetnet calibrate``: another false-reject rate, or a calibration on other images, without teaching again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hetnet_ros.errors import InputError

SUMMARY = "change a model's promised false-reject rate, or calibrate it anew, without teaching"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file made by hetnet train")
    parser.add_argument("data", metavar="DATA", type=Path, nargs="?",
                        help="folder of good images the model was not taught on, or a category folder in MVTec layout; without "
                             "it the scores from teaching are kept")
    parser.add_argument("-o", "--output", metavar="MODEL.safetensors", type=Path, required=True, help="model file to write")
    parser.add_argument("--false-reject", type=float, metavar="RATE",
                        help="share of good images that may be rejected, 0.0001 to 0.5 (default: the model's)")
    parser.add_argument("--defects", metavar="DIR", type=Path,
                        help="folder of images of defective parts, or of folders of them: the accept threshold is lowered until "
                             "none passes, or 5 %% of good images are UNCERTAIN")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")


def run(args: argparse.Namespace) -> int:
    if args.data is None and args.defects is None and args.false_reject is None:
        raise InputError("nothing to change: give DATA, --false-reject or --defects")

    from hetnet_ros.inspection.exported import model_files
    from hetnet_ros.own_files import check_outputs

    check_outputs({"-o": args.output}, model_files(args.model))

    from hetnet_ros.learning.recalibrate import recalibrate

    report = recalibrate(args.model, args.output, args.data, args.defects, args.false_reject, args.device,
                         sys.stderr.isatty())
    for line in report.skipped:
        print(f"skipped: {line}", file=sys.stderr)
    if report.taught:
        print(f"left out: {report.taught} images that the model was taught on", file=sys.stderr)
    if report.copies:
        print(f"left out: {report.copies} images that are copies of others", file=sys.stderr)
    thresholds = report.calibration.thresholds
    source = f"{report.good} good images" if report.good else "the good images' scores kept in the model"
    print(f"{args.output}: model {report.model_id}, calibrated on {source}")
    print(f"PASS below score {thresholds.accept:.3f}, REJECT from {thresholds.reject:.3f}, UNCERTAIN between")
    print(report.calibration.promise)
    if report.defects:
        found = report.defects
        print(f"defects: {found.rejected} REJECT, {found.uncertain} UNCERTAIN, {found.passed} PASS "
              f"({found.passed_before} before the accept threshold was lowered); of further defects like these at most "
              f"{found.false_pass_bound:.1%} pass in expectation, had they not been used to lower it")
    return 0
