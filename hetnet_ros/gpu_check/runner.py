"""Runs parts, each as a process group of its own: what hangs, crashes or eats all memory costs its own part and no other.

Time is the runner's: a part past its limit is killed with all that it has started, and what it had measured by then counts.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hetnet_ros.foreign_text import shown
from hetnet_ros.gpu_check.child import EXIT_AGAIN
from hetnet_ros.gpu_check.plan import Part, Settings
from hetnet_ros.gpu_check.record import FAILED, INTERRUPTED, LIMIT, OK, SKIPPED, PartResult, Row

_POLL_SECONDS = 0.05
_GRACE_SECONDS = 2.0
_SOURCES = Path(__file__).resolve().parents[2]


class Runner:
    """Runs the parts it is given, one by one; ``results`` grows as they end, also when Ctrl-C (KeyboardInterrupt) ends it.

    say: gets each line of progress.  limits: seconds by part, in place of the plan's.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None], limits: Mapping[str, float]) -> None:
        self.results: list[PartResult] = []
        self._settings, self._say, self._limits = settings, say, dict(limits)
        self._left = 0.0  # seconds, over all calls of run

    def run(self, parts: Sequence[Part]) -> None:
        """Run all of them; a part whose needs failed, or that the quick check leaves out, is skipped."""
        try:
            for part in parts:
                own = part.limit(self._settings.quick)
                # The quick check has none of the parts that take the rest: there it is everybody's, for a busy machine.
                takes_rest = part.takes_rest or self._settings.quick
                limit = self._limits.get(part.name, own + (self._left if takes_rest else 0))
                reason = self._reason_against(part)
                if not reason:
                    self._say(f"{part.name}: {part.title.replace('`', '')} (at most {limit:.0f} s)")
                result = PartResult(part.name, part.title, SKIPPED, reason) if reason else self._run(part, limit)
                self._note(result)
                if part.name not in self._limits:
                    self._left = max(0.0, self._left + own - result.seconds)
        except KeyboardInterrupt:
            done = {result.name for result in self.results}
            self.results += [PartResult(part.name, part.title, INTERRUPTED, "not run: interrupted")
                             for part in parts if part.name not in done]
            raise

    def _reason_against(self, part: Part) -> str:
        if self._settings.quick and not part.quick_s and part.name not in self._limits:
            return "left out by --quick"
        for need in part.needs:
            found = next((result for result in self.results if result.name == need), None)
            if found is not None and found.state != OK:
                return f"needs {need}, which {'failed' if found.state != SKIPPED else 'was skipped'}"
        return ""

    def _note(self, result: PartResult) -> None:
        self.results.append(result)
        words = {OK: "done", FAILED: "FAILED", SKIPPED: "skipped", LIMIT: "PAST ITS LIMIT", INTERRUPTED: "interrupted"}
        after = f" in {result.seconds:.1f} s" if result.seconds else ""
        self._say(f"{result.name}: {words[result.state]}{after}{': ' + result.reason if result.reason else ''}")

    def _run(self, part: Part, limit: float) -> PartResult:
        """The part in as many processes as it takes; more than one where a device was lost or a process died."""
        started = time.monotonic()
        found = _Found()
        while True:
            try:
                code = self._one_process(part, started + limit, found)
            except KeyboardInterrupt:
                self.results.append(found.result(part, INTERRUPTED, "interrupted", time.monotonic() - started, limit))
                raise
            if code is None:
                if found.unit:
                    found.fail(f"still running after the part's {limit:g} s", LIMIT)
                reason = f"still running after {limit:g} s; --limit {part.name}=SECONDS gives it more"
                return found.result(part, LIMIT, reason, time.monotonic() - started, limit)
            if found.ended is not None:
                break
            if code != EXIT_AGAIN:  # no word from the part itself: something has ended its process
                reason = f"{_death(code)}; its last words: {_last_line(self._log(part))}"
                if not found.unit:
                    found.ended = (FAILED, reason)
                    break
                found.fail(reason)
            found.unit = None
        state, reason = found.ended
        bad = next((row for row in found.rows if row.state not in (OK, SKIPPED)), None)
        if state == OK and bad is not None:
            state, reason = FAILED, f"{bad.name}: {bad.reason}"
        return found.result(part, state, reason, time.monotonic() - started, limit)

    def _one_process(self, part: Part, deadline: float, found: _Found) -> int | None:
        """The exit code of one process of the part, None where its time was over."""
        with tempfile.NamedTemporaryFile(dir=self._settings.folder, suffix=".rows", mode="r", encoding="utf-8") as results:
            with self._log(part).open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "hetnet_ros.gpu_check.child", json.dumps(dataclasses.asdict(part)),
                     self._settings.to_json(), results.name, *found.dealt_with], stdin=subprocess.DEVNULL, stdout=log,
                    stderr=subprocess.STDOUT, env=self._environment(), start_new_session=True)
            try:
                while process.poll() is None and time.monotonic() < deadline:
                    found.read(results, self._say)
                    time.sleep(_POLL_SECONDS)
                code = process.poll()
            finally:
                _end_group(process)
            found.read(results, self._say)
            return code

    def _environment(self) -> dict[str, str]:
        work = self._settings.folder
        own = {"HETNET_CACHE": str(work / "cache"), "TORCHINDUCTOR_CACHE_DIR": str(work / "inductor"),
               "TRITON_CACHE_DIR": str(work / "triton"), "PYTHONUNBUFFERED": "1",
               "PYTHONPATH": os.pathsep.join(filter(None, (str(_SOURCES), os.environ.get("PYTHONPATH"))))}
        return {**os.environ, **own, **({} if self._settings.hub else {"HF_HUB_OFFLINE": "1"})}

    def _log(self, part: Part) -> Path:
        return self._settings.folder / f"{part.name}.log"


class _Found:
    """What a part has reported so far.  unit: the one it was at work on, as (table, name)."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.ended: tuple[str, str] | None = None
        self.unit: tuple[str, str] | None = None
        self.dealt_with: list[str] = []
        self._rest = ""

    def read(self, results, say: Callable[[str], None]) -> None:  # noqa: ANN001 - a text file
        *lines, self._rest = (self._rest + results.read()).split("\n")
        for line in lines:
            values = json.loads(line)
            if "row" in values:
                self._add(Row.of(values["row"]))
                say(f"  {_text(self.rows[-1])}")
            elif "note" in values:
                if values["note"] not in self.notes:  # a part in its second process says it again
                    self.notes.append(values["note"])
                    say(f"  {values['note']}")
            elif "begin" in values:
                self.unit = (values["table"], values["begin"])
                self.dealt_with.append(values["begin"])
            else:
                self.ended = (values["end"], values["reason"])

    def _add(self, row: Row) -> None:
        known = [(other.table, other.name) for other in self.rows]
        if (row.table, row.name) in known:
            self.rows[known.index((row.table, row.name))] = row
        else:
            self.rows.append(row)
        if self.unit == (row.table, row.name):
            self.unit = None

    def fail(self, reason: str, state: str = FAILED) -> None:
        """Close the unit that was at work."""
        table, name = self.unit  # type: ignore[misc]
        self._add(Row(table, name, {}, state, shown(reason)))

    def result(self, part: Part, state: str, reason: str, seconds: float, limit: float) -> PartResult:
        return PartResult(part.name, part.title, state, reason, round(seconds, 1), limit, tuple(self.rows), tuple(self.notes))


def _end_group(process: subprocess.Popen) -> None:
    """End the part's process and all that it has started, the nodes of a part that ended by itself as well."""
    for number, seconds in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
    process.wait()


def _death(code: int) -> str:
    if code >= 0:
        return f"its process ended with code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"its process was ended by {name}" + (" (no memory?)" if -code == signal.SIGKILL else "")


def _last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    return shown(lines[-1]) if lines else "none"


def _text(row: Row) -> str:
    figures = ", ".join(f"{name.replace('_', ' ')} {value}" if name != "value" else str(value) for name, value in row.figures.items())
    said = f"{'not here' if row.state == SKIPPED else row.state.upper()}: {row.reason}" if row.state != OK else ""
    return f"{row.name}: {'; '.join(filter(None, (figures, said)))}"
