"""``hetnet demo``: the whole of it in one command, with real nodes: teach a virtual part, inspect twenty, show the
verdicts.

The inspector and the camera are processes of their own that speak ROS 2 over DDS, in a domain of their own; what the
table shows came over the wire.  Nothing stays running, whichever way the command ends.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from hetnet_ros.cli import interrupts
from hetnet_ros.errors import InputError

if TYPE_CHECKING:
    from hetnet_ros.cli.demo_model import Lesson
    from hetnet_ros.nodes.part_show import ShownPart
    from hetnet_ros.own_files import OwnFiles

SUMMARY = "teach a virtual part, inspect 20 parts over ROS 2, show the verdicts"
EPILOG = """\
The model is kept in OUT/model and reused as long as the settings stay the same.  OUT/contact_sheet.png shows all parts,
OUT/overlays one picture each, OUT/verdicts.csv the table, OUT/logs what the nodes said."""

_NAMESPACE = "/hetnet_demo"
_ILLUMINATIONS = ("mid",)
_JITTER = 1.0
_DISTANCE_MM = 320.0
_WIDTH, _HEIGHT = 640, 480
_ROI = (14, 18, 612, 444)
"""The part and little of the plate around it: whatever else lies in the picture is none of the inspector's business."""
_RATE_HZ = 2.0
_TABLE, _SHEET, _OVERLAYS = "verdicts.csv", "contact_sheet.png", "overlays"
_LOGS = {node: f"logs/{node}.log" for node in ("virtual_camera", "inspector")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from hetnet_ros.cell.faces import FACES

    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("demo_out"), help="folder to write to (default: demo_out)"
    )
    parser.add_argument("--parts", type=int, default=20, metavar="N", help="parts to inspect (default: 20)")
    parser.add_argument("--face", choices=tuple(FACES), default="front", help="face of the part (default: front)")
    parser.add_argument(
        "--images", type=int, default=100, metavar="N", help="pictures of good parts to teach from (default: 100)"
    )
    parser.add_argument("--steps", type=int, default=400, metavar="N", help="teaching steps (default: 400)")
    parser.add_argument("--preset", default="edge", help="preset, as in hetnet train (default: edge)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the parts and of the teaching (default: 0)")
    parser.add_argument("--model", metavar="FILE", type=Path, help="inspect with this model instead of teaching one")
    parser.add_argument(
        "--device", default="auto", choices=("auto", "cpu", "cuda"), help="device of the inspector (default: auto)"
    )
    parser.add_argument(
        "--domain", type=int, metavar="ID", help="ROS domain (default: one that is unlikely to be in use)"
    )
    parser.add_argument("--fresh", action="store_true", help="teach again even if a model is kept")


def run(args: argparse.Namespace) -> int:
    from hetnet_ros.cli.demo_model import taught_model
    from hetnet_ros.cli.node_processes import NodeProcesses, ros_environment

    own, lesson = _checked(args)
    environment = ros_environment(args.domain if args.domain is not None else 30 + os.getpid() % 70)
    os.environ.update(environment)
    model = args.model or taught_model(lesson, args.out / "model", args.fresh, _say)
    for log in _LOGS.values():
        own.claim(log)
    with NodeProcesses(args.out / "logs", environment) as nodes:
        _say(
            "Starting the nodes virtual_camera and inspector "
            f"(ROS domain {environment['ROS_DOMAIN_ID']}, this machine only)."
        )
        nodes.start("virtual_camera", _ros_arguments(_camera_parameters(args, lesson)))
        inspector = {"model": model.absolute(), "device": args.device, "overlay.max_rate": 0.0, "roi": list(_ROI)}
        nodes.start("inspector", _ros_arguments(inspector))
        parts = _inspect(args, nodes, own)
    _report(parts, own, lesson)
    return 0


def _checked(args: argparse.Namespace) -> tuple[OwnFiles, Lesson]:
    from hetnet_ros.cli.demo_model import Lesson
    from hetnet_ros.own_files import OwnFiles
    from hetnet_ros.whole_files import check_output_folder

    for flag, low, high in (
        ("parts", 1, 1000),
        ("images", 4, 10_000),
        ("steps", 1, 10**6),
        ("seed", 0, 2**30),
        ("domain", 0, 232),
    ):
        value = getattr(args, flag)
        if value is not None and not low <= value <= high:
            raise InputError(f"--{flag} is {value}: use {low} to {high}")
    if args.model is not None and not args.model.is_file():
        raise InputError(f"--model {args.model}: there is no such file")
    if importlib.util.find_spec("rclpy") is None or importlib.util.find_spec("hetnet_ros.msg") is None:
        raise InputError(
            "the demonstration needs ROS 2 and this package's messages: run scripts/setup, or source a ROS 2 "
            "installation and this package's install/setup.bash"
        )
    check_output_folder(args.out)
    own = OwnFiles(args.out, "give another folder with --out")
    own.check((_TABLE, _SHEET, *_LOGS.values()))
    return own, Lesson(
        args.face,
        _ILLUMINATIONS,
        _JITTER,
        _DISTANCE_MM,
        _WIDTH,
        _HEIGHT,
        _ROI,
        args.images,
        args.preset,
        args.steps,
        args.seed,
    )


def _camera_parameters(args: argparse.Namespace, lesson: Lesson) -> dict[str, object]:
    return {
        "face": lesson.face,
        "seed": args.seed,
        "illumination": lesson.illuminations[0],
        "jitter": lesson.jitter,
        "distance_mm": lesson.distance_mm,
        "width": lesson.width,
        "height": lesson.height,
        "rate_hz": _RATE_HZ,
        "part_index": 0,
        "publish_depth": False,
    }


def _ros_arguments(parameters: dict[str, object]) -> list[str]:
    """What follows ``--ros-args`` for a node of the demonstration."""
    from hetnet_ros.nodes.parameter_arguments import parameter_arguments

    return ["-r", f"__ns:={_NAMESPACE}", *parameter_arguments(parameters)]


def _inspect(args: argparse.Namespace, nodes, own: OwnFiles) -> list[ShownPart]:
    """Show the parts to the inspector, printing each verdict as it comes."""
    with interrupts.held():
        from PIL import Image

        from hetnet_ros.cli.demo_sheet import overlay_name, png
        from hetnet_ros.nodes.part_show import PartShow

    own.remove(_OVERLAYS)
    show, parts = PartShow(_NAMESPACE, nodes.check), []
    try:
        try:
            show.start_inspector()
        except InputError as error:
            raise InputError(f"{error}: {nodes.last_line('inspector')}") from None
        _say(_row("part", "truth", "verdict", "reason", "score", "p-value", "latency", ""))
        for part in show.show(range(args.parts)):
            parts.append(part)
            own.write(f"{_OVERLAYS}/{overlay_name(part)}", png(Image.fromarray(part.overlay)), drawn=True)
            _say(
                _row(
                    part.part_id,
                    part.truth,
                    _verdict(part),
                    part.reason or "-",
                    f"{part.score:.3f}",
                    f"{part.p_value:.3f}",
                    f"{part.latency_ms:.0f} ms",
                    f"<- {part.mistake}" if part.mistake else "",
                )
            )
    finally:
        show.close()
    return parts


def _report(parts: Sequence[ShownPart], own: OwnFiles, lesson: Lesson) -> None:
    import csv
    import io

    from hetnet_ros.cli.demo_sheet import draw_sheet, png

    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("part", "truth", "verdict", "reason", "detail", "score", "p_value", "latency_ms"))
    rows.writerows(
        (p.part_id, p.truth, _verdict(p), p.reason, p.detail, f"{p.score:.4f}", f"{p.p_value:.4f}", f"{p.latency_ms:.1f}")
        for p in parts
    )
    table = own.write(_TABLE, text.getvalue())
    good, bad = [p for p in parts if p.truth == "good"], [p for p in parts if p.truth != "good"]
    summary = [
        f"{len(group)} {name}: {_counts(group)}" for name, group in (("defective", bad), ("good", good)) if group
    ]
    latency = f"median latency {median(p.latency_ms for p in parts):.0f} ms from image to verdict"
    _say("\n" + "\n".join(summary) + f"\n{latency}")
    subtitle = f"face {lesson.face}   |   {'   |   '.join(summary)}   |   {latency}"
    sheet = own.write(_SHEET, png(draw_sheet(parts, "HetNet: verdicts on virtual parts", subtitle), small=True), drawn=True)
    _say(f"Pictures: {sheet}, {own.folder / _OVERLAYS}\nTable: {table}; node logs: {own.folder / 'logs'}")


def _verdict(part: ShownPart) -> str:
    from hetnet_ros.inspection.result import Verdict

    return Verdict(part.verdict).name


def _counts(group: Sequence[ShownPart]) -> str:
    names = {"REJECT": "rejected", "UNCERTAIN": "uncertain", "PASS": "passed"}
    return ", ".join(f"{sum(_verdict(p) == name for p in group)} {word}" for name, word in names.items())


def _row(*cells: str) -> str:
    widths = (12, 13, 10, 12, 6, 8, 8, 0)
    right = (False, False, False, False, True, True, True, False)
    return "  ".join(f"{cell:>{w}}" if r else f"{cell:<{w}}" for cell, w, r in zip(cells, widths, right)).rstrip()


def _say(line: str) -> None:
    print(line, flush=True)
