"""``hetnet label``: look at a recording's segments, write its labels or a template for them, import annotations."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hetnet_ros.errors import InputError

if TYPE_CHECKING:
    from hetnet_ros.own_files import OwnFiles

SUMMARY = "list a recording's segments, write and import its labels"

EPILOG = """\
Without -o it lists the segments: stretches of frames without a pause or a jump in the picture.  With -o it writes a
template with a line for each segment; fill in "label": good, or a name for the defect.  A line left empty stays
unlabelled.

For masks, let --extract write the frames as images, mark the defects in an annotation tool, and --import its COCO file or
a folder in MVTec's layout.

examples:
  hetnet label demo.mcap                                    list the segments
  hetnet label demo.mcap -o demo.labels.csv                 a template to fill in
  hetnet label demo.mcap --extract frames --every 5
  hetnet label demo.mcap --import annotations.json -o demo.labels.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", metavar="BAG", type=Path, help="rosbag2 recording: a .mcap or .db3 file, or its folder")
    parser.add_argument("--topic", metavar="T", help="image topic (default: the only one)")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="label file to write, .json or .csv")
    parser.add_argument("--gap", type=float, default=0.5, metavar="S",
                        help="pause that ends a segment, seconds (default: 0.5)")
    parser.add_argument("--all", metavar="LABEL", help="label every segment so, for instance good")
    parser.add_argument("--import", dest="source", metavar="PATH", type=Path,
                        help="labels from a COCO file or a folder in MVTec's layout; file names must say which frame they are")
    parser.add_argument("--extract", metavar="DIR", type=Path, help="write frames as DIR/frame_000000.png and so on")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="extract every Nth frame (default: 1)")
    parser.add_argument("--force", action="store_true", help="replace a label file that is already there")


def run(args: argparse.Namespace) -> int:
    from hetnet_ros.evaluation.replay.labels import check_label
    from hetnet_ros.inspection.bags import choose_topics, image_frames, open_bag
    from hetnet_ros.own_files import check_outputs
    from hetnet_ros.whole_files import check_output_file, check_output_folder

    if not 0 < args.gap <= 3600:
        raise InputError(f"--gap is {args.gap:g}: use more than 0, up to 3600 seconds")
    if args.every < 1:
        raise InputError(f"--every is {args.every}: use 1 or more")
    if args.source and not args.output:
        raise InputError("--import needs a file to write: give -o FILE")
    if args.output and args.output.exists() and not args.force:
        raise InputError(f"{args.output} is there already: give another name, or --force to replace it")
    if args.output and args.output.suffix.lower() not in (".json", ".csv"):
        raise InputError(f"{args.output}: labels are .json or .csv; give such a name")
    check_label(args.all or "", "--all")
    check_output_file(args.output)
    check_output_folder(args.extract)
    own = None if args.extract is None else _place_for_frames(args.extract)
    unreadable = ""
    bag = open_bag(args.bag)
    check_outputs({"-o": args.output}, [args.source, *bag.files])
    topic = choose_topics(bag, [args.topic] if args.topic else [])[0]
    if args.extract:
        unreadable = _extract(bag, topic, own, args.every)
    if args.source:
        _import(args, bag, topic)
    elif args.output or not args.extract:
        _segments(args, bag, topic, image_frames(bag, [topic]))
    for loss in bag.losses:
        print(f"lost: {loss}", file=sys.stderr)
    if unreadable:
        print(f"hetnet: error: {unreadable}", file=sys.stderr)
    return 2 if unreadable else 0


def _segments(args: argparse.Namespace, bag, topic, frames) -> None:
    from hetnet_ros.evaluation.replay.label_files import write_labels
    from hetnet_ros.evaluation.replay.labels import FrameLabel, Labels, Span
    from hetnet_ros.evaluation.replay.segments import find_segments
    from hetnet_ros.evaluation.table import align

    segments = find_segments(frames, args.gap)
    if not segments:
        raise InputError(f"{args.bag}: no frame of {topic.name} can be read")
    if args.output:
        spans = tuple(Span(segment.first, segment.last, FrameLabel(args.all or "")) for segment in segments)
        write_labels(args.output, Labels(args.output, topic.name, spans))
        todo = "all labelled" if args.all else "fill in the labels: good, or a name for the defect"
        print(f"{args.output}: {len(segments)} segments of {topic.name}; {todo}")
        return
    begin = segments[0].first_stamp
    rows = [
        (f"{s.first}-{s.last}", str(s.frames), f"{(s.first_stamp - begin) / 1e9:.2f}",
         f"{(s.last_stamp - s.first_stamp) / 1e9:.2f}", "-" if s.novelty != s.novelty else f"{s.novelty:.3f}")
        for s in segments
    ]
    print(f"{topic.name} in {args.bag}: {len(segments)} segments")
    print(align([[("frames", "count", "begins at s", "lasts s", "change")], rows]))


def _import(args: argparse.Namespace, bag, topic) -> None:
    from hetnet_ros.evaluation.replay.label_files import write_labels
    from hetnet_ros.evaluation.replay.label_import import import_labels

    masks = args.output.with_name(f"{args.output.name.split('.')[0]}_masks")
    labels = import_labels(args.source, masks, bag, topic)
    write_labels(args.output, labels)
    defective = sum(span.label.is_defective for span in labels.frames)
    print(f"{args.output}: {labels.count} frames, {defective} of them defective")


def _place_for_frames(folder: Path) -> OwnFiles:
    """Refuses a folder that holds a file which looks like a frame and was not extracted by hetnet, or was touched up since."""
    from hetnet_ros.own_files import OwnFiles

    own = OwnFiles(folder, "give another folder with --extract")
    own.check(path.name for path in folder.iterdir() if re.fullmatch(r"frame_\d{6,}\.png", path.name))
    return own


def _extract(bag, topic, own: OwnFiles, every: int) -> str:
    """Returns a line where most frames could not be read, else nothing."""
    import cv2
    from tqdm import tqdm

    from hetnet_ros.inspection.bags import image_frames, largest_sample
    from hetnet_ros.inspection.sample_depth import FULL, depth_of

    bits = depth_of(largest_sample(image_frames(bag, [topic])))
    if bits < FULL:
        print(f"the 16-bit frames use {bits} bits: they are written scaled by {2 ** (FULL - bits)}, as 8 bits")
    written = skipped = 0
    for frame in tqdm(image_frames(bag, [topic]), total=topic.count, unit="frame", desc=str(own.folder), disable=None):
        if frame.index % every:
            continue
        try:
            rgb = frame.rgb(bits)
        except InputError as error:
            print(f"skipped: frame {frame.index}: {error}", file=sys.stderr)
            skipped += 1
            continue
        own.write(f"frame_{frame.index:06d}.png", cv2.imencode(".png", rgb[:, :, ::-1])[1].tobytes())
        written += 1
    print(f"{own.folder}: {written} frames of {topic.name}")
    if skipped <= written:
        return ""
    return f"{bag.path}: {skipped} of {skipped + written} frames could not be read; restore the recording or record it again"
