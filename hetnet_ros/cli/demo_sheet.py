"""The demonstration's pictures: one overlay for each part, and one sheet that shows all of them with truth and
verdict."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from hetnet_ros.inspection.overlay import VERDICT_COLOURS
from hetnet_ros.inspection.result import Verdict

if TYPE_CHECKING:
    from hetnet_ros.nodes.part_show import ShownPart

_COLUMNS = 5
_TILE = (400, 300)
_CAPTION, _GAP, _HEAD = 54, 14, 104
_PAPER, _INK, _FAINT, _TRUTH = (246, 247, 249), (28, 32, 38), (104, 112, 122), (0, 170, 255)
_MISTAKE = (176, 0, 96)


def overlay_name(part: ShownPart) -> str:
    """What the overlay of a part is called: ``<number>_<truth>_<verdict>.png``."""
    return f"{part.index:03d}_{part.truth}_{Verdict(part.verdict).name}.png"


def png(picture: Image.Image, small: bool = False) -> bytes:
    """A picture as a PNG file; ``small`` takes longer."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=small)
    return buffer.getvalue()


def draw_sheet(parts: Sequence[ShownPart], title: str, subtitle: str) -> Image.Image:
    """The contact sheet: tiles in rows of five, framed in the verdict's colour, the true place of a defect in
    blue, a wrong verdict with a label."""
    rows = math.ceil(len(parts) / _COLUMNS)
    pitch_x, pitch_y = _TILE[0] + _GAP, _TILE[1] + _CAPTION + _GAP
    sheet = Image.new("RGB", (_GAP + min(_COLUMNS, len(parts)) * pitch_x, _HEAD + rows * pitch_y + _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP + 2, 18), title, _INK, ImageFont.load_default(32))
    pen.text((_GAP + 2, 62), subtitle, _FAINT, ImageFont.load_default(18))
    _legend(pen, sheet.width - _GAP)
    for place, part in enumerate(parts):
        _tile(sheet, pen, part, _GAP + place % _COLUMNS * pitch_x, _HEAD + place // _COLUMNS * pitch_y)
    return sheet


def _tile(sheet: Image.Image, pen: ImageDraw.ImageDraw, part: ShownPart, x: int, y: int) -> None:
    colour = VERDICT_COLOURS[Verdict(part.verdict)]
    width, height = _TILE
    pen.rounded_rectangle((x, y, x + width, y + height + _CAPTION), 8, fill="white", outline=colour, width=4)
    picture = Image.fromarray(part.overlay)
    scale = min((width - 8) / picture.width, (height - 8) / picture.height)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    left, top = x + (width - picture.width) // 2, y + 4 + (height - 8 - picture.height) // 2
    sheet.paste(picture, (left, top))
    if part.truth_box is not None:
        box, spare = part.truth_box, 9
        pen.rounded_rectangle(
            (
                left + box.x * scale - spare,
                top + box.y * scale - spare,
                left + (box.x + box.width) * scale + spare,
                top + (box.y + box.height) * scale + spare,
            ),
            6,
            outline=_TRUTH,
            width=2,
        )
    middle, small = ImageFont.load_default(20), ImageFont.load_default(15)
    words = Verdict(part.verdict).name + (f" ({part.reason})" if part.reason not in ("", "anomaly") else "")
    words = f"{part.index:02d}  {words}"
    pen.text((x + 12, y + height + 2), words, colour, middle if pen.textlength(words, middle) <= width - 24 else small)
    pen.text((x + 12, y + height + 28), f"truth: {part.truth.replace('_', ' ')}", _INK, small)
    _label(pen, part.mistake, x + width - 12, y + height + 4)
    figures = f"score {part.score:.2f}   {part.latency_ms:.0f} ms"
    pen.text((x + width - 12 - pen.textlength(figures, small), y + height + 28), figures, _FAINT, small)


def _label(pen: ImageDraw.ImageDraw, words: str, right: int, top: int) -> None:
    """Write a wrong verdict's label, white on a dark ground; nothing for a right one."""
    if words:
        font = ImageFont.load_default(15)
        left = right - pen.textlength(words.upper(), font) - 16
        pen.rounded_rectangle((left, top, right, top + 22), 5, fill=_MISTAKE)
        pen.text((left + 8, top + 2), words.upper(), "white", font)


def _legend(pen: ImageDraw.ImageDraw, right: int) -> None:
    font = ImageFont.load_default(17)
    entries = [
        (verdict.name, VERDICT_COLOURS[verdict]) for verdict in (Verdict.PASS, Verdict.REJECT, Verdict.UNCERTAIN)
    ]
    for words, colour in [("true place of the defect", _TRUTH), *reversed(entries)]:
        right -= pen.textlength(words, font)
        pen.text((right, 62), words, _INK, font)
        right -= 22
        pen.rounded_rectangle((right, 66, right + 15, 81), 4, outline=colour, width=3)
        right -= 20
