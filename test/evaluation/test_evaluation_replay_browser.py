"""The report in a real browser: no error, no request, pictures load, and the gallery's controls do what they say.

Chromium runs headless on a copy of the report with a script at its end that uses the controls as a person does and writes
what it sees into the page, which is then read back.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from hetnet_ros.cli.main import main

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=8000"]
WATCH = """<script>
window.problems = [];
addEventListener('error', (e) => problems.push('error: ' + (e.message || e.target.outerHTML.slice(0, 80))), true);
addEventListener('unhandledrejection', (e) => problems.push('rejected: ' + e.reason));
for (const level of ['error', 'warn']) console[level] = (...words) => problems.push(level + ': ' + words.join(' '));
</script>"""
ACT = """<pre id="seen"></pre><script>
addEventListener('load', () => {
  const seen = {};
  const by = (id) => document.getElementById(id), cards = () => [...document.querySelectorAll('.card')];
  const shown = () => cards().filter((card) => card.offsetParent !== null);
  const set = (control, value) => { control.value = value; control.dispatchEvent(new Event('input', {bubbles: true})); };
  const filter = (name) => document.querySelector(`[data-filter="${name}"]`);
  const values = (card) => JSON.parse(card.dataset.values);
  seen.images = [...document.images].length;
  seen.loaded = [...document.images].filter((image) => image.complete && image.naturalWidth > 0).length;
  seen.charts = document.querySelectorAll('svg').length;
  seen.all = shown().length;
  seen.filters = [...document.querySelectorAll('[data-filter]')].map((control) => control.dataset.filter);
  const verdict = filter('verdict').options[1].value;  // after "all"
  set(filter('verdict'), verdict);
  seen.chosen = [shown().length, shown().every((card) => values(card).verdict === verdict), by('count').textContent];
  set(filter('illumination'), 'low');
  seen.both = [shown().length, shown().every((c) => values(c).verdict === verdict && values(c).illumination === 'low')];
  by('reset').click();
  seen.reset = shown().length;
  set(by('low'), '0.4');
  seen.high = shown().every((card) => Number(card.dataset.score) >= 0.4) && shown().length < seen.all;
  set(by('high'), '0.3');
  seen.nothing = [shown().length, by('none').offsetParent !== null];
  by('reset').click();
  const scores = () => cards().map((card) => Number(card.dataset.score));
  const ordered = (list, sign) => list.every((value, i) => i === 0 || sign * (value - list[i - 1]) >= 0);
  set(by('sort'), 'rising'); seen.rising = ordered(scores(), 1);
  set(by('sort'), 'falling'); seen.falling = ordered(scores(), -1);
  set(by('sort'), 'time'); seen.time = ordered(cards().map((card) => Number(card.dataset.time)), 1);
  const button = cards()[0].querySelector('button');
  const narrow = cards()[0].offsetWidth;
  button.focus();
  seen.focused = document.activeElement === button;
  button.click();
  seen.enlarged = [cards()[0].offsetWidth >= narrow, button.getAttribute('aria-expanded')];
  seen.overflow = document.documentElement.scrollWidth - innerWidth;
  seen.requests = performance.getEntriesByType('resource').map((e) => e.name).filter((name) => !name.startsWith('data:'));
  seen.problems = problems;
  by('seen').textContent = JSON.stringify(seen);
});
</script>"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def report(labelled_bag, tiny_model, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert main(["replay", str(labelled_bag), "--model", str(tiny_model), "--report", str(path)]) == 0
    return path.read_text()


def browse(html: str, folder, width: int) -> tuple[dict, list[str]]:
    """What the page's script saw, and what the page asked the network for by Chromium's own log; the browser's own
    business has no page as its initiator."""
    page = folder / "page.html"
    page.write_text(html.replace("<head>", f"<head>{WATCH}", 1).replace("</body>", f"{ACT}</body>", 1))
    log = folder / "net.json"
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900", f"--log-net-log={log}",
         "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120,
    )
    found = re.search(r'<pre id="seen">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    text = found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    asked = re.findall(r'"initiator":"([^"]*)"[^\n]*?"url":"(https?:[^"]*)"', log.read_text())
    return json.loads(text), [url for initiator, url in asked if initiator != "not an origin"]


@pytest.mark.parametrize("width", [1400, 500])
def test_the_report_works_in_a_browser(report, tmp_path, width):
    seen, network = browse(report, tmp_path, width)
    assert seen["problems"] == [] and seen["requests"] == [] and network == []
    assert seen["images"] == seen["loaded"] == 3 * 24 and seen["charts"] >= 5
    assert seen["all"] == seen["reset"] == 24
    assert {"verdict", "truth", "illumination"} <= set(seen["filters"])
    count, only, text = seen["chosen"]
    assert 0 < count < 24 and only and text == f"{count} of 24 frames"
    assert 0 < seen["both"][0] < count and seen["both"][1]
    assert seen["high"] and seen["nothing"] == [0, True]
    assert seen["rising"] and seen["falling"] and seen["time"]
    assert seen["focused"] and seen["enlarged"] == [True, "true"]
    assert seen["overflow"] <= 0


def test_a_request_or_an_error_would_be_seen(report, tmp_path):
    spoiled = report.replace("</body>", '<img src="http://127.0.0.1:9/x.png"><script>nonsense()</script></body>', 1)
    seen, network = browse(spoiled, tmp_path, 1400)
    assert network == ["http://127.0.0.1:9/x.png"]
    assert any("nonsense" in problem for problem in seen["problems"])


def test_the_file_names_no_other_place(report):
    assert re.findall(r"""(?:src|href)=["'](?!data:)[^"']*""", report) == []
    assert "http://" not in report and "https://" not in report and "@import" not in report


def test_the_pictures_are_bounded(report):
    from hetnet_ros.evaluation.replay.showcase import LARGEST_BYTES

    assert len(report) < 1.4 * LARGEST_BYTES
