"""``hetnet replay``: a model on a rosbag2 recording, offline or live."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hetnet_ros.cli import interrupts
from hetnet_ros.errors import InputError

if TYPE_CHECKING:
    from hetnet_ros.evaluation.replay.labels import Labels
    from hetnet_ros.evaluation.replay.outcome import ReplayRun
    from hetnet_ros.evaluation.replay.showcase import Showcase
    from hetnet_ros.inspection.bags import Bag, BagTopic
    from hetnet_ros.inspection.frame_policy import FrameRules
    from hetnet_ros.inspection.part_inspector import PartInspector

_NAMESPACE = "/hetnet_replay"

SUMMARY = "measure a model on a rosbag2 recording, offline or live"

EPILOG = """\
BAG is a .mcap or .db3 file or the folder of a recording (sqlite3 or mcap, compressed too).  Labels are looked for beside
it: demo.labels.json or demo.labels.csv for demo.mcap; hetnet label helps to write them.

examples:
  hetnet replay demo.mcap --model lid.safetensors --json demo.json --report demo.html
  hetnet replay demo.mcap --model lid.safetensors --live --rate 2

Ctrl-C ends a replay early; its result so far is written and marked as partial, and the exit code is 130.
See docs/replay.md."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", metavar="BAG", type=Path, help="rosbag2 recording: a .mcap or .db3 file, or its folder")
    parser.add_argument("--model", metavar="FILE", type=Path, required=True, help="model file made by hetnet train")
    parser.add_argument("--topic", metavar="T", action="append", default=[],
                        help="image topic, raw or compressed; may be repeated offline (default: the only one)")
    parser.add_argument("--labels", metavar="FILE", type=Path, help="labels, JSON or CSV (default: those beside BAG)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all results as JSON")
    parser.add_argument("--report", metavar="FILE.html", type=Path, help="write a report with curves and pictures")
    parser.add_argument("--roi", type=int, nargs=4, metavar=("X", "Y", "W", "H"),
                        help="region to inspect, px, as the node's parameter roi (default: the whole image)")
    parser.add_argument("--max-age", type=float, default=2.0, metavar="S",
                        help="largest age of a frame, s, as the node's parameter max_age; offline from its stamp to when it was "
                             "recorded; 0: stamps are not checked (default: 2)")
    parser.add_argument("--max-clock-skew", type=float, default=0.5, metavar="S",
                        help="how far a stamp may lie ahead, s, as the node's parameter max_clock_skew (default: 0.5)")
    parser.add_argument("--frozen-after", type=int, default=2, metavar="N",
                        help="a picture that comes N times is frozen_camera, as the node's parameter frozen_after; 0: pictures may "
                             "repeat, as still images and simulated ones do (default: 2)")
    parser.add_argument("--min-region-share", type=float, default=0.1, metavar="SHARE",
                        help="how much must count of what the model looks at, 0.001 to 1, as the node's parameter min_region_share "
                             "(default: 0.1)")
    parser.add_argument("--frames", type=int, metavar="N", help="stop after N frames")
    parser.add_argument("--live", action="store_true",
                        help="play the bag through the inspector node over DDS, in real time")
    parser.add_argument("--rate", type=float, default=None, metavar="F", help="speed of --live (default: 1)")
    parser.add_argument("--domain", type=int, metavar="ID",
                        help="ROS domain of --live (default: one that is unlikely to be in use)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")


def run(args: argparse.Namespace) -> int:
    from hetnet_ros.evaluation.replay.label_files import find_label_file, read_labels
    from hetnet_ros.inspection.bags import choose_topics, open_bag, recorded_parts
    from hetnet_ros.inspection.exported import model_files
    from hetnet_ros.own_files import check_outputs
    from hetnet_ros.whole_files import check_output_file

    _check(args)
    bag = open_bag(args.bag)
    label_file = args.labels or find_label_file(args.bag)
    labels = read_labels(label_file) if label_file else None
    if labels:
        labels.check_masks()
    if labels and labels.parts:
        labels = labels.with_parts(recorded_parts(bag))
    topics = choose_topics(bag, args.topic or ([labels.topic] if labels and labels.topic else []))
    if args.live and len(topics) > 1:
        raise InputError("--live plays one topic; give one --topic, and run the command once for each camera")
    masks = labels.mask_paths if labels else ()
    check_outputs({"--json": args.json, "--report": args.report}, [*model_files(args.model), label_file, *masks, *bag.files])
    check_output_file(args.json)
    check_output_file(args.report)

    from hetnet_ros.evaluation.replay.json_file import write_json
    from hetnet_ros.evaluation.replay.offline import replay_offline
    from hetnet_ros.evaluation.replay.readable import mostly_unreadable
    from hetnet_ros.evaluation.replay.report import write_report
    from hetnet_ros.evaluation.replay.result import measure
    from hetnet_ros.evaluation.replay.showcase import Showcase
    from hetnet_ros.evaluation.replay.table import replay_text
    from hetnet_ros.inspection.part_inspector import PartInspector

    inspector = PartInspector.load(args.model, args.device)
    showcase = Showcase(inspector.calibration) if args.report else None
    progress = sys.stderr.isatty()
    rules = _rules(args)
    if args.live:
        done = _live(args, bag, topics[0], labels, inspector, rules, showcase, progress)
    else:
        done = replay_offline(inspector, bag, topics, labels, rules, showcase, args.frames, progress)
    if not done.frames and done.stopped.startswith("interrupted"):
        raise KeyboardInterrupt
    if not done.frames:
        why = f": {done.losses[0]}" if done.losses else ""
        raise InputError(f"{args.bag}: no frame of {topics[0].name} was inspected{why}")
    result = measure(done)
    print(replay_text(result))
    if labels is None:
        print("no labels: detection is not measured; hetnet label helps to write them")
    elif not done.stopped:
        _warn_of_unrecorded(labels, [(index, stamp) for _, index, stamp in done.read])
    if args.json:  # what was found is told before, should the disk be full by now
        write_json(args.json, result)
    if args.report:
        write_report(args.report, result, showcase.frames())
    for name, path in (("results", args.json), ("report", args.report)):
        if path:
            print(f"{name}: {path}")
    if done.stopped.startswith("interrupted"):
        return 130
    unreadable = mostly_unreadable(done, topics)
    if unreadable:
        print(f"hetnet: error: {unreadable}", file=sys.stderr)
    return 2 if unreadable else 0


def _warn_of_unrecorded(labels: Labels, frames: list[tuple[int, int]]) -> None:
    missing = labels.unrecorded(frames)
    if missing:
        print(f"warning: {len(missing)} of {labels.count} labels in {labels.source} name frames that are not in this recording, such as "
              f"{missing[0]}: correct them, or give this recording's labels with --labels")


def _check(args: argparse.Namespace) -> None:
    if args.frames is not None and args.frames < 1:
        raise InputError(f"--frames is {args.frames}: use 1 or more")
    for flag in ("rate", "domain"):
        if getattr(args, flag) is not None and not args.live:
            raise InputError(f"--{flag} belongs to --live; an offline replay goes as fast as the machine does")
    if args.rate is not None and not 0.01 <= args.rate <= 100:
        raise InputError(f"--rate is {args.rate:g}: use 0.01 to 100")
    if args.domain is not None and not 0 <= args.domain <= 232:
        raise InputError(f"--domain is {args.domain}: use 0 to 232")
    if args.roi is not None and (min(args.roi) < 0 or min(args.roi[2:]) < 16):
        raise InputError(f"--roi is {' '.join(map(str, args.roi))}: give X Y W H in pixels, at least 16 wide and high")
    for flag, value, least, most in (
        ("max-age", args.max_age, 0, 3600), ("max-clock-skew", args.max_clock_skew, 0, 60),
        ("frozen-after", args.frozen_after, 0, 1000), ("min-region-share", args.min_region_share, 0.001, 1),
    ):
        if not least <= value <= most:
            raise InputError(f"--{flag} is {value:g}: use {least} to {most}")


def _rules(args: argparse.Namespace) -> FrameRules:
    from hetnet_ros.inspection.frame_policy import FrameRules
    from hetnet_ros.inspection.result import Box

    return FrameRules(Box(*args.roi) if args.roi else None, args.max_age, args.max_clock_skew, args.frozen_after,
                      args.min_region_share)


def _live(
    args: argparse.Namespace,
    bag: Bag,
    topic: BagTopic,
    labels: Labels | None,
    inspector: PartInspector,
    rules: FrameRules,
    showcase: Showcase | None,
    progress: bool,
) -> ReplayRun:
    """Play the bag to an inspector in a process of its own, then draw the frames worth showing."""
    import importlib.util
    import itertools
    import os
    import tempfile
    import time

    from tqdm import tqdm

    from hetnet_ros.cli.node_processes import NodeProcesses, ros_environment
    from hetnet_ros.evaluation.replay.live import draw_showcase, frame_brightness, live_run
    from hetnet_ros.inspection.bags import image_frames
    from hetnet_ros.inspection.bags.frames import COMPRESSED

    if importlib.util.find_spec("rclpy") is None or importlib.util.find_spec("hetnet_ros.msg") is None:
        raise InputError("--live needs ROS 2 and this package's messages: run scripts/setup, or source a ROS 2 "
                         "installation and this package's install/setup.bash; an offline replay needs neither")
    from hetnet_ros.nodes.process import prepare_environment

    environment = ros_environment(args.domain if args.domain is not None else 30 + os.getpid() % 70)
    os.environ.update(environment)
    prepare_environment()
    with interrupts.held():
        from hetnet_ros.nodes.bag_player import BagPlayer
        from hetnet_ros.nodes.parameter_arguments import parameter_arguments

    rate = args.rate or 1.0
    parameters = {
        "model": args.model.absolute(),
        "device": args.device,
        "diagnostics_period": 0.25,
        "image_transport": "compressed" if topic.type == COMPRESSED else "raw",
        "roi": args.roi or [0, 0, 0, 0],
        "max_age": rules.max_age,
        "max_clock_skew": rules.max_clock_skew,
        "frozen_after": rules.frozen_after,
        "min_region_share": rules.min_region_share,
    }
    stopped = ""
    with tempfile.TemporaryDirectory(prefix="hetnet_replay_") as logs:
        with NodeProcesses(Path(logs), environment) as nodes:
            nodes.start("inspector", ["-r", f"__ns:={_NAMESPACE}", *parameter_arguments(parameters)])
            player = BagPlayer(_NAMESPACE, topic, rate, nodes.check)
            started = time.perf_counter()
            try:
                try:
                    player.start_inspector()
                except InputError as error:
                    raise InputError(f"{error}: {nodes.last_line('inspector')}") from None
                started = time.perf_counter()
                frames = itertools.islice(image_frames(bag, [topic]), args.frames)
                try:
                    for _ in tqdm(player.play(frames, frame_brightness), desc="playing", unit="frame",
                                  total=topic.count, disable=not progress, leave=False):
                        pass
                    player.finish()
                except KeyboardInterrupt:
                    stopped = f"interrupted after {len(player.played())} frames"
                seconds = time.perf_counter() - started
                played, counts = player.played(), player.counts
            finally:
                player.close()
    if args.frames is not None and len(played) == args.frames and not stopped:
        stopped = f"after {args.frames} frames, as asked"
    run = live_run(bag, topic, labels, inspector, played, counts, rate, seconds, stopped)
    if showcase is not None and not stopped.startswith("interrupted"):
        draw_showcase(showcase, run, bag, topic, labels, inspector, rules.roi)
    return run
