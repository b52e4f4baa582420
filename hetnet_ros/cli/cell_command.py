"""``hetnet cell``: write a data set of the virtual inspection cell, in MVTec AD's layout."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

from hetnet_ros.errors import InputError

SUMMARY = "write images of the virtual inspection cell"
EPILOG = """\
Images are named <face>_<illumination>_<width>_<number>.png, in train/good, test/good and test/<defect>, with masks in
ground_truth/<defect>/<stem>_mask.png; parts.csv lists the part behind each image.  See docs/virtual_cell.md.

examples:
  hetnet cell cell_data                                     six faces, three lights, four resolutions: 360 images
  hetnet cell front --faces front --conditions mid_600 --train 40 --good 20 --defects 35
  hetnet cell hd --faces up left --conditions mid low --size 1280x960 --train 10"""

_SPLITS = ("train", "test", "ground_truth", "parts.csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from hetnet_ros.cell.defects import KINDS
    from hetnet_ros.cell.faces import FACES

    parser.add_argument("folder", metavar="DIR", type=Path, help="folder to write to; made if it is not there")
    parser.add_argument(
        "--faces",
        nargs="+",
        metavar="FACE",
        default=["all"],
        help=f"all, or some of: {', '.join(FACES)} (default: all)",
    )
    parser.add_argument(
        "--conditions",
        nargs="+",
        metavar="C",
        default=["all"],
        help="all, illuminations (high, mid, low), widths (150, 200, 300, 600), or both as in mid_300 (default: all)",
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
        default=3,
        metavar="N",
        help="good images to teach from, for each face and condition (default: 3)",
    )
    parser.add_argument(
        "--good", type=int, default=1, metavar="N", help="good test images, for each face and condition (default: 1)"
    )
    parser.add_argument(
        "--defects",
        type=int,
        default=1,
        metavar="N",
        help="defective test images, for each face and condition (default: 1)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random (default: 0)")
    parser.add_argument("--size", metavar="WxH", help="image size in pixels in place of the four resolutions")
    parser.add_argument("--jitter", type=float, default=1.0, help="how much pose and light vary, 0 to 3 (default: 1)")
    parser.add_argument(
        "--defect-scale",
        type=float,
        default=1.0,
        metavar="F",
        help="factor on the defects' sizes, 0.3 to 3 (default: 1)",
    )
    parser.add_argument("--force", action="store_true", help="replace a data set that is already in DIR")


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from hetnet_ros.cell.dataset import write

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
    print(
        f"{args.folder}: {recipe.count} images of {len(recipe.faces)} face{'s' * (len(recipe.faces) > 1)} in "
        f"{len(recipe.conditions)} condition{'s' * (len(recipe.conditions) > 1)}; "
        f"teach with: hetnet train {args.folder} -o cell.safetensors"
    )
    return 0


def _recipe(args: argparse.Namespace):
    from hetnet_ros.cell.dataset import Recipe, parse_conditions
    from hetnet_ros.cell.defects import KINDS
    from hetnet_ros.cell.faces import FACES

    for flag, low, high in (
        ("train", 0, 100_000),
        ("good", 0, 100_000),
        ("defects", 0, 100_000),
        ("seed", 0, 2**31 - 1),
        ("jitter", 0, 3),
        ("defect_scale", 0.3, 3),
    ):
        if not low <= getattr(args, flag) <= high:
            raise InputError(f"--{flag.replace('_', '-')} is {getattr(args, flag)}: use {low} to {high}")
    if args.train + args.good + args.defects == 0:
        raise InputError("nothing to write: --train, --good and --defects are all 0")
    return Recipe(
        _chosen("--faces", args.faces, tuple(FACES)),
        parse_conditions(args.conditions, _size(args.size)),
        args.train,
        args.good,
        args.defects,
        _chosen("--kinds", args.kinds, KINDS),
        args.seed,
        args.jitter,
        args.defect_scale,
    )


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
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give a folder to write to")
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if not there:
        return
    if not force:
        raise InputError(f"{folder} is not empty: give another folder, or --force to replace the data set in it")
    strange = [name for name in there if name not in _SPLITS]
    if strange or "parts.csv" not in there:
        raise InputError(
            f"{folder} holds {strange[0] if strange else there[0]!r}, which this command did not write: "
            "give another folder"
        )
    for name in there:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
