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

from fire_line import VIEWS, Line, Operator, Row, make_line, wait_for
from node_latency import isolate

STATES = ("presenting", "moving", "inspecting", "deciding", "placing")
RECOVERED = 3
"""From this part after a fault's end on, good parts are to reach the good bin again."""
LEAST_GOOD = 0.9
HANG_SECONDS = 90.0
"""No outcome for so long, with an operator at hand, is a hang."""


@dataclass(frozen=True)
class Fault:
    """strike: begins it.  relieve: ends it.  seconds: how long it holds; 0: until the next part is done."""

    name: str
    strike: Callable[[Line, Operator], object]
    relieve: Callable[[Line, Operator], object] = lambda line, operator: None
    seconds: float = 0.0


def proxy_fault(text: str, seconds: float = 0.0) -> Fault:
    """A fault of the proxy's, by its parameter."""
    return Fault(text, lambda line, operator: operator.set("fault_proxy", "fault", text),
                 lambda line, operator: operator.set("fault_proxy", "fault", "none"), seconds)


def killed(name: str) -> Fault:
    return Fault(f"kill {name}", lambda line, operator: line.signal(name, signal.SIGKILL))


def stopped(name: str, seconds: float) -> Fault:
    return Fault(f"stop {name} {seconds:g} s", lambda line, operator: line.signal(name, signal.SIGSTOP),
                 lambda line, operator: line.signal(name, signal.SIGCONT), seconds)


def restarted(name: str) -> Fault:
    return Fault(f"restart {name}", lambda line, operator: line.signal(name, signal.SIGINT))


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
    *map(proxy_fault, ("delay:3", "drop:1", "drop:0.7", "corrupt:0.02", "corrupt:0.5", "truncate:0.3", "repeat", "freeze", "ring:2", "ring:3",
                       "ring:4", "ring:20", "touched_ring:3", "swap", "second", "jump:-5", "jump:5")),
    killed("proxy"), killed("inspector"), killed("planner"),
    stopped("proxy", 3.0), stopped("inspector", 3.0), stopped("camera", 3.0), stopped("planner", 3.0),
    restarted("proxy"), restarted("inspector"), restarted("planner"),
    Fault("stray region", _stray_region),
    Fault("stray announcement", _stray_announcement, _end_strays, 3.0),
    Fault("stray parameter roi", lambda line, operator: operator.set("inspector", "roi", [0, 0, 64, 64]),
          lambda line, operator: operator.set("inspector", "roi", [0, 0, 0, 0]), 3.0),
    Fault("stray parameter max_age", lambda line, operator: operator.set("inspector", "max_age", 3600.0),
          lambda line, operator: operator.set("inspector", "max_age", 1.5), 3.0),
    Fault("twin inspector", lambda line, operator: line.start("inspector", label="twin"), lambda line, operator: line.end("twin"), 12.0),
)


@dataclass
class Tally:
    """What came of the parts and of the faults.

    good, defective: destinations of good parts and of defective ones that the model rejects undisturbed.  missed: of those it misses by
    itself.  recovered: destinations of good parts from the third after a fault's end on.  breaches: defective parts in GOOD.
    """

    good: Counter = field(default_factory=Counter)
    defective: Counter = field(default_factory=Counter)
    missed: Counter = field(default_factory=Counter)
    recovered: Counter = field(default_factory=Counter)
    faults: Counter = field(default_factory=Counter)
    reasons: Counter = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)
    unreasoned: int = 0
    hangs: int = 0
    tracebacks: list[str] = field(default_factory=list)

    @property
    def parts(self) -> int:
        return sum((self.good + self.defective + self.missed).values())


class Truth:
    """Whether a part is defective, and whether the model rejects it three times of three; asked once for each part."""

    def __init__(self, row: Row, model: Path, backend: str) -> None:
        from hetnet_ros.inspection.part_inspector import PartInspector

        self._row, self._inspector = row, PartInspector.load(model, "cpu", backend=backend, threads=1)
        self._known: dict[int, str] = {}

    def of(self, index: int) -> str:
        """``good``, ``defective``, or ``missed``: defective, and the model does not always say so."""
        if index not in self._known:
            part = self._row.part(index)
            sure = part.defects and all(self._rejected(part, number) for number in (11, 12, 13))
            self._known[index] = "good" if not part.defects else "defective" if sure else "missed"
        return self._known[index]

    def _rejected(self, part: object, number: int) -> bool:
        from hetnet_ros.inspection.multi_view import SeenView, combine
        from hetnet_ros.inspection.result import Verdict

        seen = [SeenView(view, self._inspector.inspect(self._row.picture(part, view, number)), self._inspector.calibration)
                for view in VIEWS]
        return combine(seen, len(VIEWS), len(VIEWS)).verdict is Verdict.REJECT


def run(line: Line, operator: Operator, truth: Truth, arguments: argparse.Namespace) -> Tally:
    """Sort parts under fire until there are enough, or the time is over."""
    import numpy as np

    from hetnet_ros.msg import PartOutcome

    names = {getattr(PartOutcome, name): name for name in ("NOT_PLACED", "GOOD", "REJECT", "REINSPECT")}
    rng, tally, waiting = np.random.default_rng(arguments.seed), Tally(), []
    deadline = time.monotonic() + 60 * arguments.minutes if arguments.minutes else float("inf")
    counted, since_fault, last, fault = len(operator.outcomes), RECOVERED, time.monotonic(), None

    def tend() -> None:
        nonlocal counted, since_fault, last
        line.supervise()
        operator.look_after()
        while counted < len(operator.outcomes):
            outcome, counted, last = operator.outcomes[counted], counted + 1, time.monotonic()
            kind, where = truth.of(outcome.number), names[outcome.destination]
            getattr(tally, kind)[where] += 1
            tally.unreasoned += where != "GOOD" and not (outcome.reason or outcome.fault)
            tally.reasons[outcome.reason or where] += 1
            if kind == "good" and since_fault >= RECOVERED:
                tally.recovered[where] += 1
            if kind == "defective" and where == "GOOD":
                tally.breaches.append(f"part {outcome.number} under {fault.name if fault else 'no fault'}, "
                                      f"{since_fault} parts after the last")
            since_fault += 1
            if tally.parts % 25 == 0:
                print(_line(tally), flush=True)
        if time.monotonic() - last > HANG_SECONDS:
            tally.hangs, last = tally.hangs + 1, time.monotonic()
            print(f"hang: the planner is {operator.state!r} under {fault.name if fault else 'no fault'}", flush=True)

    def enough() -> bool:
        return tally.parts >= arguments.parts or time.monotonic() > deadline

    while not enough():
        if not waiting:
            waiting = [FAULTS[i] for i in rng.permutation(len(FAULTS))]
        calm = counted + int(rng.integers(1, RECOVERED + 3))
        wait_for(lambda: counted >= calm or enough(), 10 * HANG_SECONDS, tend)
        if enough():
            break
        fault, state = waiting.pop(), STATES[int(rng.integers(len(STATES)))]
        changes = operator.state_changes
        wait_for(lambda: operator.state == state and operator.state_changes > changes, 15.0, tend)
        time.sleep(float(rng.uniform(0, 0.4)))
        fault.strike(line, operator)
        tally.faults[fault.name] += 1
        since_fault, begun, struck = 0, counted, time.monotonic()
        wait_for(lambda: time.monotonic() - struck > fault.seconds and (fault.seconds or counted > begun), 2 * HANG_SECONDS, tend)
        fault.relieve(line, operator)
        since_fault, fault = 0, None
    return tally


def _line(tally: Tally) -> str:
    good, recovered = sum(tally.good.values()), sum(tally.recovered.values())
    return (f"{tally.parts} parts, {sum(tally.faults.values())} faults: {len(tally.breaches)} breaches; "
            f"good in GOOD {tally.good['GOOD']} of {good}, recovered {tally.recovered['GOOD']} of {recovered}; hangs {tally.hangs}")


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
    isolate()
    row = Row("front", arguments.seed, arguments.width, arguments.width * 3 // 4)
    with tempfile.TemporaryDirectory(prefix="hetnet_fire_") as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        model = arguments.model or teach_line(row, folder, arguments.preset, arguments.images, arguments.steps)
        truth = Truth(row, model, arguments.backend)
        line = make_line(row, model, arguments.backend, folder)
        operator = Operator()
        operator.strays = []
        try:
            for name in line.commands:
                line.start(name)
            if not wait_for(lambda: len(operator.outcomes) >= 3, 180.0, operator.look_after):
                raise SystemExit(f"the line did not begin: the planner is {operator.state!r}; see {folder}")
            tally = run(line, operator, truth, arguments)
        finally:
            for name in list(line.running):
                line.end(name)
            operator.close()
        tally.tracebacks = [f"{log.name}: {text}" for log in sorted(folder.glob("*.log"))
                            for text in log.read_text(errors="replace").splitlines() if text.startswith("Traceback")]
    return _report(tally, line, arguments)


def _report(tally: Tally, line: Line, arguments: argparse.Namespace) -> int:
    recovered = sum(tally.recovered.values())
    share = tally.recovered["GOOD"] / recovered if recovered else 0.0
    wrong = [text for text, bad in (
        (f"{len(tally.breaches)} defective parts in GOOD", tally.breaches), (f"{tally.unreasoned} outcomes without a reason", tally.unreasoned),
        (f"{tally.hangs} hangs", tally.hangs), (f"processes that ended by themselves: {line.ended}", line.ended),
        (f"tracebacks: {tally.tracebacks[:3]}", tally.tracebacks),
        (f"only {share:.1%} of good parts reach GOOD again", share < LEAST_GOOD)) if bad]
    print(_line(tally))
    for name, counts in (("good", tally.good), ("defective", tally.defective), ("missed undisturbed", tally.missed),
                         ("good, from the third part after a fault on", tally.recovered), ("faults", tally.faults), ("reasons", tally.reasons)):
        print(f"{name}: {', '.join(f'{key} {count}' for key, count in counts.most_common()) or 'none'}")
    for text in (*tally.breaches, *wrong):
        print(text)
    if arguments.json:
        values = {key: dict(value) if isinstance(value, Counter) else value for key, value in dataclasses.asdict(tally).items()}
        arguments.json.write_text(json.dumps({**values, "ended": line.ended, "recovered_share": share, "wrong": wrong}, indent=1) + "\n")
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
    parser.add_argument("--keep", type=Path, help="keep model and logs in this folder")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
