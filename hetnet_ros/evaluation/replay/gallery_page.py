"""The report's gallery: a card for each frame, and the controls that sort and filter them in the browser.

Everything is in the file: pictures as data, some forty lines of plain JavaScript, no request to anywhere.  Without
JavaScript all cards show, the worst first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape

from hetnet_ros.evaluation.page import jpeg_uri
from hetnet_ros.evaluation.replay.showcase import Shown

GALLERY_STYLE = """
.controls { display: flex; flex-wrap: wrap; gap: .6em 1em; align-items: end; position: sticky; top: 0; z-index: 1;
  background: var(--paper); padding: .6em 0; border-bottom: 1px solid var(--line); }
.controls label { display: flex; flex-direction: column; font-size: .85em; color: var(--quiet); }
.controls select, .controls input, .controls button { font: inherit; color: var(--ink); background: var(--card);
  border: 1px solid var(--rule); border-radius: 6px; padding: .25em .5em; min-height: 2.2em; max-width: 15em; }
.controls input { width: 5.5em; } .controls output { font-weight: bold; padding-bottom: .35em; }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 1px; }
.card { background: var(--card); } .card[hidden] { display: none; }
.card button { display: flex; width: 100%; padding: 0; border: 0; background: none; cursor: zoom-in; }
.card img { width: 33.34%; } .card.big { grid-column: 1 / -1; } .card.big button { cursor: zoom-out; }
.chips { display: flex; flex-wrap: wrap; gap: .3em; margin-top: .3em; }
.chips span { font-size: .85em; border: 1px solid var(--line); border-radius: 1em; padding: 0 .6em; }
.none { padding: 2em 0; } .none[hidden] { display: none; }
@media (max-width: 600px) { .controls { position: static; gap: .5em; } .controls label { flex: 1 1 40%; }
  .controls select, .controls input { width: 100%; max-width: none; }
  .card.big button { flex-direction: column; } .card.big img { width: 100%; } }
"""

GALLERY_SCRIPT = """
(() => {
  const grid = document.getElementById('cards'), cards = [...grid.children];
  const filters = [...document.querySelectorAll('[data-filter]')], sort = document.getElementById('sort');
  const low = document.getElementById('low'), high = document.getElementById('high');
  const count = document.getElementById('count'), none = document.getElementById('none');
  const number = (card, key) => card.dataset[key] === '' ? Infinity : Number(card.dataset[key]);
  const orders = {
    worst: (a, b) => number(a, 'rank') - number(b, 'rank'),
    rising: (a, b) => number(a, 'score') - number(b, 'score'),
    falling: (a, b) => number(b, 'score') - number(a, 'score'),
    time: (a, b) => number(a, 'time') - number(b, 'time'),
  };
  const inRange = (card) => {
    const from = low.value === '' ? -Infinity : Number(low.value), to = high.value === '' ? Infinity : Number(high.value);
    return card.dataset.score === '' ? low.value === '' && high.value === '' : from <= number(card, 'score') && number(card, 'score') <= to;
  };
  const show = () => {
    let shown = 0;
    for (const card of cards) {
      const values = JSON.parse(card.dataset.values);
      card.hidden = !(inRange(card) && filters.every((f) => f.value === '' || values[f.dataset.filter] === f.value));
      shown += !card.hidden;
    }
    grid.append(...cards.sort(orders[sort.value]));
    count.textContent = shown + ' of ' + cards.length + ' frames';
    none.hidden = shown > 0;
  };
  for (const control of [...filters, sort, low, high]) control.addEventListener('input', show);
  document.getElementById('reset').addEventListener('click', () => {
    for (const control of [...filters, low, high]) control.value = '';
    sort.value = 'worst';
    show();
  });
  grid.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (button) button.setAttribute('aria-expanded', button.closest('.card').classList.toggle('big'));
  });
  show();
})();
"""


def gallery(shown: Sequence[Shown], axes: Sequence[str]) -> str:
    """Controls and cards; ``axes`` are the conditions to filter by."""
    if not shown:
        return "<p>There is no frame to show.</p>"
    values = [_values(frame, axes) for frame in shown]
    chosen = [axis for axis in ("verdict", "kind", "truth", *axes) if len({row[axis] for row in values}) > 1]
    filters = "".join(_select(axis, sorted({row[axis] for row in values})) for axis in chosen)
    cards = "\n".join(_card(rank, frame, row) for rank, (frame, row) in enumerate(zip(shown, values)))
    return (
        f'<div class="controls" role="group" aria-label="Sort and filter the frames">{filters}'
        '<label>score from <input id="low" type="number" min="0" max="1" step="0.05" inputmode="decimal"></label>'
        '<label>score to <input id="high" type="number" min="0" max="1" step="0.05" inputmode="decimal"></label>'
        '<label>sort by <select id="sort"><option value="worst">worst first</option>'
        '<option value="falling">score, high first</option><option value="rising">score, low first</option>'
        '<option value="time">time</option></select></label>'
        '<button id="reset" type="button">Show all</button>'
        f'<output id="count" aria-live="polite">{len(shown)} frames</output></div>\n'
        '<p id="none" class="none" hidden>No frame fits these filters.</p>\n'
        f'<div class="gallery" id="cards">\n{cards}\n</div>'
    )


def _values(frame: Shown, axes: Sequence[str]) -> dict[str, str]:
    outcome = frame.outcome
    conditions = {axis: outcome.condition.on(axis) or "not known" for axis in axes}
    return {"verdict": outcome.verdict.name, "kind": frame.kind, "truth": outcome.label or "not known", **conditions}


def _select(axis: str, values: list[str]) -> str:
    options = "".join(f'<option value="{escape(value)}">{escape(value)}</option>' for value in values)
    return f'<label>{escape(axis)} <select data-filter="{escape(axis)}"><option value="">all</option>{options}</select></label>'


def _card(rank: int, frame: Shown, values: dict[str, str]) -> str:
    outcome = frame.outcome
    score = f"{outcome.score:.4f}" if math.isfinite(outcome.score) else ""
    pictures = "".join(
        f'<img alt="{kind} of frame {outcome.index}" src="{jpeg_uri(data)}">'
        for kind, data in (("image", frame.image), ("anomaly map", frame.heat), ("overlay", frame.overlay))
    )
    conditions = [f"{axis}: {value}" for axis, value in outcome.condition.values]
    chips = "".join(f"<span>{escape(text)}</span>" for text in (frame.kind, *([outcome.part] if outcome.part else []),
                                                               *conditions))
    return (
        f'<figure class="card" data-rank="{rank}" data-score="{score}" data-time="{outcome.index}" '
        f'data-values="{escape(json.dumps(values))}"><button type="button" aria-expanded="false" '
        f'title="larger or smaller">{pictures}</button><figcaption>frame {outcome.index}, truth '
        f"<b>{escape(values['truth'])}</b>, verdict <b class=\"{outcome.verdict.name}\">{outcome.verdict.name}</b> "
        f'<span class="quiet">{escape(outcome.reason)} score {score or "none"}</span>'
        f'<div class="chips">{chips}</div></figcaption></figure>'
    )
