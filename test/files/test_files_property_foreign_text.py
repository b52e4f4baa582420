"""Whatever text is quoted, a message stays one printable line of bounded length."""

from __future__ import annotations

from hostile_values import texts
from hypothesis import example, given
from hypothesis import strategies as st

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import MOST_IN_LINE, MOST_SHOWN, fits_name, one_line, shown

long_texts = st.one_of(texts, st.builds(lambda text, times: text * times, texts, st.sampled_from([1, 7, 50])))


@given(long_texts)
@example("\0" * 1000)  # each becomes four characters
@example("\U000e0001" * 900)
@example("\n" * 5000)
@example(" \u2028" * 700)
def test_a_message_is_one_printable_line(text):
    for said in (one_line(text), str(InputError(text))):
        assert said.isprintable() and len(said) <= MOST_IN_LINE + 100
    assert shown(text).isprintable() and len(shown(text)) <= MOST_SHOWN + 100


@given(texts)
def test_a_plain_message_is_not_changed(text):
    if text.isprintable() and len(text) <= MOST_SHOWN:
        assert shown(text) == text and one_line(text) == " ".join(text.split())


@given(long_texts)
def test_a_name_can_be_shown_as_it_is(text):
    if fits_name(text):
        assert shown(text) == text and text.isprintable()
