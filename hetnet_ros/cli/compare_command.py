"""``hetnet compare``: two results of ``hetnet replay``, for people and as a gate for CI."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "compare two results of hetnet replay, also as a gate for CI"

EPILOG = """\
A is the old result, B the new one, both written by hetnet replay --json from the same bag.  Figures are those of the frames
that both have; intervals of the change come from a paired bootstrap over the parts.

gates, which may be repeated; the exit code is 1 if one fails:
  --fail-if 'false_pass>0.01'           of B
  --fail-if 'delta:image_auroc<-0.005'  of the change from A to B
figures: false_pass, false_reject, uncertain, f1_reject, image_auroc.  See docs/replay.md."""

_MOST_LINES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A.json", type=Path, help="the old result")
    parser.add_argument("second", metavar="B.json", type=Path, help="the new result")
    parser.add_argument("--fail-if", metavar="CONDITION", action="append", default=[],
                        help="end with exit code 1 if this holds for B, such as 'false_pass>0.01'; may be repeated")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the comparison as JSON")


def run(args: argparse.Namespace) -> int:
    import json

    from hetnet_ros.evaluation.replay.compare import compare, load_result, parse_gate, to_json
    from hetnet_ros.own_files import check_outputs
    from hetnet_ros.whole_files import check_output_file, write_file

    gates = [parse_gate(text) for text in args.fail_if]
    check_outputs({"--json": args.json}, [args.first, args.second])
    check_output_file(args.json)
    results = [load_result(path) for path in (args.first, args.second)]
    comparison = compare(*results)
    failed = [gate for gate in gates if gate.fails(comparison)]
    if args.json:
        content = to_json(comparison)
        content["failed"] = [gate.text for gate in failed]
        write_file(args.json, json.dumps(content, indent=1, allow_nan=False) + "\n")
    for name, result in zip("AB", results):
        model = result.content.get("model", {})
        partial = "" if result.content.get("complete", True) else f", PARTIAL: {result.content.get('stopped')}"
        print(f"{name}: {result.path}, model {model.get('id')} on {model.get('device')}, {len(result.frames)} frames{partial}")
    _print(comparison)
    for gate in failed:
        print(f"FAILED: {gate.text}")
    if gates and not failed:
        print(f"passed: {', '.join(gate.text for gate in gates)}")
    return 1 if failed else 0


def _print(comparison) -> None:
    from hetnet_ros.evaluation.table import align

    print(f"{comparison.common} frames in both, {comparison.labelled} labelled; {comparison.only_first} in A only, "
          f"{comparison.only_second} in B only\n")
    rows = [
        (d.name, _number(d.first), _number(d.second), _number(d.change, "+"),
         f"{_number(d.low, '+')} to {_number(d.high, '+')}" if d.defined else "-", _judgement(d))
        for d in comparison.differences
    ]
    print(align([[("figure", "A", "B", "change", "95 % interval", "")], rows]))
    if comparison.labelled:
        print(f"intervals: paired bootstrap over {comparison.units} {'parts' if comparison.by_part else 'frames'}")
    else:
        print("no frame is labelled: only verdicts are compared")
    print(f"\n{len(comparison.changed)} frames changed their verdict")
    for frame in comparison.changed[:_MOST_LINES]:
        print(f"  frame {frame.index} ({frame.label or 'not labelled'}): {frame.first} -> {frame.second}, score "
              f"{_score(frame.first_score)} -> {_score(frame.second_score)}")
    if len(comparison.changed) > _MOST_LINES:
        print(f"  and {len(comparison.changed) - _MOST_LINES} more; --json lists all")


def _judgement(difference) -> str:
    if not difference.defined:
        return "not defined"
    if not difference.change:
        return "equal"
    better = "better" if difference.better else "worse"
    return f"B is {better}" if difference.significant else f"{better}, may be chance"


def _number(value: float, sign: str = "") -> str:
    return "-" if value != value else f"{value:{sign}.4f}"


def _score(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
