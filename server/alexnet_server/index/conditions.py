"""A filter as SQL over the table ``pictures``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alexnet_server.index.where import Condition, Scalar, Where, is_key

_OPERATORS = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_LARGEST = 2**63 - 1  # of SQLite's integers; a larger one is compared as floating point

Bound = tuple[str, tuple[Any, ...]]


def sql(where: Where, generation: int) -> Bound:
    """What stands after WHERE, put together from constant text and checked keys, and its values.

    SQLite by itself takes true for 1 and any text for larger than any number; here the types are
    compared first, so that they never mix.
    """
    parts: list[Bound] = [("generation = ?", (generation,))]
    if where.label is not None:
        parts.append(("label = ?", (where.label,)))
    parts += [_condition(one) for one in where.conditions]
    texts, values = zip(*parts, strict=True)
    return " AND ".join(texts), tuple(value for each in values for value in each)


def extract(key: str) -> str:
    """SQL of the value of a metadata key, the same text in a query and in the index made for it.

    Raises ValueError where it is not a key that a filter can name.
    """
    return f"json_extract(metadata, {_path(key)})"


def _path(key: str) -> str:
    if not is_key(key):
        raise ValueError(f"{key!r} is not a key that a filter can name")
    return f"'$.\"{key}\"'"


def _condition(condition: Condition) -> Bound:
    key, wanted = condition.key, condition.value
    if isinstance(wanted, tuple):
        groups = [_one_of(key, kind, wanted) for kind in ("text", "number", "truth")]
        texts, values = zip(*(each for each in groups if each[1]), strict=True)
        return f"({' OR '.join(texts)})", tuple(value for each in values for value in each)
    compared = f"{extract(key)} {_OPERATORS[condition.operator]} ?"
    return f"({compared} AND {_is(key, _kind(wanted))})", (_bindable(wanted),)


def _one_of(key: str, kind: str, wanted: Sequence[Scalar]) -> Bound:
    values = tuple(_bindable(value) for value in wanted if _kind(value) == kind)
    places = ", ".join("?" * len(values))
    return f"({extract(key)} IN ({places}) AND {_is(key, kind)})", values


def _is(key: str, kind: str) -> str:
    types = {"text": "'text'", "number": "'integer', 'real'", "truth": "'true', 'false'"}[kind]
    return f"json_type(metadata, {_path(key)}) IN ({types})"


def _kind(value: Scalar) -> str:
    if isinstance(value, str):
        return "text"
    return "truth" if isinstance(value, bool) else "number"


def _bindable(value: Scalar) -> Scalar:
    if isinstance(value, int) and abs(value) > _LARGEST:
        return float(value)
    return value
