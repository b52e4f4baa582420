"""``hetnet cell``: write a data set of the virtual inspection cell in MVTec AD's layout, or a labelled bag."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from hetnet_ros.errors import InputError

SUMMARY = "write images of the virtual inspection cell, or a labelled recording"
EPILOG = """\
Images are named <face>_<illumination>_<width>_<number>.png, in train/good, test/good and test/<defect>, with masks in
ground_truth/<defect>/<stem>_mask.png; parts.csv lists the part behind each image.  See docs/virtual_cell.md.

examples:
  hetnet cell cell_data                                     six faces, three lights, four resolutions: 360 images
  hetnet cell front --faces front --conditions mid_600 --train 40 --good 20 --defects 35
  hetnet cell hd --faces up left --conditions mid low --size 1280x960 --train 10
  hetnet cell --bag demo.mcap --good 10 --defects 10         a recording of 60 frames, 640x480, with labels and masks"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from hetnet_ros.cell.defects import KINDS
    from hetnet_ros.cell.faces import FACES

    parser.add_argument(
        "folder", metavar="DIR", type=Path, nargs="?", help="folder to write to; made if it is not there"
    )
    parser.add_argument(
        "--bag",
        metavar="FILE",
        type=Path,
        help="write a rosbag2 recording instead (FILE.mcap, or a folder), with FILE.labels.json and masks beside it",
    )
    parser.add_argument(
        "--faces",
        nargs="+",
        metavar="FACE",
        help=f"all, or some of: {', '.join(FACES)} (default: all; of a bag: front)",
    )
    parser.add_argument(
        "--conditions",
        nargs="+",
        metavar="C",
        help="all, illuminations (high, mid, low), widths (150, 200, 300, 600), or both as in mid_300 "
        "(default: all; of a bag: mid)",
    )
    parser.add_argument(
        "--kinds",
        nargs="+",
        metavar="KIND",
        default=["all"],
        help=f"all, or some of: {', '.join(KINDS)} (default: all)",
    )
    parser.add_argument(
        "--train",
        type=int,
        metavar="N",
        help="good images to teach from, for each face and condition (default: 3); not for a bag",
    )
    parser.add_argument(
        "--good",
        type=int,
        metavar="N",
        help="good test images, or good parts of a bag, for each face and condition (default: 1; of a bag: 10)",
    )
    parser.add_argument(
        "--defects",
        type=int,
        metavar="N",
        help="defective test images, or parts of a bag, for each face and condition (default: 1; of a bag: 10)",
    )
    parser.add_argument("--frames", type=int, metavar="N", help="frames of each part in a bag (default: 3)")
    parser.add_argument("--rate", type=float, metavar="HZ", help="frames per second in a bag (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random (default: 0)")
    parser.add_argument(
        "--size", metavar="WxH", help="image size in pixels in place of the four resolutions (of a bag: 640x480)"
    )
    parser.add_argument("--jitter", type=float, default=1.0, help="how much pose and light vary, 0 to 3 (default: 1)")
    parser.add_argument(
        "--defect-scale",
        type=float,
        default=1.0,
        metavar="F",
        help="factor on the defects' sizes, 0.3 to 3 (default: 1)",
    )
    parser.add_argument("--force", action="store_true", help="replace a data set in DIR, or the bag")


#: Flag -> its default for a data set and for a bag; None where it does not belong.
_DEFAULTS = {
    "faces": (["all"], ["front"]),
    "conditions": (["all"], ["mid"]),
    "size": (None, "640x480"),
    "train": (3, None),
    "good": (1, 10),
    "defects": (1, 10),
    "frames": (None, 3),
    "rate": (None, 10.0),
}


def run(args: argparse.Namespace) -> int:
    if (args.folder is None) == (args.bag is None):
        raise InputError("give either a folder DIR for a data set or --bag FILE for a recording")
    for flag, defaults in _DEFAULTS.items():
        default = defaults[args.bag is not None]
        if getattr(args, flag) is None:
            setattr(args, flag, default)
        elif default is None and flag != "size":
            raise InputError(f"--{flag} does not go with {'--bag' if args.bag else 'a data set; it is for --bag'}")
    return _write_bag(args) if args.bag else _write_data_set(args)


def _write_bag(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from hetnet_ros.cell.bag import BagRecipe, check_place, labels_path, masks_folder, write_bag
    from hetnet_ros.cell.dataset import parse_conditions

    _check_ranges(args, ("good", 0, 100_000), ("defects", 0, 100_000), ("frames", 1, 100_000), ("rate", 0.1, 1000))
    if args.good + args.defects == 0:
        raise InputError("nothing to record: --good and --defects are both 0")
    faces, kinds = _faces_and_kinds(args)
    recipe = BagRecipe(
        faces, parse_conditions(args.conditions, _size(args.size)), args.good, args.defects, args.frames, args.rate,
        kinds, args.seed, args.jitter, args.defect_scale,
    )
    there = [path for path in (args.bag, labels_path(args.bag), masks_folder(args.bag)) if path.exists()]
    if there and not args.force:
        raise InputError(f"{there[0]} is there already: give another name, or --force to replace the recording")
    if args.bag.suffix != ".mcap" and args.bag.is_dir() and not (args.bag / "metadata.yaml").is_file():
        raise InputError(f"{args.bag} is a folder that is no recording: give another name")
    check_place(args.bag)
    try:
        args.bag.parent.mkdir(parents=True, exist_ok=True)
        for _ in tqdm(
            write_bag(recipe, args.bag), total=recipe.count, unit="frame", desc=str(args.bag), disable=None,
            file=sys.stderr,
        ):
            pass
    except OSError as error:
        raise InputError(f"cannot write {args.bag}: {error.strerror or error}") from None
    print(
        f"{args.bag}: {recipe.count} frames of {recipe.count // recipe.frames} parts, labels in "
        f"{labels_path(args.bag)}; try: hetnet replay {args.bag} --model MODEL.safetensors"
    )
    return 0


def _write_data_set(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from hetnet_ros.cell.camera import PinholeCamera
    from hetnet_ros.cell.dataset import write
    from hetnet_ros.cell.framing import part_frame

    recipe = _recipe(args)
    _clear(args.folder, args.force)
    try:
        for _ in tqdm(
            write(recipe, args.folder),
            total=recipe.count,
            unit="image",
            desc=str(args.folder),
            disable=None,
            file=sys.stderr,
        ):
            pass
    except OSError as error:
        raise InputError(f"cannot write to {args.folder}: {error.strerror or error}") from None
    camera = PinholeCamera.of_size(recipe.conditions[0].width, recipe.conditions[0].height)
    frame = " ".join(f"{share:g}" for share in part_frame(recipe.faces, camera, jitter=recipe.jitter))
    print(
        f"{args.folder}: {recipe.count} images of {len(recipe.faces)} face{'s' * (len(recipe.faces) > 1)} in "
        f"{len(recipe.conditions)} condition{'s' * (len(recipe.conditions) > 1)}; "
        f"teach with: hetnet train {args.folder} -o cell.safetensors --crop {frame}"
    )
    return 0


def _recipe(args: argparse.Namespace):
    from hetnet_ros.cell.dataset import Recipe, parse_conditions

    _check_ranges(args, ("train", 0, 100_000), ("good", 0, 100_000), ("defects", 0, 100_000))
    if args.train + args.good + args.defects == 0:
        raise InputError("nothing to write: --train, --good and --defects are all 0")
    faces, kinds = _faces_and_kinds(args)
    return Recipe(
        faces,
        parse_conditions(args.conditions, _size(args.size)),
        args.train,
        args.good,
        args.defects,
        kinds,
        args.seed,
        args.jitter,
        args.defect_scale,
    )


def _faces_and_kinds(args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[str, ...]]:
    from hetnet_ros.cell.defects import KINDS
    from hetnet_ros.cell.faces import FACES

    return _chosen("--faces", args.faces, tuple(FACES)), _chosen("--kinds", args.kinds, KINDS)


def _check_ranges(args: argparse.Namespace, *ranges: tuple[str, float, float]) -> None:
    for flag, low, high in (*ranges, ("seed", 0, 2**31 - 1), ("jitter", 0, 3), ("defect_scale", 0.3, 3)):
        if not low <= getattr(args, flag) <= high:
            raise InputError(f"--{flag.replace('_', '-')} is {getattr(args, flag)}: use {low} to {high}")


def _chosen(flag: str, words: list[str], known: tuple[str, ...]) -> tuple[str, ...]:
    if words == ["all"]:
        return known
    for word in words:
        if word not in known:
            raise InputError(f"{flag}: {word!r} is unknown; choose from {', '.join(known)}, or all")
    return tuple(word for word in known if word in words)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found or not all(16 <= int(side) <= 4096 for side in found.groups()):
        raise InputError(f"--size is {text!r}: write WIDTHxHEIGHT in pixels, 16 to 4096 each, for instance 640x480")
    return int(found[1]), int(found[2])


def _clear(folder: Path, force: bool) -> None:
    """Make room: an empty or new folder is taken as it is, a data set of ours only with ``force``, anything else
    never."""
    from hetnet_ros.cell.dataset import remove
    from hetnet_ros.own_files import RECORD

    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give a folder to write to")
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not there - {RECORD}:
        return
    if not force:
        raise InputError(f"{folder} is not empty: give another folder, or --force to replace the data set in it")
    remove(folder)
