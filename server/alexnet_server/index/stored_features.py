"""Features and keys read many at a time from an index file."""

from __future__ import annotations

from typing import Any

import apsw
import numpy as np

from alexnet_server.engine import Values
from alexnet_server.index.blocks import Keys
from alexnet_server.index.rows import FEATURES, damaged

AT_ONCE = 128  # 2 MiB of features, which stay in the processor's cache while they are compared
_JOINED = (
    "SELECT group_concat(picture), CAST(group_concat(features, '') AS BLOB)"
    " FROM (SELECT picture, features FROM features WHERE picture IN carray(?) ORDER BY picture)"
)


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
    return np.sort(np.fromstring(joined or "", np.int64, sep=","))


def read_features(connection: apsw.Connection, keys: Keys, units: int) -> tuple[Keys, Values]:
    """Those of ``keys``, ascending, that are there, and their features, float32 [n, units].

    Raises StorageFailed where one has another length.  Their CRCs are not looked at: a search
    reads hundreds of pictures for the few that it finds.

    SQLite joins them too (it keeps every byte of a blob): as a row each, 200 took Python's lock 200
    times, and eight who searched at once did half as much.
    """
    if not len(keys):
        return keys, np.empty((0, units), FEATURES)
    numbers, joined = connection.execute(_JOINED, (apsw.carray(np.ascontiguousarray(keys)),)).get
    found = np.fromstring(numbers or "", np.int64, sep=",")
    if len(joined or b"") != len(found) * units * FEATURES.itemsize:
        raise damaged(f"the features of some of {len(found)} pictures: not {units} units each")
    features = np.frombuffer(joined or b"", FEATURES).reshape(len(found), units)
    if (found[1:] > found[:-1]).all():
        return found, features
    order = np.argsort(found)  # SQLite promises no order
    return found[order], features[order]
