"""JSON that means one thing only."""

import pytest

from hetnet_ros import plain_json


@pytest.mark.parametrize("text, said", [
    ('{"accept": 1, "accept": 2}', "'accept' is given twice"), ('{"a": {"b": 1, "b": 1}}', "'b' is given twice"), ("[NaN]", "is no JSON number"),
    ("[Infinity]", "is no JSON number"), ("[-Infinity]", "is no JSON number"), ("[1e999]", "is no finite number"),
    ("[-1e999]", "is no finite number"),
    ("[" + "9" * 400 + "]", "a number of 400 digits"), ("[" * 100_000, "more than 50 deep"), ('{"a": 1', "line 1"), ("", "line 1"),
])
def test_what_means_more_than_one_thing_or_nothing_is_refused_in_one_line(text, said):
    with pytest.raises(ValueError, match=said) as error:
        plain_json.parse(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_other_texts_are_read_as_everywhere():
    assert plain_json.parse('{"a": [1, -2.5, "NaN", true, null], "b": {"a": 18446744073709551615}}') == {
        "a": [1, -2.5, "NaN", True, None], "b": {"a": 2**64 - 1}}
