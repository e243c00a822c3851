"""Coders and codes in an index file.

A generation's coder is the one its row names.  A larger number is one that is being made, in order
of key; all others were replaced and are on their way out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import apsw
import numpy as np

from alexnet_server.index.blocks import ROWS, Blocks, Codes, Keys
from alexnet_server.index.coder import Coder, load_coder
from alexnet_server.index.rows import damaged

_SPANS = 64  # enough that no thread is left with a long one


@dataclass(frozen=True)
class Stage:
    """A coder, its number in the file, and in memory the codes that it made."""

    number: int
    coder: Coder
    fitted_on: int
    blocks: Blocks = field(compare=False)


def current(connection: apsw.Connection, generation: int) -> int | None:
    """The coder of a generation, None where every search is exact."""
    number: int | None = connection.execute(
        "SELECT coder FROM generations WHERE generation = ?", (generation,)
    ).get
    return number


def all_coders(connection: apsw.Connection, generation: int) -> list[int]:
    """The coders of a generation, whatever they are for."""
    found = connection.execute(
        "SELECT coder FROM coders WHERE generation = ? ORDER BY coder", (generation,)
    )
    return [number for (number,) in found]


def load(connection: apsw.Connection, number: int, units: int, known: Coder | None = None) -> Stage:
    """A coder and all its codes; ``known`` is used where it is the same.

    Raises IndexMismatch where this server cannot use the coder, StorageFailed.
    """
    ((kind, code_bytes, parameters, fitted_on),) = connection.execute(
        "SELECT kind, code_bytes, parameters, fitted_on FROM coders WHERE coder = ?", (number,)
    )
    if known is not None and (known.kind, known.parameters()) == (kind, parameters):
        coder = known
    else:
        coder = load_coder(kind, units, parameters)
    if coder.code_bytes != code_bytes:
        raise damaged(f"coder {number}: {code_bytes} bytes a code, not {coder.code_bytes}")
    blocks = Blocks(code_bytes)
    select = "SELECT picture, code FROM codes WHERE coder = ? ORDER BY picture"
    # A statement that is left open would show the next reader what this one saw.
    with closing(connection.execute(select, (number,))) as rows:
        while chunk := list(islice(rows, ROWS)):
            joined = b"".join(code for _, code in chunk)
            if len(joined) != len(chunk) * code_bytes:
                raise damaged(f"codes of coder {number}: not {code_bytes} bytes each")
            codes = np.frombuffer(joined, np.uint8).reshape(len(chunk), code_bytes)
            blocks.append(np.array([key for key, _ in chunk], np.int64), codes)
    return Stage(number, coder, fitted_on, blocks)


def spans(connection: apsw.Connection, number: int) -> list[tuple[int, int]]:
    """First and last key of equal parts of all keys that a coder made codes for."""
    select = "SELECT min(picture), max(picture) FROM codes WHERE coder = ?"
    found: list[Any] = connection.execute(select, (number,)).fetchall()
    first, last = found[0]
    if first is None:
        return []
    step = max(1, (last - first + 1) // _SPANS)
    return [(key, key + step - 1) for key in range(first, last + 1, step)]


def touch(connection: apsw.Connection, number: int, first: int, last: int) -> None:
    """Go through the pages that hold the codes of these keys."""
    connection.execute(
        "SELECT count(*) FROM codes WHERE coder = ? AND picture BETWEEN ? AND ?",
        (number, first, last),
    ).fetchall()
    connection.pragma("shrink_memory")  # what the system has now, the connection need not keep


def begin(connection: apsw.Connection, generation: int, coder: Coder, fitted_on: int) -> int:
    """Write a coder that has no codes yet; returns its number."""
    connection.execute(
        "INSERT INTO coders (generation, kind, code_bytes, parameters, fitted_on, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            generation,
            coder.kind,
            coder.code_bytes,
            coder.parameters(),
            fitted_on,
            datetime.now(UTC).isoformat(timespec="seconds"),
        ),
    )
    return connection.last_insert_rowid()


def write(connection: apsw.Connection, number: int, keys: Keys, codes: Codes) -> None:
    """Write codes uint8 [n, code_bytes] of pictures that have none by this coder."""
    connection.execute(
        "INSERT INTO codes"
        " SELECT ?1, one.value, substr(?2, 1 + one.key * ?3, ?3) FROM json_each(?4) AS one",
        (number, codes.tobytes(), codes.shape[1], json.dumps(keys.tolist())),
    )


def remove(connection: apsw.Connection, generation: int, keys: Sequence[int]) -> None:
    """Delete the codes of pictures, whichever coder made them."""
    for number in all_coders(connection, generation):
        connection.executemany(
            "DELETE FROM codes WHERE coder = ? AND picture = ?", [(number, key) for key in keys]
        )


def switch(connection: apsw.Connection, generation: int, number: int) -> None:
    """Search by this coder from now on."""
    connection.execute(
        "UPDATE generations SET coder = ? WHERE generation = ?", (number, generation)
    )


def sweep(connection: apsw.Connection, generation: int, limit: int) -> bool:
    """Delete up to ``limit`` codes of coders that were replaced; False once none is left."""
    now = current(connection, generation)
    for number in all_coders(connection, generation):
        if number == now:
            continue
        connection.execute(
            "DELETE FROM codes WHERE coder = ?1 AND picture IN"
            " (SELECT picture FROM codes WHERE coder = ?1 LIMIT ?2)",
            (number, limit),
        )
        if connection.changes() < limit:
            connection.execute("DELETE FROM coders WHERE coder = ?", (number,))
        return True
    return False
