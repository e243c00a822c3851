"""Filters as SQL, against Python over the same metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet_server.index import conditions
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.where import Condition, Scalar, Where, parse_where
from tests.unit.server.index.given import UNITS, opened, picture

SAID: list[dict[str, Any]] = [
    {},
    {"a": None},
    {"a": 0},
    {"a": 0.0},
    {"a": -1},
    {"a": 1},
    {"a": 1.5},
    {"a": 2},
    {"a": 2**53 + 1},
    {"a": 10**30},
    {"a": True},
    {"a": False},
    {"a": "1"},
    {"a": ""},
    {"a": "abc"},
    {"a": "ABC"},
    {"a": "\u00e9"},
    {"a": "x\u0000y"},
    {"a": 'it\'s "quoted" $.b'},
    {"a": "true"},
    {"a": [1]},
    {"a": {"b": 1}},
    {"A": 1},
    {"a-b_9": "key"},
    {"b": {"a": 1}},
]
VALUES = [value for one in SAID for value in one.values() if isinstance(value, str | int | float)]
OPERATORS = {
    "eq": lambda a, b: a == b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}


def kind(value: object) -> type | None:
    if isinstance(value, bool):
        return bool
    if isinstance(value, int | float):
        return float
    return str if isinstance(value, str) else None


def holds(condition: Condition, said: dict[str, Any]) -> bool:
    wanted = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    operator = OPERATORS["eq" if condition.operator == "in" else condition.operator]
    value = said.get(condition.key)
    if type(value) is int and abs(value) >= 2**63:
        value = float(value)  # as SQLite reads it, and a filter too
    return any(kind(value) is kind(one) and operator(value, one) for one in wanted)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PictureIndex]:
    folder: Path = tmp_path_factory.mktemp("conditions")
    index = opened(folder / "index.sqlite", index_keys=("a",))
    zero = np.zeros(UNITS, np.float32)
    index.upsert([picture(f"p{i:02d}", zero, "l", said) for i, said in enumerate(SAID)])
    yield index
    index.close()


scalar = st.sampled_from(VALUES) | st.floats(-3, 3) | st.text(max_size=3) | st.integers(-3, 3)


@st.composite
def filters(draw: st.DrawFn) -> dict[str, Any]:
    def values(value: Scalar) -> bool:
        return not isinstance(value, str) or value.isprintable() or "\x00" in value

    one = scalar.filter(values)
    bounded = one.filter(lambda value: not isinstance(value, bool))
    ranges = st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), bounded, min_size=1)
    wanted = one | ranges | st.lists(one, min_size=1, max_size=4)
    keys = st.sampled_from(["a", "a", "a", "A", "b", "a-b_9"])
    return draw(st.dictionaries(keys, wanted, min_size=1, max_size=3))


@given(filters())
@settings(max_examples=100, deadline=None)
def test_a_filter_means_the_same_in_sql(stored: PictureIndex, given: dict[str, Any]) -> None:
    where = parse_where(given)
    expected = [
        f"p{i:02d}"
        for i, said in enumerate(SAID)
        if all(holds(one, said) for one in where.conditions)
    ]
    assert [one.id for one in stored.page("", 100, where).pictures] == expected, json.dumps(given)
    assert stored.count(where) == len(expected)


def test_no_value_and_no_odd_key_reaches_the_text(stored: PictureIndex) -> None:
    evil = "x' OR 1=1 --"
    text, values = conditions.sql(Where(evil, (Condition("a", "in", (evil, evil)),)), 1)
    assert evil not in text
    assert values.count(evil) == 3
    for key in (evil, 'a"', "a.b", "", "\u00e9", "a" * 65):
        with pytest.raises(ValueError, match="not a key"):
            conditions.sql(Where(None, (Condition(key, "eq", 1),)), 1)


@pytest.mark.parametrize("given", [{"a": 1}, {"a": "x"}, {"a": {"gt": 1, "lt": 5}}, {"a": [1, 2]}])
def test_a_named_key_is_found_by_its_index(stored: PictureIndex, given: dict[str, Any]) -> None:
    text, values = conditions.sql(parse_where(given), 1)
    with stored._database.reading() as connection:
        select = f"EXPLAIN QUERY PLAN SELECT picture FROM pictures WHERE {text}"
        plan = str(list(connection.execute(select, values)))
    assert f"key_{b'a'.hex()}" in plan
