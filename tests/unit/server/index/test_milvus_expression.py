"""A filter as an expression: nothing of a client's text is in it, and texts keep their order."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alexnet_server.errors import BadIdentifier
from alexnet_server.index.milvus.expression import (
    both,
    expression,
    filterable,
    hexadecimal,
    one_of,
    quoted,
)
from alexnet_server.index.where import MAX_TEXT, Where, parse_where

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=MAX_TEXT)
NUMBER = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
SCALAR = TEXT | NUMBER | st.booleans()
KEY = st.text("abcXYZ09_-", min_size=1, max_size=64)
RANGE = st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), TEXT | NUMBER, min_size=1)
WHERE = st.dictionaries(KEY, SCALAR | st.lists(SCALAR, min_size=1, max_size=9) | RANGE, max_size=8)
LITERAL = r'(?:"[0-9a-f]*"|-?\d+|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)'
COMPARED = rf'filters\["[snb]_[A-Za-z0-9_-]{{1,64}}"\] (?:==|<=?|>=?) {LITERAL}'
WHOLE = re.compile(
    rf'(?:\(label_hex == "[0-9a-f]*"\))?(?: and )?'
    rf"(?:\({COMPARED}(?: or {COMPARED})*\)(?: and )?)*",
    re.ASCII,
)


@given(WHERE, st.none() | TEXT)
def test_an_expression_is_made_of_constants_and_digits(
    wanted: dict[str, Any], label: str | None
) -> None:
    made = expression(parse_where(wanted, label))
    assert WHOLE.fullmatch(made), made
    assert (made == "") == (not wanted and label is None)


@given(TEXT, TEXT)
def test_digits_compare_as_texts_do(one: str, other: str) -> None:
    assert (one < other) == (hexadecimal(one) < hexadecimal(other))
    assert (one == other) == (hexadecimal(one) == hexadecimal(other))


@example("a" * (MAX_TEXT + 1), "a" * MAX_TEXT)
@given(st.text(st.sampled_from("aé💡"), max_size=600), st.text("aé💡", max_size=MAX_TEXT))
def test_what_is_kept_of_a_long_text_decides_every_comparison(text: str, bound: str) -> None:
    kept = filterable({"k": text})["s_k"]
    assert isinstance(kept, str)
    assert (kept > hexadecimal(bound)) == (text > bound)
    assert (kept < hexadecimal(bound)) == (text < bound)
    assert (kept == hexadecimal(bound)) == (text == bound)


@given(st.dictionaries(st.text(max_size=70), SCALAR | st.none() | st.lists(SCALAR), max_size=9))
def test_what_a_filter_can_name_is_kept_by_its_type(metadata: dict[str, Any]) -> None:
    kept = filterable(metadata)
    json.dumps(kept).encode()
    for key, value in metadata.items():
        if isinstance(value, bool) and re.fullmatch("[A-Za-z0-9_-]{1,64}", key, re.ASCII):
            assert kept[f"b_{key}"] == int(value)
        assert not isinstance(value, list) or not {f"{kind}_{key}" for kind in "snb"} & set(kept)
    assert all(abs(value) < 2**63 for value in kept.values() if isinstance(value, int))


def test_expressions_read_as_they_should() -> None:
    where = parse_where({"brand": "ä", "size": ["S", 5, True], "price": {"gte": 10, "lt": 1e9}})
    assert expression(where) == (
        '(filters["s_brand"] == "c3a4")'
        ' and (filters["s_size"] == "53" or filters["n_size"] == 5 or filters["b_size"] == 1)'
        ' and (filters["n_price"] >= 10) and (filters["n_price"] < 1000000000.0)'
    )
    assert expression(Where()) == ""
    assert both("", "id > 1", "") == "(id > 1)"
    assert one_of(["a.b", "c"]) == 'id in ["a.b", "c"]'


@given(st.text())
def test_an_id_is_quoted_only_where_it_is_one(text: str) -> None:
    if re.fullmatch(r"[A-Za-z0-9._-]{1,128}", text, re.ASCII):
        assert quoted(text) == f'"{text}"'
    else:
        with pytest.raises(BadIdentifier):
            quoted(text)
