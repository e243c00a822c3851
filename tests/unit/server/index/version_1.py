"""An index file as version 1 wrote it."""

from __future__ import annotations

import json
from pathlib import Path

import apsw
import numpy as np

SCHEMA = """
CREATE TABLE generations (
    generation   INTEGER PRIMARY KEY,
    model_digest TEXT    NOT NULL,
    layer        TEXT    NOT NULL,
    views        INTEGER NOT NULL,
    metric       TEXT    NOT NULL,
    units        INTEGER NOT NULL,
    created_at   TEXT    NOT NULL,
    UNIQUE (model_digest, layer, views, metric)
) STRICT;
CREATE TABLE pictures (
    picture        INTEGER PRIMARY KEY,
    generation     INTEGER NOT NULL REFERENCES generations,
    id             TEXT    NOT NULL,
    content_sha256 TEXT    NOT NULL,
    label          TEXT,
    metadata       TEXT    NOT NULL,
    created_at     TEXT    NOT NULL,
    thumbnail      BLOB    NOT NULL,
    features       BLOB    NOT NULL,
    UNIQUE (generation, id)
) STRICT;
CREATE INDEX pictures_by_label ON pictures (generation, label, id);
PRAGMA application_id = 0x414C584E;
PRAGMA user_version = 1;
"""
BEGAN = "2024-01-02T03:04:05+00:00"


def write(path: Path, features: np.ndarray) -> None:
    """Pictures p0000.. of digest-one with ``features``, and one of digest-two."""
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "WAL")
    connection.execute(SCHEMA)
    for generation, digest in ((1, "digest-one"), (2, "digest-two")):
        connection.execute(
            "INSERT INTO generations VALUES (?, ?, 'fc7', 1, 'l2', ?, ?)",
            (generation, digest, features.shape[1], BEGAN),
        )
    for i, row in enumerate(features):
        values = (1, f"p{i:04d}", f"sha-{i}", said_label(i), json.dumps(said(i)), BEGAN)
        _insert(connection, values, row)
    _insert(connection, (2, "other", "sha", None, "{}", BEGAN), features[0])
    connection.close()


def _insert(connection: apsw.Connection, values: tuple[object, ...], row: np.ndarray) -> None:
    connection.execute(
        "INSERT INTO pictures (generation, id, content_sha256, label, metadata, created_at,"
        " thumbnail, features) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*values, thumbnail(row), row.astype("<f4").tobytes()),
    )


def thumbnail(row: np.ndarray) -> bytes:
    return f"jpeg {row[0]}".encode()


def said_label(number: int) -> str | None:
    return None if number % 3 == 0 else f"label {number % 3}"


def said(number: int) -> dict[str, object]:
    return {"n": number, "text": "\u00e9 \u0000 '\""}
