"""Whatever JSON comes as a filter: it is a filter that any store can take, or it is refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet_server.index.where import EVERYTHING, RANGES, Condition, Where, is_key, parse_where

KEYS = st.text(st.sampled_from("abzAZ09_-"), min_size=1, max_size=8)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=300),
    st.sampled_from(["'", '"', "\0", "' OR 1=1 --", "\ud800", "ÿ", 2**63, -(2**63), 10**400]),
)
JSON = st.recursive(
    st.none() | SCALARS,
    lambda one: st.lists(one, max_size=4) | st.dictionaries(st.text(max_size=4), one, max_size=4),
    max_leaves=12,
)
RANGE = st.dictionaries(st.sampled_from((*RANGES, "eq", "")), SCALARS, max_size=4)
FILTERS = st.dictionaries(KEYS | st.text(max_size=3), SCALARS | RANGE | JSON, max_size=10)


@settings(max_examples=400, deadline=None)
@given(JSON | FILTERS | st.dictionaries(KEYS, SCALARS | RANGE | st.lists(SCALARS), max_size=8))
def test_any_json_is_a_filter_or_refused_in_plain_words(value) -> None:
    try:
        where = parse_where(value, "label")
    except ValueError as error:
        assert type(error) is ValueError
        assert str(error)
        str(error).encode()  # it becomes part of an answer
        return
    assert where.label == "label"
    assert {condition.key for condition in where.conditions} == set(value)
    for condition in where.conditions:
        assert is_key(condition.key)
        assert condition.operator in ("eq", "in", *RANGES)
        several = condition.operator == "in"
        assert isinstance(condition.value, tuple) == several
        for one in condition.value if several else (condition.value,):
            assert isinstance(one, str | int | float)
            if isinstance(one, str):
                one.encode()
            elif isinstance(one, int):
                assert abs(one) < 2**63  # what a column of 64 bits takes
            else:
                assert math.isfinite(one)


def test_each_shape() -> None:
    given_json = '{"brand": "acme", "size": ["S", 1, true], "price": {"gte": 10, "lt": 20.5}}'
    assert parse_where(json.loads(given_json), "shoe") == Where(
        "shoe",
        (
            Condition("brand", "eq", "acme"),
            Condition("size", "in", ("S", 1, True)),
            Condition("price", "gte", 10),
            Condition("price", "lt", 20.5),
        ),
    )
    assert parse_where({}) == EVERYTHING


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([], "a JSON object"),
        (None, "a JSON object"),
        ({f"k{n}": 1 for n in range(9)}, "9 keys, the most is 8"),
        ({"a b": 1}, "1 to 64 characters"),
        ({"": 1}, "1 to 64 characters"),
        ({"é": 1}, "1 to 64 characters"),
        ({'a"b': 1}, "1 to 64 characters"),
        ({"a\n": 1}, "1 to 64 characters"),
        ({"a.b": 1}, "1 to 64 characters"),
        ({"x" * 65: 1}, "1 to 64 characters"),
        ({"a": None}, "finite numbers"),
        ({"a": math.nan}, "finite numbers"),
        ({"a": 10**400}, "finite numbers"),
        ({"a": "x" * 257}, "256 characters"),
        ({"a": "\ud800"}, "surrogate"),
        ({"a": []}, "1 to 100 values"),
        ({"a": ["x"] * 101}, "1 to 100 values"),
        ({"a": [["x"]]}, "finite numbers"),
        ({"a": {}}, "a range of gt, gte, lt, lte"),
        ({"a": {"eq": 1}}, "a range of gt, gte, lt, lte"),
        ({"a": {"gt": True}}, "true or false"),
        ({"a": {"gt": [1]}}, "finite numbers"),
    ],
    ids=str,
)
def test_what_is_refused_and_why(wrong: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_where(wrong)
