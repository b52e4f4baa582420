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
from fire_line import VIEWS, Line, Operator, Row, make_line, wait_for
from node_latency import isolate

STATES = ("presenting", "moving", "inspecting", "deciding", "placing")
RECOVERED = 3
"""From this part after a fault's end on, counted from 1, good parts are to reach the good bin again."""
LEAST_GOOD = 0.9
HANG_SECONDS = 90.0
"""No outcome for so long, with an operator at hand, is a hang."""
BACK_SECONDS = 60.0
"""The processes of the line are to be back and to judge pictures so long after one of them ended."""


@dataclass(frozen=True)
class Fault:
    """strike: begins it.  relieve: ends it.  seconds: how long it holds; 0: over one whole part.  process: a process of the line's ends,
    and the fault is not over before all are back and pictures are judged.
    """

    kind: str
    name: str
    strike: Callable[[Line, Operator], object]
    relieve: Callable[[Line, Operator], object] = lambda line, operator: None
    seconds: float = 0.0
    process: bool = False


def proxy_fault(text: str) -> Fault:
    """A fault of the proxy's, by its parameter."""
    return Fault("corrupt" if text.startswith("truncate") else text.partition(":")[0], text, lambda line, operator: operator.set("fault_proxy", "fault", text),
                 lambda line, operator: operator.set("fault_proxy", "fault", "none"))


def killed(name: str) -> Fault:
    return Fault("kill", f"kill {name}", lambda line, operator: line.signal(name, signal.SIGKILL), process=True)


def stopped(name: str, seconds: float) -> Fault:
    return Fault("stop", f"stop {name} {seconds:g} s", lambda line, operator: line.signal(name, signal.SIGSTOP),
                 lambda line, operator: line.signal(name, signal.SIGCONT), seconds)


def restarted(name: str) -> Fault:
    return Fault("restart", f"restart {name}", lambda line, operator: line.signal(name, signal.SIGINT), process=True)


def _stray_region(line: Line, operator: Operator) -> None:
    from sensor_msgs.msg import RegionOfInterest

    for topic in ("roi", "inspector/roi"):
        operator.node.create_publisher(RegionOfInterest, topic, 1).publish(RegionOfInterest(width=4, height=4))


def _stray_announcement(line: Line, operator: Operator) -> None:
    from std_msgs.msg import Header

    publisher = operator.node.create_publisher(Header, "inspector/view", 5)
    stamp = operator.node.get_clock().now().to_msg()
    for view in VIEWS:
        publisher.publish(Header(stamp=stamp, frame_id=view))
    operator.strays.append(publisher)


def _end_strays(line: Line, operator: Operator) -> None:
    while operator.strays:
        operator.node.destroy_publisher(operator.strays.pop())


FAULTS: tuple[Fault, ...] = (
    *map(proxy_fault, ("delay:1", "delay:3", "drop:1", "drop:0.7", "corrupt:0.02", "corrupt:0.5", "truncate:0.3", "repeat", "freeze",
                       "ring:2", "ring:3", "ring:4", "ring:20", "touched_ring:3", "swap", "second", "jump:-5", "jump:5")),
    *map(killed, ("proxy", "inspector", "planner")),
    *(stopped(name, 3.0) for name in ("proxy", "inspector", "camera", "planner")),
    *map(restarted, ("proxy", "inspector", "planner")),
    Fault("stray region", "stray region", _stray_region),
    Fault("stray announcement", "stray announcement", _stray_announcement, _end_strays, 3.0),
    Fault("stray parameter", "stray parameter roi", lambda line, operator: operator.set("inspector", "roi", [0, 0, 64, 64]),
          lambda line, operator: operator.set("inspector", "roi", [0, 0, 0, 0]), 3.0),
    Fault("stray parameter", "stray parameter max_age", lambda line, operator: operator.set("inspector", "max_age", 3600.0),
          lambda line, operator: operator.set("inspector", "max_age", 1.5), 3.0),
    Fault("twin inspector", "twin inspector", lambda line, operator: line.start("inspector", label="twin"),
          lambda line, operator: line.end("twin"), 12.0),
)


def a_round(rng: np.random.Generator) -> list[Fault]:
    """One fault of each kind, in an order of chance."""
    kinds: dict[str, list[Fault]] = {}
    for fault in FAULTS:
        kinds.setdefault(fault.kind, []).append(fault)
    return [choices[int(rng.integers(len(choices)))] for choices in (list(kinds.values())[i] for i in rng.permutation(len(kinds)))]


@dataclass(frozen=True)
class Placed:
    """A part that was put away.  fault: what held then, or empty.  calm: parts since the last fault's end."""

    number: int
    where: str
    reason: str
    fault: str
    calm: int


@dataclass
class Seen:
    """What was seen while the line was under fire."""

    placed: list[Placed] = field(default_factory=list)
    kinds: Counter = field(default_factory=Counter)
    faults: Counter = field(default_factory=Counter)
    hangs: list[str] = field(default_factory=list)


@dataclass
class Tally:
    """What came of the parts, counted by destination.

    good, defective: good parts and defective ones that the model passes, or rejects, three times of three undisturbed.  doubted, missed:
    those with which it does not.  recovered: of good parts, from the third after a fault's end on.  breaches: defective parts in GOOD.
    unreasoned: parts that are not in GOOD, without a reason.  ended: processes that nobody ended.
    """

    good: Counter = field(default_factory=Counter)
    doubted: Counter = field(default_factory=Counter)
    defective: Counter = field(default_factory=Counter)
    missed: Counter = field(default_factory=Counter)
    recovered: Counter = field(default_factory=Counter)
    reasons: Counter = field(default_factory=Counter)
    kinds: Counter = field(default_factory=Counter)
    faults: Counter = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)
    unreasoned: int = 0
    hangs: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, key.name) + getattr(other, key.name) for key in dataclasses.fields(self)))

    @classmethod
    def of(cls, placed: list[Placed], truth: Truth) -> Tally:
        tally = cls()
        for part in placed:
            kind = truth.of(part.number)
            getattr(tally, kind)[part.where] += 1
            tally.unreasoned += part.where != "GOOD" and not part.reason
            tally.reasons[part.reason or part.where] += 1
            if kind == "good" and part.calm >= RECOVERED - 1 and not part.fault:
                tally.recovered[part.where] += 1
            if kind == "defective" and part.where == "GOOD":
                tally.breaches.append(f"part {part.number} under {part.fault or 'no fault'}, {part.calm} parts after the last")
        return tally


class Truth:
    """Whether a part is defective, and whether the model says so three times of three; asked once for each part."""

    def __init__(self, row: Row, model: Path, backend: str, good_as_well: bool = True) -> None:
        from hetnet_ros.inspection.part_inspector import PartInspector

        self._row, self._inspector = row, PartInspector.load(model, "cpu", backend=backend, threads=1)
        self._known: dict[int, str] = {}
        self._good_as_well = good_as_well

    def of(self, index: int) -> str:
        """``good`` or ``defective``; where the model does not say so each time, ``doubted`` or ``missed``."""
        from hetnet_ros.inspection.result import Verdict

        if index not in self._known:
            part = self._row.part(index)
            name, wanted, otherwise = ("defective", Verdict.REJECT, "missed") if part.defects else ("good", Verdict.PASS, "doubted")
            sure = not (part.defects or self._good_as_well) or all(self._judged(part, number) is wanted for number in (11, 12, 13))
            self._known[index] = name if sure else otherwise
        return self._known[index]

    def _judged(self, part: object, number: int) -> object:
        from hetnet_ros.inspection.multi_view import SeenView, combine
        from hetnet_ros.inspection.result import Verdict

        seen = []
        for view in VIEWS:
            seen.append(SeenView(view, self._inspector.inspect(self._row.picture(part, view, number)), self._inspector.calibration))
            if seen[-1].inspection.verdict is Verdict.REJECT:
                return Verdict.REJECT
        return combine(seen, len(VIEWS), len(VIEWS)).verdict


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


def read_tally(path: Path) -> Tally:
    """One that ``--json`` wrote."""
    return Tally(**{key: Counter(value) if isinstance(value, dict) else value for key, value in json.loads(path.read_text()).items()})


def report(tally: Tally) -> int:
    """Print it; 1 where the line did not hold."""
    recovered = sum(tally.recovered.values())
    share = tally.recovered["GOOD"] / recovered if recovered else 0.0
    wrong = [text for text, bad in (
        (f"{len(tally.breaches)} defective parts in GOOD: {tally.breaches}", tally.breaches),
        (f"{tally.unreasoned} outcomes without a reason", tally.unreasoned),
        (f"hangs: {tally.hangs}", tally.hangs), (f"processes that ended by themselves: {tally.ended}", tally.ended),
        (f"tracebacks: {tally.tracebacks[:3]}", tally.tracebacks),
        (f"only {share:.1%} of good parts reach GOOD again", share < LEAST_GOOD)) if bad]
    for name, counts in (("good", tally.good), ("good, doubted undisturbed", tally.doubted), ("defective", tally.defective),
                         ("defective, missed undisturbed", tally.missed), ("good, from the third part after a fault on", tally.recovered),
                         ("kinds of fault", tally.kinds), ("faults", tally.faults), ("reasons", tally.reasons)):
        print(f"{name}: {sum(counts.values())}: {', '.join(f'{key} {count}' for key, count in counts.most_common()) or 'none'}")
    print(f"{len(tally.breaches)} of {sum(tally.defective.values())} defective parts in GOOD; "
          f"{share:.1%} of good parts in GOOD from the third after a fault on")
    for text in wrong:
        print(text)
    return 1 if wrong else 0


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
