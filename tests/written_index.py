"""An index file with pictures in it, written row by row: no server, no codes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import numpy as np

from alexnet_server.index.database import Database
from alexnet_server.index.generation import find_generation
from alexnet_server.index.records import Binding, Record, StoredPicture
from alexnet_server.index.rows import insert, last_key

PAGE = 4096  # SQLite's own choice
UNITS = 300  # 1,200 bytes a picture: some three on a page
BINDING = Binding("0" * 64, UNITS)


def made_record(number: int, units: int = UNITS) -> Record:
    """A picture whose every part depends on ``number``."""
    dice = np.random.default_rng(number)
    picture = StoredPicture(
        id=f"picture-{number:05}",
        content_sha256=hashlib.sha256(str(number).encode()).hexdigest(),
        label=f"label {number % 5}",
        metadata={"number": number},
        created_at="2026-01-02T03:04:05+00:00",
        content_bytes=number,
    )
    features = np.maximum(dice.normal(size=units), 0).astype(np.float32)
    return Record(picture, dice.bytes(600), features)


def write_index(path: Path, count: int, binding: Binding = BINDING) -> list[Record]:
    """``count`` pictures in a new generation of a file, which is closed again."""
    records = [made_record(number, binding.units) for number in range(count)]
    database = Database(path)
    with database.writing(math.inf) as connection:
        generation = find_generation(connection, binding)
        for start in range(0, count, 8):  # as several writes
            some = enumerate(records[start : start + 8], last_key(connection) + 1)
            insert(connection, generation, dict(some))
    database.close()
    return records


@contextmanager
def altered(path: Path) -> Iterator[apsw.Connection]:
    """A plain connection to a file that nobody else has open; no log is left at its end."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        yield connection
    finally:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.close()


def leaf_pages(path: Path, table: str) -> list[int]:
    """The numbers, from 1, of the pages that a table's rows lie on (SQLite's dbstat)."""
    with altered(path) as connection:
        select = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path"
        return [page for (page,) in connection.execute(select, (table,))]


def overwrite_page(path: Path, page: int, content: bytes) -> None:
    """Put ``content`` in the place of a page of a file that nobody has open."""
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(content.ljust(PAGE, b"\xa5")[:PAGE])


def flip_bit(path: Path, offset: int, bit: int) -> None:
    """Turn one bit of a file that nobody has open."""
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))
