"""``hetnet bench``: how fast a model runs on this machine, by backend."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from hetnet_ros.errors import InputError

SUMMARY = "measure how fast a model runs on this machine, by backend"

EPILOG = """\
Times are for one 640x480 image, 8-bit pixels in to verdict and defects out; backends take turns.  The first inference and
the memory are those of a process of their own.  Other programs on the machine show in p95 and p99."""

FORMAT = "hetnet-bench-1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file, or exported model")
    parser.add_argument(
        "--backend",
        metavar="B",
        action="append",
        help="backend to measure, may be repeated; auto measures those that suit this machine (default: auto)",
    )
    parser.add_argument("--rounds", metavar="N", type=int, default=30, help="images per backend (default: 30)")
    parser.add_argument("--threads", metavar="N", type=int, default=0, help="CPU threads (default: one per core)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures as JSON")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")


def run(args: argparse.Namespace) -> int:
    from hetnet_ros.inspection.benchmark import cold_start, sample_image, take_turns
    from hetnet_ros.inspection.exported import model_files
    from hetnet_ros.inspection.part_inspector import PartInspector
    from hetnet_ros.inspection.this_machine import MOST_THREADS
    from hetnet_ros.own_files import check_outputs
    from hetnet_ros.whole_files import check_output_file, write_file

    if args.rounds < 1 or args.threads < 0:
        raise InputError(f"--rounds is {args.rounds} and --threads {args.threads}: give at least 1 and 0")
    if args.threads > MOST_THREADS:
        raise InputError(f"--threads is {args.threads}: use 0 to {MOST_THREADS}")
    check_outputs({"--json": args.json}, model_files(args.model))
    check_output_file(args.json)
    given = args.backend or ["auto"]
    names = _names(args.model, given, args.device)
    inspectors, cold = {}, {}
    for name in names:
        try:
            inspectors[name] = PartInspector.load(args.model, args.device, backend=name, threads=args.threads)
            cold[name] = cold_start(args.model, name, args.device, args.threads)
        except InputError as error:
            if "auto" not in given:
                raise
            inspectors.pop(name, None)
            print(f"hetnet: {name} left out: {error}", file=sys.stderr)
    if not inspectors:
        raise InputError(f"no backend can run {args.model} here; hetnet doctor shows what is missing")
    image = sample_image()
    taken = take_turns({name: lambda one=one: one.inspect(image) for name, one in inspectors.items()}, args.rounds)
    print(f"{'backend':16}{'p50':>9}{'p95':>9}{'p99':>9}{'images/s':>10}{'first':>9}{'memory':>10}   device")
    for name, latency in sorted(taken.items(), key=lambda entry: entry[1].p50_ms):
        print(
            f"{name:16}{latency.p50_ms:9.1f}{latency.p95_ms:9.1f}{latency.p99_ms:9.1f}{latency.rate:10.1f}"
            f"{cold[name].first_ms:9.1f}{cold[name].peak_mb:7.0f} MB   {inspectors[name].device}"
        )
    if args.json:
        figures = {
            name: {**dataclasses.asdict(taken[name]), **dataclasses.asdict(cold[name]), "device": inspectors[name].device}
            for name in taken
        }
        model = {"id": next(iter(inspectors.values())).model_id, "path": str(args.model)}
        write_file(args.json, json.dumps({"format": FORMAT, "model": model, "backends": figures}, indent=2) + "\n")
    return 0


def _names(model: Path, given: list[str], device: str) -> list[str]:
    """The backends meant, each once; an exported model has one."""
    from hetnet_ros.inspection.backends.interface import AUTO, FILE, backend_kind
    from hetnet_ros.inspection.exported import check_backend, is_exported, read_exported

    names: dict[str, None] = {}
    for word in given:
        if is_exported(model):
            wanted = None if word in (AUTO, FILE) else word
            names[check_backend(model, read_exported(model), wanted).name] = None
        elif word == AUTO:
            from hetnet_ros.inspection.choice import candidates

            names.update(dict.fromkeys(candidates(device)))
        else:
            names["torch" if word == FILE else backend_kind(word).name] = None
    return list(names)
