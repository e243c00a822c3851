"""A picture as a row of a collection, and the fields that a row has."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from pymilvus import CollectionSchema, DataType, MilvusClient

from alexnet_server.engine import Values
from alexnet_server.errors import StorageFailed
from alexnet_server.index.milvus.expression import filterable, hexadecimal
from alexnet_server.index.records import Record, StoredPicture

Row = dict[str, Any]
TEXTS = ["id", "content_sha256", "content_bytes", "label_hex", "metadata", "created_at"]
WHOLE = [*TEXTS, "thumbnail", "features"]
_MOST_TEXT = 65_535  # bytes of a VARCHAR (milvus.io/docs/limitations.md)
_MOST_THUMBNAIL = _MOST_TEXT // 4 * 3  # bytes, which base64 makes 4 of 3
# Of a row beside its features: metadata, once more as filters, thumbnail and the rest.
_MOST_BESIDE = 3 * 16 * 1024 + 2 * _MOST_TEXT


def most_rows(units: int, most_bytes: int) -> int:
    """How many rows of ``units`` features are sure to have at most ``most_bytes``; at least one."""
    return max(1, most_bytes // (4 * units + _MOST_BESIDE))


def schema(units: int) -> CollectionSchema:
    """The fields of a collection of pictures with ``units`` features each."""
    fields = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    fields.add_field("id", DataType.VARCHAR, is_primary=True, max_length=128)
    fields.add_field("content_sha256", DataType.VARCHAR, max_length=64)
    fields.add_field("content_bytes", DataType.INT64, nullable=True)
    fields.add_field("label_hex", DataType.VARCHAR, max_length=2048, nullable=True)
    fields.add_field("metadata", DataType.VARCHAR, max_length=_MOST_TEXT)
    fields.add_field("filters", DataType.JSON)
    fields.add_field("created_at", DataType.VARCHAR, max_length=64)
    fields.add_field("thumbnail", DataType.VARCHAR, max_length=_MOST_TEXT)
    fields.add_field("features", DataType.FLOAT_VECTOR, dim=units)
    return fields


def row(record: Record) -> Row:
    """The row of a picture.  Raises StorageFailed on a thumbnail that no VARCHAR can hold."""
    picture = record.picture
    if len(record.thumbnail) > _MOST_THUMBNAIL:
        raise StorageFailed(
            f"the thumbnail of {picture.id!r} has {len(record.thumbnail)} bytes, a Milvus takes "
            f"{_MOST_THUMBNAIL}"
        )
    return {
        "id": picture.id,
        "content_sha256": picture.content_sha256,
        "content_bytes": picture.content_bytes,
        "label_hex": None if picture.label is None else hexadecimal(picture.label),
        # As text: the numbers of a JSON field are 64 bits wide.
        "metadata": json.dumps(picture.metadata, ensure_ascii=False, allow_nan=False),
        "filters": filterable(picture.metadata),
        "created_at": picture.created_at,
        "thumbnail": base64.b64encode(record.thumbnail).decode(),
        "features": record.features.astype(np.float32),
    }


def stored(found: Row) -> StoredPicture:
    """The picture that a row's TEXTS tell."""
    label = found["label_hex"]
    return StoredPicture(
        found["id"],
        found["content_sha256"],
        None if label is None else bytes.fromhex(label).decode(),
        json.loads(found["metadata"]),
        found["created_at"],
        found["content_bytes"],
    )


def thumbnail(found: Row) -> bytes:
    """JPEG bytes."""
    return base64.b64decode(found["thumbnail"])


def matrix(found: Sequence[Row]) -> Values:
    """The features of rows, float32 [n, units]."""
    features: Values = np.array([one["features"] for one in found], np.float32)
    return features


def record(found: Row) -> Record:
    """The picture that a WHOLE row tells."""
    return Record(stored(found), thumbnail(found), matrix([found])[0])
