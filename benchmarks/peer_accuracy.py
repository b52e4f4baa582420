#!/usr/bin/env python3
"""Accuracy of other detectors on real images, on the same teachers' weights: PatchCore, AnomalyDINO and Dinomaly of anomalib.

    benchmarks/peer_accuracy.py --data ROOT --peers-python PEERS/bin/python [--sets bottle screw] [--seconds 300] [--json F]

ROOT holds category folders in MVTec layout, at any depth.  The figures are computed by the code that computes HetNet's.
PatchCore and AnomalyDINO remember all good images; Dinomaly, which is trained, gets ``--seconds`` of this machine: its authors'
5,000 steps take hours here.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import grid
import peer_evaluation
from accuracy import find_set

from hetnet_ros.errors import InputError

PEERS = (*peer_evaluation.PEERS, "dinomaly")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder above the category folders")
    parser.add_argument("--peers-python", type=Path, required=True,
                        help="a Python with anomalib: see benchmarks/requirements-peers.txt")
    parser.add_argument("--sets", nargs="+", default=["bottle", "screw"])
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=PEERS)
    parser.add_argument("--seconds", type=float, default=300.0, help="what Dinomaly may take to learn a set (default: 300)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    results: dict[str, dict[str, dict[str, float | None]]] = {}
    print("set              peer          I-AUROC P-AUROC  AUPRO  learned in s")
    for name in args.sets:
        category = find_set(args.data, name)
        for peer in args.peers:
            with tempfile.TemporaryDirectory() as folder:
                report, costs = peer_evaluation.measure(peer, args.peers_python, [grid.Task(name, category, category)],
                                                        Path(folder), args.seconds)
            figures = grid.figure_values(report.total)
            results.setdefault(name, {})[peer] = {**figures, **costs}
            print(f"{name:16s} {peer:13s} " + " ".join(f"{100 * value:7.2f}" for value in figures.values())
                  + f" {costs['teach_s']:13.0f}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"peer_accuracy.py: error: {error}")
