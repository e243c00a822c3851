"""Scored pictures as a table of Arrow: the columns of ``alexnet score --out r.parquet``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from alexnet_client.names import printable
from alexnet_client.scoring import line
from alexnet_client.scoring.scorer import Scored

_FEATURES = 4096  # fc7 (paper, section 3.5)
_PREDICTION = pa.struct(
    [("label", pa.string()), ("class_id", pa.int32()), ("probability", pa.float32())]
)
_ERROR = pa.struct([("code", pa.string()), ("title", pa.string()), ("detail", pa.string())])
_COLUMNS = [
    ("path", pa.string()),
    ("path_bytes", pa.binary()),  # of a name that is no UTF-8, which ``path`` shows escaped
    ("predictions", pa.list_(_PREDICTION)),
    ("error", _ERROR),
    ("model", pa.string()),  # the digest of the one that answered
]


def schema(features: bool) -> pa.Schema:
    """The columns; with fc7, ``features`` float32 [4096] too, null where there is an error."""
    vector = [("features", pa.list_(pa.float32(), _FEATURES))] if features else []
    return pa.schema(_COLUMNS + vector)


def table(names: Sequence[str | None], scored: Sequence[Scored], columns: pa.Schema) -> pa.Table:
    """A row a picture.  Raises ValueError where there are more or fewer names than results."""
    rows = [_row(name, one) for name, one in zip(names, scored, strict=True)]
    plain = pa.Table.from_pylist(rows, schema=pa.schema(_COLUMNS))
    if "features" not in columns.names:
        return plain
    return plain.append_column(columns.field("features"), _features(scored))


def _row(name: str | None, one: Scored) -> dict[str, Any]:
    made = line.of("" if name is None else name, one, one.digest)
    is_text = name is None or name.encode("utf-8", "replace").decode() == name
    return made | {
        "path": name if is_text else printable(made["path"]),
        "path_bytes": None if is_text else os.fsencode(made["path"]),
    }


def _features(scored: Sequence[Scored]) -> pa.FixedSizeListArray:
    """float32 [n, 4096]; null where there is an error."""
    rows = np.zeros((len(scored), _FEATURES), np.float32)
    for row, one in zip(rows, scored, strict=True):
        if one.features is not None:
            row[:] = one.features
    absent = pa.array([one.features is None for one in scored], pa.bool_())
    return pa.FixedSizeListArray.from_arrays(rows.reshape(-1), _FEATURES, mask=absent)
