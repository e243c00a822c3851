"""A filter as an expression of Milvus over the fields ``label_hex`` and ``filters``.

What a client wrote never stands in an expression as it came: a text is the hexadecimal digits of
its UTF-8, which compare as its code points do.  ``filters`` has the key ``s_KEY`` for a text,
``n_KEY`` for a number and ``b_KEY`` for true or false, so that types never mix.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from alexnet_server.errors import BadIdentifier
from alexnet_server.index.where import MAX_TEXT, Condition, Scalar, Where, is_key

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_OPERATORS = {"eq": "==", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_LARGEST = 2**63 - 1  # of Milvus's integers; a larger one is compared as floating point


def hexadecimal(text: str) -> str:
    """``text`` as digits."""
    return text.encode().hex()


def filterable(metadata: dict[str, Any]) -> dict[str, str | float]:
    """``metadata`` as the field ``filters`` keeps it: what a filter can name, by key and type.

    Of a text one character more is kept than a filter's text can have: that decides any comparison.
    """
    found: dict[str, str | float] = {}
    for key, value in metadata.items():
        if is_key(key) and isinstance(value, str | int | float):
            kept = value[: MAX_TEXT + 1] if isinstance(value, str) else value
            found[_name(key, kept)] = _comparable(kept)
    return found


def expression(where: Where) -> str:
    """What a row must be to pass ``where``; the empty text where everything passes."""
    parts = [_compared(one) for one in where.conditions]
    if where.label is not None:
        parts.insert(0, f'label_hex == "{hexadecimal(where.label)}"')
    return both(*parts)


def both(*expressions: str) -> str:
    """All of ``expressions`` that are not empty must hold."""
    return " and ".join(f"({one})" for one in expressions if one)


def one_of(names: Sequence[str], field: str = "id") -> str:
    """The rows whose ``field`` is one of ``names``.  Raises BadIdentifier."""
    return f"{field} in [{', '.join(map(quoted, names))}]"


def quoted(picture_id: str) -> str:
    """An id as a literal, which no character of it can end.  Raises BadIdentifier."""
    if not _ID.fullmatch(picture_id):
        raise BadIdentifier("an id, and a cursor, is 1 to 128 of the characters A-Z a-z 0-9 . _ -")
    return f'"{picture_id}"'


def _compared(condition: Condition) -> str:
    wanted = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    operator = _OPERATORS.get(condition.operator, "==")  # of ``in`` each value is one that may be
    return " or ".join(_comparison(condition.key, operator, value) for value in wanted)


def _comparison(key: str, operator: str, value: Scalar) -> str:
    kept = _comparable(value)
    literal = f'"{kept}"' if isinstance(kept, str) else repr(kept)
    return f'filters["{_name(key, value)}"] {operator} {literal}'


def _name(key: str, value: Scalar) -> str:
    if isinstance(value, str):
        return f"s_{key}"
    return f"b_{key}" if isinstance(value, bool) else f"n_{key}"


def _comparable(value: Scalar) -> str | float:
    if isinstance(value, str):
        return hexadecimal(value)
    if abs(value) > _LARGEST:
        return float(value)
    return int(value) if isinstance(value, bool) else value
