"""Features and keys read many at a time from an index file."""

from __future__ import annotations

from typing import Any

import apsw
import numpy as np

from alexnet_server.engine import Values
from alexnet_server.index.blocks import Keys
from alexnet_server.index.rows import FEATURES, damaged

AT_ONCE = 128  # 2 MiB of features, which stay in the processor's cache while they are compared


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
    """Those of ``keys`` that are there, and their features, float32 [n, units].

    Raises StorageFailed where one has another length.  Their CRCs are not looked at: a search
    reads hundreds of pictures for the few that it finds.
    """
    features = np.empty((len(keys), units), FEATURES)
    there = np.zeros(len(keys), np.bool_)
    memory, size = features.reshape(-1).view(np.uint8).data, units * FEATURES.itemsize
    blob: apsw.Blob | None = None
    try:
        for place, key in enumerate(keys.tolist()):
            blob = _move(connection, blob, key)
            if blob is None:
                continue
            if blob.length() != size:
                raise damaged(f"the features of picture {key}: {blob.length()} bytes")
            blob.read_into(memory, place * size, size)
            there[place] = True
    finally:
        if blob is not None:
            blob.close(True)
    if there.all():
        return keys, features
    return keys[there], features[there]


def _move(connection: apsw.Connection, blob: apsw.Blob | None, key: int) -> apsw.Blob | None:
    """The blob at another row, None where there is none.

    Read so, straight into an array, 200 rows took a third of the time of rows of bytes.
    """
    try:
        if blob is None:
            return connection.blob_open("main", "features", "features", key, False)
        blob.reopen(key)
    except apsw.SQLError:  # no such row; the blob is closed then
        return None
    return blob
