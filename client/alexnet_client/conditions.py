"""Filters on the metadata of stored pictures: as the server takes them, and as a person types them.

A filter is a mapping such as ``{"brand": "acme", "size": ["S", "M"], "price": {"gte": 10}}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_CONDITION = re.compile(r"\s*([A-Za-z0-9_-]{1,64})\s*(>=|<=|>|<|=)\s*(.*)", re.DOTALL)
_RANGES = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}


def as_query(where: Mapping[str, Any] | None) -> str | None:
    """Return the query parameter ``where``; None stays None."""
    return None if where is None else json.dumps(where, separators=(",", ":"))


def given(**params: object) -> dict[str, Any]:
    """Return the parameters that are not None."""
    return {name: value for name, value in params.items() if value is not None}


def from_texts(texts: Iterable[str]) -> dict[str, Any]:
    """Return the filter that ``brand=acme``, ``price>=10`` ... make together.

    The operators are ``=``, ``>``, ``>=``, ``<`` and ``<=``. Several ``=`` of one key mean any of
    these values. A value that reads as a JSON number, ``true``, ``false`` or a text in double
    quotes is that, and any other is text: ``size="10"`` is the text 10.

    Raises:
        ValueError: a text is no such condition, or two of one key cannot both be meant.
    """
    where: dict[str, Any] = {}
    for text in texts:
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise ValueError(
                f"{text!r} is no condition: write KEY=VALUE, KEY>=VALUE, KEY>VALUE, ..."
            )
        key, operator, said = found.groups()
        _add(where, key, operator, _value(said.rstrip()))
    return where


def _add(where: dict[str, Any], key: str, operator: str, value: str | float | bool) -> None:
    before = where.get(key)
    if operator == "=" and not isinstance(before, dict):
        if before is None:
            where[key] = value
        else:
            where[key] = [*(before if isinstance(before, list) else [before]), value]
        return
    bounds = {} if before is None else before
    if operator == "=" or not isinstance(bounds, dict) or _RANGES[operator] in bounds:
        raise ValueError(f"the conditions on {key!r} cannot all be meant: one of a kind, no mix")
    where[key] = {**bounds, _RANGES[operator]: value}


def _value(said: str) -> str | float | bool:
    try:
        value = json.loads(said, parse_constant=str)  # NaN is no number of JSON's, but text
    except ValueError:
        return said
    return value if isinstance(value, str | int | float) else said
