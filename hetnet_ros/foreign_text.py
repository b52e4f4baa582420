"""Text from elsewhere (names in messages and files, paths, what a library says) made fit for one line of a log or a message.

Such text may be a megabyte long, hold line breaks that forge a log's lines, control codes that drive a terminal, or bytes that
are no UTF-8 and cannot be published.
"""

from __future__ import annotations

MOST_SHOWN = 200
"""Characters of a foreign text that are shown at most."""
MOST_IN_LINE = 1000
"""Characters of a whole message."""
MOST_IN_NAME = 200
"""Characters of a name that others may give: of a part, a view, a topic, a frame."""


def shown(text: object, most: int = MOST_SHOWN) -> str:
    """``text`` as printable characters on one line, at most ``most`` of them and a word on how many were left out."""
    full = str(text)
    cut = full[:most]
    plain = "".join(letter if letter.isprintable() else _escaped(letter) for letter in cut)
    plain = plain if len(plain) <= most else plain[:most]
    return plain if len(full) <= most else f"{plain}... ({len(full):,} characters)"


def one_line(text: object, most: int = MOST_IN_LINE) -> str:
    """A whole message, whatever foreign texts it quotes, as printable characters on one line; of a longer one the beginning and
    the end, where what happened and what to do stand."""
    full = str(text)
    cut = full if len(full) <= most else f"{full[: most * 2 // 3]} ... ({len(full):,} characters) ... {full[-(most // 3):]}"
    plain = "".join(letter if letter.isprintable() else _escaped(letter) for letter in " ".join(cut.split()))
    return plain if len(plain) <= max(most, len(cut)) else f"{plain[: most * 2 // 3]} ... {plain[-(most // 3):]}"  # escapes are longer


def fits_name(text: str, most: int = MOST_IN_NAME) -> bool:
    """Whether ``text`` can be a name, which goes into logs, messages and reports as it is; it may be empty."""
    return len(text) <= most and text.isprintable()


def _escaped(letter: str) -> str:
    if 0xDC80 <= ord(letter) <= 0xDCFF:  # a byte that is no UTF-8, as Python keeps it in paths
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode("ascii")
