"""``hetnet train``: teach a part from defect-free images."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import MOST_IN_NAME, fits_name, shown

SUMMARY = "teach a part from defect-free images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", type=Path,
                        help="folder of good images, or a category folder in MVTec layout (its train/good is used) or in that "
                             "of another known data set, or a rosbag2 recording")
    parser.add_argument("-o", "--output", metavar="MODEL.safetensors", type=Path, required=True, help="model file to write")
    parser.add_argument("--preset", default="edge", help="shipped preset by name, or the path of a YAML file (default: edge)")
    parser.add_argument("--steps", type=int, help="optimiser steps (default: the preset's steps or epochs, whichever is more)")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random (default: 0)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--rotation", type=float, metavar="DEGREES",
                        help="largest rotation a good part may have beyond what the images show; 180 where it lies anyhow "
                             "(default: the preset's)")
    parser.add_argument("--large-defects", action="store_true",
                        help="the part's defects cover areas (uneven grinding, a wrong finish, stains) rather than points: judge by coarse "
                             "stages and by the image as a whole; small ones are then seen less")
    parser.add_argument("--crop", type=float, nargs=4, metavar=("X", "Y", "W", "H"),
                        help="part of each image that the model looks at, now and in every inspection: left edge, upper edge, width "
                             "and height as shares of the image, 0 to 1; close around the part, small defects are drawn better "
                             "(default: the whole image)")
    parser.add_argument("--bits", type=int, choices=(8, 10, 12, 14, 16),
                        help="how many of their 16 bits 16-bit pictures use (default: the fewest that hold the largest value of all of them)")
    parser.add_argument("--false-reject", type=float, metavar="RATE",
                        help="share of good images that may be rejected; hetnet calibrate can change it later (default: 0.01)")
    parser.add_argument("--calibration", choices=("auto", "split", "cross"),
                        help="split: hold images out to calibrate with; cross: teach three more models on parts of the images "
                             "instead; auto: cross with fewer than 40 images (default: the preset's)")
    parser.add_argument("--name", help="name of the part in the model card (default: the folder's or the recording's)")
    parser.add_argument("--weights", action="append", default=[], metavar="TEACHER=FILE",
                        help="safetensors file with the weights of a teacher, by timm name; may be repeated")
    parser.add_argument("--topic", metavar="T", help="image topic of a recording (default: the only one)")
    parser.add_argument("--labels", metavar="FILE", type=Path,
                        help="labels of a recording, of which only frames labelled good are taught (default: those beside it)")
    parser.add_argument("--images", type=int, metavar="N",
                        help="how many frames of a recording to teach from, as unlike each other as can be (default: 100)")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint that an interrupted run left")


def run(args: argparse.Namespace) -> int:
    from hetnet_ros.inspection.calibration import FALSE_REJECT
    from hetnet_ros.inspection.conformal import smallest_rate
    from hetnet_ros.inspection.crop import Crop
    from hetnet_ros.learning.checkpoint import checkpoint_path
    from hetnet_ros.learning.preset import load_preset
    from hetnet_ros.learning.teach import teach
    from hetnet_ros.own_files import check_outputs

    preset = load_preset(args.preset)
    if args.large_defects:
        if args.rotation:
            raise InputError("--large-defects is for parts that lie still: leave out --rotation, or --large-defects")
        preset = preset.for_large_defects()
    if args.rotation is not None:
        preset = preset.rotated(args.rotation)
    changes = {} if args.steps is None else {"steps": args.steps, "epochs": 0}
    if args.calibration is not None:
        changes["calibration"] = args.calibration
    preset = dataclasses.replace(preset, training=dataclasses.replace(preset.training, **changes))
    if not 0 <= args.seed < 2**31:
        raise InputError(f"--seed is {args.seed}: use 0 to {2**31 - 1}")
    if args.name is not None and not fits_name(args.name):
        raise InputError(f"--name {shown(args.name, 60)!r} is no name: give at most {MOST_IN_NAME} printable characters")
    crop = Crop(*args.crop) if args.crop else Crop()
    weight_files = _weight_files(args.weights, preset)
    check_outputs({"-o": args.output}, map(Path, weight_files.values()))
    bag = _bag_source(args)
    try:
        report = teach(args.data, args.output, preset, seed=args.seed, device=args.device, part_name=args.name,
                       resume=args.resume, weight_files=weight_files,
                       paths=_images_of_known_set(args.data), bag=bag,
                       false_reject=FALSE_REJECT if args.false_reject is None else args.false_reject, crop=crop,
                       bits=args.bits)
    except KeyboardInterrupt:
        checkpoint = checkpoint_path(args.output)
        if checkpoint.exists():
            print(f"\ninterrupted; progress is kept in {checkpoint}: repeat the command with --resume to go on",
                  file=sys.stderr)
        raise
    for line in report.skipped:
        print(f"skipped: {line}", file=sys.stderr)
    if report.sample_bits < 16 and report.largest_sample is not None:
        most = 2 ** report.sample_bits - 1
        print(f"the 16-bit pictures use {report.sample_bits} bits (largest value {report.largest_sample}): 0 to {most} becomes 0 to 255, "
              f"scaled by {2 ** (16 - report.sample_bits)}, and larger values are refused; --bits sets another number")
    if report.copies:
        print(f"{report.copies} of {report.images} pictures are copies of others: {report.images - report.copies} count")
    thresholds = report.calibration.thresholds
    spared = f"calibrated across {report.folds} folds" if report.folds else f"{report.held_out} parts held out"
    print(f"{report.model}: model {report.model_id}, {report.taught} images taught and {spared}, "
          f"{report.steps} steps, loss {report.loss:.4f}, {report.seconds:.0f} s")
    if not crop.is_whole:
        print(f"it looks at the part {crop} of each image; what lies outside counts for nothing")
    if preset.network.image_memory:
        print("taught for large defects: the image as a whole raises the score, so one can be rejected without a region that stands out")
    print(f"PASS below score {thresholds.accept:.3f}, REJECT from {thresholds.reject:.3f}, UNCERTAIN between; "
          f"p-values go down to {smallest_rate(len(report.calibration.good_scores)):.3f}")
    if report.brightness:
        print(f"the exposure of the good images changes: each image is brought to a mean of {255 * report.brightness:.0f} of 255 before "
              "it is judged")
    print(report.calibration.promise)
    return 0


def _bag_source(args: argparse.Namespace):
    """Which frames to teach from where the data are a recording, else None."""
    from hetnet_ros.evaluation.replay.label_files import find_label_file, read_labels
    from hetnet_ros.inspection.bags import choose_topics, image_frames, is_bag, open_bag, recorded_parts
    from hetnet_ros.learning.bag_images import MOST_IMAGES, BagSource

    if not args.data.exists() or not is_bag(args.data):
        for flag in ("topic", "labels", "images"):
            if getattr(args, flag) is not None:
                raise InputError(f"--{flag} belongs to a recording, and {args.data} is none")
        return None
    if args.images is not None and not 4 <= args.images <= 100_000:
        raise InputError(f"--images is {args.images}: use 4 to 100000")
    found = args.labels or find_label_file(args.data)
    usable, parts = None, {}
    if found:
        labels, bag = read_labels(found), open_bag(args.data)
        labels = labels.with_parts(recorded_parts(bag)) if labels.parts else labels
        topics = choose_topics(bag, [args.topic] if args.topic else [labels.topic] if labels.topic else [])
        known = [(frame.index, labels.find(frame.index, frame.stamp_ns)) for frame in image_frames(bag, topics)]
        usable = frozenset(index for index, label in known if label is not None and label.label == "good")
        parts = {index: label.part for index, label in known if label is not None and label.part}
        if not usable:
            raise InputError(f"{found} labels no frame of {args.data} as good; teach from a recording of good parts")
        print(f"labels in {found}: {len(usable)} of {len(known)} frames show good parts", file=sys.stderr)
    return BagSource(args.data, args.topic or "", usable, args.images or MOST_IMAGES, parts)


def _images_of_known_set(data: Path) -> list[Path] | None:
    """The good images of a data set that keeps them neither in the folder itself nor in ``train/good``."""
    from hetnet_ros.evaluation.datasets import good_training_images
    from hetnet_ros.inspection.image_files import list_images

    if not data.is_dir() or (data / "train" / "good").is_dir() or list_images(data):
        return None
    try:
        return good_training_images(data)
    except InputError:
        return None  # no known set: the folder is then refused for holding no images


def _weight_files(options: list[str], preset) -> dict[str, str]:
    files: dict[str, str] = {}
    teachers = (preset.network.cnn.model, preset.network.transformer.model)
    for option in options:
        model, equals, path = option.partition("=")
        if not equals or not model or not path:
            raise InputError(f"--weights {option}: write TEACHER=FILE, for instance tf_efficientnet_lite0=lite0.safetensors")
        if model not in teachers or model in files:
            raise InputError(f"--weights {shown(option)}: give a file once for {teachers[0]} or {teachers[1]}, the preset's teachers")
        files[model] = path
    return files
