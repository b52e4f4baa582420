"""``hetnet predict``: inspect image files and draw what was found.

One bad file among many must not cost the others their inspection: it is reported on stderr, entered into the JSON as
UNCERTAIN with reason ``bad_image``, and makes the exit code 2 at the end.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import math
import os
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from hetnet_ros.cli.backend_flag import BACKEND_HELP
from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown

if TYPE_CHECKING:
    from hetnet_ros.own_files import OwnFiles

SUMMARY = "inspect image files and draw what was found"

EPILOG = """\
For IMAGE a.png, DIR gets a_overlay.png (the image with its anomalies and verdict), a_mask.png (255 on defects) and,
with --maps, a_map.npy.  Of files that are there already only those are replaced that hetnet wrote; DIR must be another
folder than the images'.  Exit code 0 says that every image was inspected, not that it passed; 2 that one was not."""

FORMAT = "hetnet-predict-1"
_ENDINGS = {"overlay": "_overlay.png", "mask": "_mask.png", "map": "_map.npy"}
_LONGEST_NAME = 230
_LONGEST_PATH = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file made by hetnet train, or exported model")
    parser.add_argument("images", metavar="IMAGE", type=Path, nargs="+", help="image files, or folders of them")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="folder for overlays and masks")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write verdicts, scores and defects as JSON")
    parser.add_argument(
        "--maps",
        action="store_true",
        help="also write each raw anomaly map, float32 at the image's size, as <stem>_map.npy",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--backend", default="file", help=BACKEND_HELP)


def run(args: argparse.Namespace) -> int:
    from hetnet_ros.inspection.exported import model_files
    from hetnet_ros.own_files import OwnFiles, check_apart, check_outputs
    from hetnet_ros.whole_files import check_output_file, check_output_folder, write_file

    paths, problems = _expand(args.images)
    check_apart(args.output, {path.parent for path in paths}, [path for path in args.images if os.path.isdir(path)])
    check_outputs({"--json": args.json}, [*model_files(args.model), *paths])
    check_output_folder(args.output)
    check_output_file(args.json)
    own, names = OwnFiles(args.output, "give another folder with -o"), _output_names(paths)
    own.check(f"{name}{ending}" for name in names for kind, ending in _ENDINGS.items() if kind != "map" or args.maps)

    from hetnet_ros.inspection.part_inspector import PartInspector

    inspector = PartInspector.load(args.model, args.device, backend=args.backend)
    inspector.warm_up()
    entries = [_bad_entry(path, problem) for path, problem in problems]
    for _, problem in problems:
        _complain(problem)
    for path, name in zip(paths, names):
        try:
            entry = _predict(inspector, path, own, name, args.maps)
        except InputError as error:
            _complain(str(error))
            entries.append(_bad_entry(path, str(error)))
            continue
        entries.append(entry)
        print(_line(entry), flush=True)
    if args.json:
        document = {
            "format": FORMAT,
            "model": {"id": inspector.model_id, "part": inspector.card.part_name, "device": inspector.device,
                "backend": inspector.backend},
            "thresholds": {"accept": inspector.calibration.thresholds.accept, "reject": 0.5, "pixel": 0.5},
            "images": entries,
        }
        write_file(args.json, json.dumps(document, indent=2, allow_nan=False) + "\n")
    print(_summary(entries, args.output))
    return 2 if any(entry["reason"] == "bad_image" for entry in entries) else 0


def _expand(given: list[Path]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """The image files that were named, folders opened, each once; and a problem for every folder without images."""
    from hetnet_ros.inspection.image_files import list_images

    paths: dict[str, Path] = {}
    problems: list[tuple[Path, str]] = []
    for path in given:
        if not os.path.isdir(path):  # pathlib's own raises for a name that is too long, at the cost of all others
            paths.setdefault(_true_place(path), path)
            continue
        try:
            inside = list_images(path)
        except InputError as error:
            problems.append((path, str(error)))
            continue
        if not inside:
            problems.append((path, f"{path} holds no images (pictures that hetnet drew do not count); give image files or a folder "
                                   "that has some"))
        for file in inside:
            paths.setdefault(_true_place(file), file)
    return list(paths.values()), problems


def _true_place(path: Path) -> str:
    """One spelling for all of one file; a link stays another picture than the one it leads to."""
    return os.path.join(os.path.realpath(path.parent), path.name)


def _output_names(paths: list[Path]) -> list[str]:
    """A distinct name per image: its stem, with its folder's where stems repeat, and a number where that repeats.  Names that some
    disks take for one (upper and lower case, composed and decomposed letters) count as the same."""
    stems = collections.Counter(_folded(path.stem) for path in paths)
    names = [path.stem if stems[_folded(path.stem)] == 1 else f"{Path(os.path.realpath(path.parent)).name}_{path.stem}" for path in paths]
    names = [_short(name) for name in names]
    taken: set[str] = set()
    for index, name in enumerate(names):
        number = 1
        while _folded(names[index]) in taken:
            number += 1
            names[index] = f"{name}-{number}"
        taken.add(_folded(names[index]))
    return names


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _short(name: str) -> str:
    """``name`` with room for what is put behind it within the 255 bytes of a file's name."""
    while len(os.fsencode(name)) > _LONGEST_NAME:
        name = name[:-1]
    return name


def _predict(inspector, path: Path, own: OwnFiles, name: str, with_map: bool) -> dict:
    import numpy as np

    from hetnet_ros.inspection.image_files import lost_link, read_rgb
    from hetnet_ros.inspection.maps import source_map, source_mask
    from hetnet_ros.inspection.overlay import draw_overlay

    if lost := lost_link(path):
        raise InputError(lost)
    rgb = read_rgb(path, inspector.card.sample_bits)
    try:
        inspection = inspector.inspect(rgb)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    made = {"overlay": _png(draw_overlay(rgb, inspection, inspector.calibration)),
            "mask": _png(source_mask(inspection, inspector.calibration))}
    if with_map:
        buffer = io.BytesIO()
        np.save(buffer, source_map(inspection), allow_pickle=False)
        made["map"] = buffer.getvalue()
    files = {kind: own.write(f"{name}{_ENDINGS[kind]}", data, drawn=kind != "map") for kind, data in made.items()}
    return {
        "image": str(path),
        "verdict": inspection.verdict.name,
        "reason": inspection.reason,
        "detail": inspection.detail,
        "score": _finite(inspection.score),
        "raw_score": _finite(inspection.raw_score),
        "p_value": _finite(inspection.p_value),
        "width": rgb.shape[1],
        "height": rgb.shape[0],
        "milliseconds": round(inspection.timings.total_ms, 3),
        "defects": [_defect(defect) for defect in inspection.defects],
        "files": {kind: str(file) for kind, file in files.items()},
    }


def _defect(defect) -> dict:
    box = defect.box
    return {
        "box": {"x": box.x, "y": box.y, "width": box.width, "height": box.height},
        "contour": defect.contour.tolist(),
        "centroid": list(defect.centroid),
        "area_px": defect.area_px,
        "score": defect.score,
        "mean_score": defect.mean_score,
    }


def _bad_entry(path: Path, problem: str) -> dict:
    return {
        "image": str(path),
        "verdict": "UNCERTAIN",
        "reason": "bad_image",
        "detail": problem,
        "score": None,
        "raw_score": None,
        "p_value": None,
        "width": 0,
        "height": 0,
        "milliseconds": 0.0,
        "defects": [],
        "files": {},
    }


def _line(entry: dict) -> str:
    count = len(entry["defects"])
    score, p_value = (math.nan if entry[key] is None else entry[key] for key in ("score", "p_value"))
    defects = f"{count} defect{'' if count == 1 else 's'}"
    why = f"  ({entry['reason']})" if entry["verdict"] == "UNCERTAIN" else ""
    return f"{entry['verdict']:9}  score {score:.3f}  p {p_value:.3f}  {defects:10}  {shown(entry['image'], _LONGEST_PATH)}{why}"


def _summary(entries: list[dict], folder: Path) -> str:
    bad = sum(entry["reason"] == "bad_image" for entry in entries)
    counts = collections.Counter(entry["verdict"] for entry in entries if entry["reason"] != "bad_image")
    done = f"{counts['PASS']} PASS, {counts['UNCERTAIN']} UNCERTAIN, {counts['REJECT']} REJECT"
    return f"{done}{f', {bad} not inspected' if bad else ''}; pictures in {folder}"


def _complain(problem: str) -> None:
    print(f"hetnet: error: {problem}", file=sys.stderr, flush=True)


def _png(pixels) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
