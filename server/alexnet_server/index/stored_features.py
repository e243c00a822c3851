"""Features and keys read many at a time from an index file."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import apsw
import numpy as np
import numpy.typing as npt

from alexnet_server.engine import Values
from alexnet_server.index.blocks import Keys
from alexnet_server.index.rows import FEATURES, damaged

AT_ONCE = 80  # 1.25 MiB of features: of 2 MiB each took a third longer
_JOINED = (
    "SELECT group_concat(picture), CAST(group_concat(features, '') AS BLOB), group_concat(crc32)"
    " FROM (SELECT * FROM features WHERE picture IN carray(?) ORDER BY picture)"
)


class StoredFeatures(NamedTuple):
    """``keys`` int64 [n], ascending, ``features`` float32 [n, units] and their ``crc32`` int64 [n].

    The CRCs are not looked at: a search reads hundreds of pictures for the few that it finds.
    """

    keys: Keys
    features: Values
    crc32: Keys

    def damaged(self, rows: npt.NDArray[np.intp]) -> set[int]:
        """The keys of those ``rows`` that are not as they were written."""
        return {
            int(self.keys[row]) for row in rows if zlib.crc32(self.features[row]) != self.crc32[row]
        }


def read_keys(
    connection: apsw.Connection, where: str, values: tuple[Any, ...], limit: int = -1
) -> Keys:
    """Keys of the pictures that pass the SQL ``where``, int64, ascending; ``limit`` -1 is none.

    SQLite joins them into one text: as a row each, a million would take Python's lock a million
    times from those who search meanwhile.
    """
    joined = connection.execute(
        "SELECT group_concat(picture) FROM"  # noqa: S608 (constant text and checked keys)
        f" (SELECT picture FROM pictures WHERE {where} LIMIT ?)",
        (*values, limit),
    ).get
    return np.sort(_numbers(joined))


def read_features(connection: apsw.Connection, keys: Keys, units: int) -> StoredFeatures:
    """Those of ``keys``, ascending, that are there.

    Raises StorageFailed where one has another length than ``units``.

    SQLite joins them too (it keeps every byte of a blob): as a row each, 200 took Python's lock 200
    times, and eight who searched at once did half as much.
    """
    if not len(keys):
        return StoredFeatures(keys, np.empty((0, units), FEATURES), keys)
    asked = (apsw.carray(np.ascontiguousarray(keys)),)
    numbers, joined, checks = connection.execute(_JOINED, asked).get
    found, crc32 = _numbers(numbers), _numbers(checks)
    if len(joined or b"") != len(found) * units * FEATURES.itemsize:
        raise damaged(f"the features of some of {len(found)} pictures: not {units} units each")
    features = np.frombuffer(joined or b"", FEATURES).reshape(len(found), units)
    if (found[1:] > found[:-1]).all():
        return StoredFeatures(found, features, crc32)
    order = np.argsort(found)  # SQLite promises no order
    return StoredFeatures(found[order], features[order], crc32[order])


def _numbers(joined: str | None) -> Keys:
    return np.fromstring(joined or "", np.int64, sep=",")
