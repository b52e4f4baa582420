#!/usr/bin/env python3
"""The promise under fire: no defective part in the good bin, whatever happens around the network.

    benchmarks/fire.py --parts 1000 --seed 1 [--model MODEL] [--json F]      or  --minutes 3

A virtual line (camera, its driver, inspector, planner: real processes over DDS) sorts parts whose truth is known, while faults strike at
random states of the planner: pictures that are late, lost, damaged, old or somebody else's, clocks that are wrong, second publishers, twins,
stray regions and parameters, and processes that are killed, stopped and started again.  Counted are only defective parts that the same
model rejects three times of three when nothing disturbs it; what it misses by itself is told apart.

Exit code 1 where a defective part of these was in the good bin, where fewer than nine of ten good parts reach it from the third part
after a fault's end on, where something hung, ended by itself or printed a traceback.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from fire_faults import Fault, a_round
from fire_line import VIEWS, Line, Operator, Row, make_line, wait_for
from fire_tally import RECOVERED, Placed, Tally, Truth, read_tally, report
from node_latency import isolate

STATES = ("presenting", "moving", "inspecting", "deciding", "placing")
HANG_SECONDS = 90.0
"""No outcome for so long, with an operator at hand, is a hang."""
BACK_SECONDS = 60.0
"""The processes of the line are to be back and to judge pictures so long after one of them ended."""


@dataclass
class Seen:
    """What was seen while the line was under fire."""

    placed: list[Placed] = field(default_factory=list)
    kinds: Counter = field(default_factory=Counter)
    faults: Counter = field(default_factory=Counter)
    hangs: list[str] = field(default_factory=list)


class Fire:
    """Strikes the line until enough parts are sorted, or the time is over."""

    def __init__(self, line: Line, operator: Operator, seed: int, parts: int, minutes: float) -> None:
        from hetnet_ros.msg import PartOutcome

        self._names = {getattr(PartOutcome, name): name for name in ("NOT_PLACED", "GOOD", "REJECT", "REINSPECT")}
        self._line, self._operator, self._rng, self._parts = line, operator, np.random.default_rng(seed), parts
        self._deadline = time.monotonic() + 60 * minutes if minutes else float("inf")
        self._first, self._calm, self._last, self._fault = len(operator.outcomes), RECOVERED, time.monotonic(), ""
        self._events = (line.logs / "events.jsonl").open("w", buffering=1)
        self.seen = Seen()

    def run(self) -> Seen:
        waiting: list[Fault] = []
        while not self._enough():
            waiting = waiting or a_round(self._rng)
            until = self._done + int(self._rng.integers(1, RECOVERED + 2))
            self._wait(lambda: self._done >= until, 10 * HANG_SECONDS)
            if not self._enough():
                self._strike(waiting.pop())
        return self.seen

    def _strike(self, fault: Fault) -> None:
        state, changes = STATES[int(self._rng.integers(len(STATES)))], len(self._operator.states)
        self._wait(lambda: state in self._operator.states[changes:], 15.0)
        time.sleep(float(self._rng.uniform(0, 0.4)))
        self._note(strike=fault.name, state=self._operator.state)
        self._fault, begun, struck = fault.name, self._done, time.monotonic()
        fault.strike(self._line, self._operator)
        self.seen.kinds[fault.kind] += 1
        self.seen.faults[fault.name] += 1
        self._wait(lambda: time.monotonic() - struck > fault.seconds and (fault.seconds or self._done > begun + 1), 2 * HANG_SECONDS)
        fault.relieve(self._line, self._operator)
        if fault.process and not self._wait(lambda: self._operator.all_back(struck, self._line.names), BACK_SECONDS):
            self.seen.hangs.append(f"{fault.name}: not all were back after {BACK_SECONDS:g} s")
        self._note(relieve=fault.name)
        self._tend()  # what was placed until now was placed under the fault
        self._fault, self._calm = "", 0

    @property
    def _done(self) -> int:
        return len(self.seen.placed)

    def _enough(self) -> bool:
        return self._done >= self._parts or time.monotonic() > self._deadline

    def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        return wait_for(lambda: condition() or self._enough(), seconds, self._tend)

    def _note(self, **values: object) -> None:
        print(json.dumps({"time": round(time.time(), 2), **values}), file=self._events)

    def _tend(self) -> None:
        for name in self._line.supervise():
            self._note(started_again=name)
        self._operator.look_after()
        while self._first + self._done < len(self._operator.outcomes):
            outcome, self._last = self._operator.outcomes[self._first + self._done], time.monotonic()
            placed = Placed(outcome.number, self._names[outcome.destination], outcome.reason or outcome.fault, self._fault, self._calm)
            self.seen.placed.append(placed)
            self._calm += 1
            self._note(**dataclasses.asdict(placed))
            if self._done % 100 == 0:
                print(f"{self._done} parts, {sum(self.seen.faults.values())} faults, {len(self.seen.hangs)} hangs", flush=True)
        if time.monotonic() - self._last > HANG_SECONDS:
            self._last = time.monotonic()
            self.seen.hangs.append(f"the planner is {self._operator.state!r} under {self._fault or 'no fault'}")


def teach_line(row: Row, folder: Path, preset: str, images: int, steps: int) -> Path:
    """A model of the row's good parts from each view, of other parts than those that will be shown."""
    import cv2

    from hetnet_ros.learning.preset import load_preset
    from hetnet_ros.learning.teach import teach

    good = folder / "good"
    good.mkdir()
    other = dataclasses.replace(row, seed=row.seed + 1_000_003, defect_probability=0.0)
    for index in range(images):
        for view in VIEWS:
            cv2.imwrite(str(good / f"{index:03d}_{view}.png"), other.picture(other.part(index), view, index)[:, :, ::-1])
    settings = load_preset(preset)
    settings = dataclasses.replace(settings, training=dataclasses.replace(settings.training, steps=steps, epochs=0, views=1))
    print(f"teaching {2 * images} pictures ...", flush=True)
    teach(good, folder / "line.safetensors", settings, device="cpu", progress=False, false_reject=0.02)
    return folder / "line.safetensors"


def main() -> int:
    arguments = _parser().parse_args()
    if arguments.sum:
        return report(sum(map(read_tally, arguments.sum), Tally()))
    isolate()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # where a script started it, it would be ignored, by its processes too
    row = Row("front", arguments.seed, arguments.width, arguments.width * 3 // 4)
    with tempfile.TemporaryDirectory(prefix="hetnet_fire_") as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        model = arguments.model or teach_line(row, folder, arguments.preset, arguments.images, arguments.steps)
        line = make_line(row, model, arguments.backend, folder)
        operator = Operator()
        line.more["planner"] = lambda: ["-p", f"first_number:={2 + max((o.number for o in operator.outcomes), default=-2)}"]
        try:
            for name in line.commands:
                line.start(name)
            begun = time.monotonic()
            if not wait_for(lambda: len(operator.outcomes) >= 3 and operator.all_back(begun, line.names), 180.0, operator.look_after):
                raise SystemExit(f"the line did not begin: the planner is {operator.state!r}; see {folder}")
            seen = Fire(line, operator, arguments.seed, arguments.parts, arguments.minutes).run()
        finally:
            for name in list(line.running):
                line.end(name)
            operator.close()
        print(f"{len(seen.placed)} parts sorted; asking the model about each of them undisturbed ...", flush=True)
        tally = Tally.of(seen.placed, Truth(row, model, arguments.backend, not arguments.quick))
        tally.kinds, tally.faults, tally.hangs, tally.ended = seen.kinds, seen.faults, seen.hangs, line.ended
        tally.tracebacks = [f"{log.name}: {text}" for log in sorted(folder.glob("*.log"))
                            for text in log.read_text(errors="replace").splitlines() if text.startswith("Traceback")]
    if arguments.json:
        arguments.json.write_text(json.dumps(vars(tally), indent=1) + "\n")
    return report(tally)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=int, default=1000, help="parts to sort (default: 1000)")
    parser.add_argument("--minutes", type=float, default=0.0, help="end after this time at the latest; 0: no limit (default)")
    parser.add_argument("--seed", type=int, default=1, help="of parts, faults and their times (default: 1)")
    parser.add_argument("--model", type=Path, help="model of the line's front face (default: one taught now)")
    parser.add_argument("--preset", default="edge", help="of the model taught here (default: edge)")
    parser.add_argument("--images", type=int, default=60, help="good parts to teach, from each view (default: 60)")
    parser.add_argument("--steps", type=int, default=100, help="of teaching (default: 100)")
    parser.add_argument("--backend", default="file", help="the inspector's parameter backend (default: file)")
    parser.add_argument("--width", type=int, default=480, help="of the pictures, px (default: 480)")
    parser.add_argument("--quick", action="store_true", help="do not ask the model about good parts: which it doubts by itself is not told")
    parser.add_argument("--keep", type=Path, help="keep model and logs in this folder")
    parser.add_argument("--sum", type=Path, nargs="+", metavar="F", help="run nothing: add up what earlier runs wrote with --json")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
