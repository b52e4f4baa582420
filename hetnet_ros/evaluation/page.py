"""What every HTML report shares: one style, light or dark as the reader's machine is set, and one self-contained file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #222; --quiet: #666; --paper: #fff; --line: #ddd; --rule: #999; --grid: #ccc;
  --card: #f7f7f7; --good: #1d8a45; --bad: #d62d2a; --unsure: #b86f00; --mark: #0b5fc0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --quiet: #a0a0a0; --paper: #17191c; --line: #3a3d42;
  --rule: #777; --grid: #44474c; --card: #202328; --good: #4cc47a; --bad: #ff6f69; --unsure: #f0a840; --mark: #6cb0ff; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1240px;
  margin: 2em auto; padding: 0 1em; }
h1 { margin-bottom: 0; line-height: 1.2; overflow-wrap: anywhere; } h2 { margin-top: 2em; border-bottom: 1px solid var(--line); }
.quiet { color: var(--quiet); } p { overflow-wrap: anywhere; }
.tiles { display: flex; flex-wrap: wrap; gap: 1em; margin: 1.5em 0; }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: .6em 1.2em; } .tile b { display: block; font-size: 1.8em; }
.wide { overflow-x: auto; } table { border-collapse: collapse; } td, th { padding: .25em .9em; text-align: right; }
td:first-child, th:first-child { text-align: left; } th { border-bottom: 2px solid var(--rule); }
tbody tr:last-child td { border-top: 2px solid var(--rule); font-weight: bold; }
.conditions tbody tr:last-child td { border-top: 1px solid var(--grid); border-bottom: 1px solid var(--rule); }
.conditions tbody:last-child td { border: 0; font-weight: bold; } .conditions .worst td { color: var(--bad); }
svg { width: 100%; height: auto; } svg text { font-size: 13px; fill: var(--ink); }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(460px, 100%), 1fr)); gap: 1em; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
figure div { display: flex; } figure img { width: 33.34%; display: block; }
@media (max-width: 600px) { .tiles { display: grid; grid-template-columns: 1fr 1fr; gap: .6em; } .tile { padding: .5em .8em; }
  .tile b { font-size: 1.5em; } }
figcaption { padding: .4em .8em; } .PASS { color: var(--good); } .REJECT { color: var(--bad); } .UNCERTAIN { color: var(--unsure); }
"""


def document(title: str, sections: Iterable[str], style: str = "", script: str = "") -> str:
    """The whole document; ``style`` and ``script`` are added to the shared ones."""
    code = f"<script>{script}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{STYLE}{style}</style></head>\n<body>\n'
        + "\n".join(sections) + f"\n{code}</body></html>\n"
    )


def tiles(pairs: Iterable[tuple[str, str]]) -> str:
    """Figures in boxes; each a value and what it is."""
    boxes = "".join(f'<div class="tile"><b>{escape(value)}</b>{escape(text)}</div>' for value, text in pairs)
    return f'<div class="tiles">{boxes}</div>'


def html_table(headings: Sequence[str], blocks: Iterable[Iterable[Sequence[str]]], kind: str = "") -> str:
    """A table with one body for each block of rows; wider than the window, it scrolls by itself."""
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    bodies = "".join(
        "<tbody>" + "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in block)
        + "</tbody>"
        for block in blocks
    )
    name = f' class="{kind}"' if kind else ""
    return f'<div class="wide" tabindex="0"><table{name}><thead><tr>{head}</tr></thead>{bodies}</table></div>'


def jpeg_uri(data: bytes) -> str:
    """A JPEG file as a data URI."""
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()
