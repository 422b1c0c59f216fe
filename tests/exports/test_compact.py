"""Test that the fast writer of JSON without blanks gives the same bytes as the standard library."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.outgoing.exports.columns import compact
from tests.extent import examples

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


def slowly(text: str) -> str:
    return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))


@settings(deadline=None, max_examples=examples(500))
@given(value=values, as_ascii=st.booleans())
def test_any_value_is_written_as_before(value: Any, as_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=as_ascii)
    assert compact(text) == slowly(text)


@pytest.mark.parametrize(
    "text",
    [
        "1e16",
        "9999999999999998.0",
        "0.0001",
        "0.00001",
        "-0.0",
        "-0",
        "18446744073709551616",
        '{"a": [1.0, {"b": 1e400}]}',
        '{"a": 1, "b": 2, "a": 3}',
        '"\\ud83d\\ude00 \\u0000 \\u001f \\u007f \\u2028"',
        "[" * 300 + "]" * 300,
    ],
)
def test_where_the_libraries_differ(text: str) -> None:
    assert compact(text) == slowly(text)
