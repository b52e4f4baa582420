"""What came of the parts under fire, held against what the model says of them undisturbed."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fire_line import VIEWS, Row

RECOVERED = 3
"""From this part after a fault's end on, counted from 1, good parts are to reach the good bin again."""
LEAST_GOOD = 0.9


@dataclass(frozen=True)
class Placed:
    """A part that was put away.  fault: what held then, or empty.  calm: parts since the last fault's end."""

    number: int
    where: str
    reason: str
    fault: str
    calm: int


class Truth:
    """Whether a part is defective, and whether the model says so three times of three; asked once for each part."""

    def __init__(self, row: Row, model: Path, backend: str, good_as_well: bool = True) -> None:
        from hetnet_ros.inspection.part_inspector import PartInspector

        self._row, self._inspector = row, PartInspector.load(model, "cpu", backend=backend)
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
