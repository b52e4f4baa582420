"""``hetnet gpu-check``: one command that shows what a GPU does with HetNet, and whether it does it right.

The parts and what they measure are in :mod:`hetnet_ros.gpu_check`; here is what the user sees: flags, files and exit code.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from hetnet_ros.cli import interrupts
from hetnet_ros.errors import InputError
from hetnet_ros.gpu_check.plan import PARTS

SUMMARY = "prove a GPU: same answers as the CPU, speed by backend, teaching, node rates"

EPILOG = (
    "parts, in this order, with the seconds that each may take (and with --quick):\n"
    + "\n".join(f"  {part.name:10}{part.limit_s:4.0f}  {part.quick_s or '-':>4}  {part.title.replace('`', '')}" for part in PARTS)
    + """

Exit codes: 0 every part is fine (what is not installed here does not count); 1 a part failed, ran past its limit or gave other
answers than the CPU, which the table says; 2 bad usage, or no card that torch can use; 130 interrupted, what was measured written.
docs/gpu.md explains the figures."""
)

FORMAT = "hetnet-gpu-check-1"
EXIT_FAULT = 1
_NAMES = tuple(part.name for part in PARTS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto (the first card), cuda, cuda:N, or cpu to try the command (default: auto)")
    parser.add_argument("--quick", action="store_true", help="few runs, steps and parts: three minutes on two cores")
    parser.add_argument("--only", metavar="PART", action="append", default=[], choices=_NAMES,
                        help="measure this part, and those it needs; may be repeated")
    parser.add_argument("--limit", metavar="PART=SECONDS", action="append", default=[], type=_limit,
                        help="time that a part may take, in place of its own; may be repeated")
    parser.add_argument("--data", metavar="DIR", type=Path, help="teach from these good images, or from this labelled data set")
    parser.add_argument("--hub", action="store_true", help="let teachers' weights be downloaded from the model hub")
    parser.add_argument("--json", metavar="FILE", type=Path, default=Path("gpu_check.json"),
                        help="write the figures here (default: gpu_check.json)")
    parser.add_argument("--markdown", metavar="FILE", type=Path, default=Path("gpu_check.md"),
                        help="write the table to paste into an issue here (default: gpu_check.md)")


def run(args: argparse.Namespace) -> int:
    from hetnet_ros.gpu_check.plan import Settings, chosen
    from hetnet_ros.gpu_check.record import OK
    from hetnet_ros.gpu_check.runner import Runner
    from hetnet_ros.own_files import check_outputs
    from hetnet_ros.resources import cache_directory
    from hetnet_ros.whole_files import check_output_file

    device = _device(args.device)
    if args.data is not None and not args.data.is_dir():
        raise InputError(f"--data {args.data} is no folder: give one of good images, or a labelled data set")
    check_outputs({"--json": args.json, "--markdown": args.markdown}, ())
    for path in (args.json, args.markdown):
        check_output_file(path)
    with tempfile.TemporaryDirectory(prefix="hetnet_gpu_check_") as work:
        data = str(args.data.resolve()) if args.data else ""
        settings = Settings(device, args.quick, data, args.hub, work, str(cache_directory()))
        runner = Runner(settings, _say, dict(args.limit))
        parts = chosen(args.only)
        try:
            runner.run(parts[:1])
            if runner.results[0].state != OK and device != "cpu":
                raise InputError(f"{runner.results[0].reason}; see nvidia-smi, or try the command without a card: --device cpu")
            runner.run(parts[1:])
        except KeyboardInterrupt:
            if runner.results and runner.results[0].rows:
                with interrupts.held():
                    _write(args, runner.results)
            raise
        _write(args, runner.results)
        wrong = [result.name for result in runner.results if not result.fine]
        if wrong:
            _say(f"not fine: {', '.join(wrong)}")
        return EXIT_FAULT if wrong else 0


def _write(args: argparse.Namespace, results: list) -> None:
    from hetnet_ros.gpu_check.markdown import to_markdown
    from hetnet_ros.gpu_check.record import as_values
    from hetnet_ros.whole_files import write_file

    values = {"format": FORMAT, "device": args.device, "quick": args.quick, "parts": as_values(results)}
    write_file(args.json, json.dumps(values, indent=1) + "\n")
    write_file(args.markdown, to_markdown(results, args.device == "cpu", args.quick))
    _say(f"figures: {args.json}; table to paste into an issue: {args.markdown}")


def _device(word: str) -> str:
    """``auto`` is the first card, never the CPU: who asks about a GPU is not served by figures of something else."""
    if word in ("auto", "cuda"):
        return "cuda:0"
    if word == "cpu" or (word.startswith("cuda:") and word[5:].isdigit()):
        return word
    raise InputError(f"device is {word!r}: use auto, cpu, cuda or cuda:N")


def _limit(text: str) -> tuple[str, float]:
    name, _, seconds = text.partition("=")
    try:
        value = float(seconds)
    except ValueError:
        value = -1.0
    if name not in _NAMES or not 0 < value < 86400:
        raise argparse.ArgumentTypeError(f"{text!r}: give PART=SECONDS, with a part of {', '.join(_NAMES)}")
    return name, value


def _say(line: str) -> None:
    print(line, flush=True)
