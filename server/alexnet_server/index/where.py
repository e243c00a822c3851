"""A filter over stored pictures: their label, and conditions on the top level of their metadata.

As JSON, everywhere the same: ``{"brand": "acme", "size": ["S", "M"], "price": {"gte": 10}}``.  All
of it must hold.  Types never mix: text is compared with text, numbers with numbers, true and false
with themselves; a key that a picture does not have fails every condition.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

Scalar = str | float | bool
RANGES = ("gt", "gte", "lt", "lte")
MAX_KEYS = 8
MAX_VALUES = 100
MAX_TEXT = 256
_INTEGERS = 2.0**63  # a store takes larger whole numbers as floating point
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Condition:
    """``operator`` is ``eq``, ``in`` or one of RANGES; ``value`` a tuple for ``in`` alone."""

    key: str
    operator: str
    value: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True)
class Where:
    """What a picture must have; everything passes where nothing is said."""

    label: str | None = None
    conditions: tuple[Condition, ...] = ()


EVERYTHING = Where()


def is_key(text: str) -> bool:
    """Whether a filter can name the metadata key ``text``."""
    return _KEY.fullmatch(text) is not None


def parse_where(given: object, label: str | None = None) -> Where:
    """The filter that JSON ``given`` means, and ``label``.

    Raises ValueError, in plain words, where it is not one.
    """
    if not isinstance(given, dict):
        raise ValueError("a filter is a JSON object of metadata keys")
    if len(given) > MAX_KEYS:
        raise ValueError(f"the filter has {len(given)} keys, the most is {MAX_KEYS}")
    conditions: list[Condition] = []
    for key, wanted in given.items():
        if not is_key(key):
            raise ValueError("a key of the filter is 1 to 64 characters of A-Z, a-z, 0-9, _ and -")
        conditions += _conditions(key, wanted)
    return Where(label, tuple(conditions))


def _conditions(key: str, wanted: object) -> list[Condition]:
    if isinstance(wanted, list):
        if not 1 <= len(wanted) <= MAX_VALUES:
            raise ValueError(f"{key!r} takes 1 to {MAX_VALUES} values, not {len(wanted)}")
        return [Condition(key, "in", tuple(_scalar(key, value) for value in wanted))]
    if isinstance(wanted, dict):
        if not wanted or not set(wanted) <= set(RANGES):
            raise ValueError(f"{key!r} takes a range of {', '.join(RANGES)}")
        return [_bound(key, operator, value) for operator, value in wanted.items()]
    return [Condition(key, "eq", _scalar(key, wanted))]


def _bound(key: str, operator: str, value: object) -> Condition:
    bound = _scalar(key, value)
    if isinstance(bound, bool):
        raise ValueError(f"{key!r} has a range of true or false: give numbers or texts")
    return Condition(key, operator, bound)


def _scalar(key: str, value: object) -> Scalar:
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise ValueError(f"{key!r} takes texts of at most {MAX_TEXT} characters")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(f"{key!r} has half a surrogate pair, which is no text")
        return value
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return value if abs(number) < _INTEGERS else number
    raise ValueError(f"{key!r} takes texts, finite numbers, true and false")
