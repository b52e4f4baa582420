"""Text from elsewhere: one printable line of bounded length in every message, whoever words it."""

from __future__ import annotations

import pytest

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import MOST_IN_LINE, MOST_IN_NAME, fits_name, one_line
from hetnet_ros.inspection.image_conversion import BadImage, image_to_rgb

STRANGE = "x" * 10**6 + "\n[ERROR] forged\x1b[2J\x00\u202e\udce9"


def test_a_message_is_one_printable_line_whatever_it_quotes():
    for error in (InputError(f"file {STRANGE} is not there: check the path"), BadImage("undecodable", f"format {STRANGE!r}")):
        said = str(error)
        assert said.isprintable() and len(said) < MOST_IN_LINE + 100 and said.startswith("f")
    assert str(InputError(f"file {STRANGE} is not there: check the path")).endswith("is not there: check the path")
    assert str(InputError("two\nlines\x1b")) == r"two lines\x1b"
    assert str(InputError("Größe 10 µm – 'ok'")) == "Größe 10 µm – 'ok'"
    assert one_line(ValueError("a\tb")) == "a b"


def test_an_encoding_of_a_megabyte_stays_out_of_the_detail():
    class Message:
        width = height = 16
        encoding, step, data, is_bigendian = STRANGE, 48, b"", 0

    with pytest.raises(BadImage) as caught:
        image_to_rgb(Message())
    assert len(str(caught.value)) < MOST_IN_LINE + 100 and str(caught.value).isprintable()


def test_what_can_be_a_name():
    assert all(map(fits_name, ("", "lid 7", "Deckel/größer", "n" * MOST_IN_NAME)))
    assert not any(map(fits_name, ("n" * (MOST_IN_NAME + 1), "a\nb", "\x1b[31m", "caf\udce9", "\u202eabc")))
