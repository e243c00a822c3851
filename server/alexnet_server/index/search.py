"""The nearest pictures: by codes first and then exactly, or exactly from the start."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import numpy as np

from alexnet_server.engine import Values
from alexnet_server.errors import StorageFailed
from alexnet_server.index import Wanted, code_rows, conditions, rows
from alexnet_server.index.blocks import Keys
from alexnet_server.index.code_rows import Stage
from alexnet_server.index.coder import coder_of
from alexnet_server.index.database import Database
from alexnet_server.index.nearest import Candidates
from alexnet_server.index.recoding import Recoding
from alexnet_server.index.records import Binding, Neighbor
from alexnet_server.index.scan import Scan
from alexnet_server.index.stages import Added, Stages
from alexnet_server.index.stored_features import AT_ONCE, read_features, read_keys
from alexnet_server.index.where import EVERYTHING, Where
from alexnet_server.index.writer import Writer

EXACT_UP_TO = 5_000  # pictures, whose features are 80 MB
AGAIN_AT = 50_000
_READ_AHEAD = 16  # threads: a disk reads five times as many pages for 16 who wait as for one


def candidates_of(k: int, count: int) -> int:
    """How many pictures their codes choose for exact comparison, of ``count``.

    On features like AlexNet's, codes of a bit a unit have 0.995 of the ten nearest among their
    best 150 of 200,000, and among their best 300 of a million.
    """
    least = 150 if count <= 200_000 else 300 if count <= 1_000_000 else 500
    return max(15 * k, least)


class Search:
    """Finds the pictures of one generation; its codes are written and kept here too.

    ``codes`` is a graph of ``alexnet-train codes`` to search by; an index keeps its own copy.
    Up to ``exact_up_to`` pictures, and where a filter leaves as few, every search is exact.
    """

    def __init__(
        self,
        database: Database,
        writer: Writer,
        generation: int,
        binding: Binding,
        codes: Path | None = None,
        *,
        exact_up_to: int = EXACT_UP_TO,
        again_at: int = AGAIN_AT,
    ) -> None:
        """Raises SettingsError or IndexMismatch where ``codes`` cannot be used here."""
        self._database = database
        self._generation = generation
        self._binding = binding
        self._exact_up_to = exact_up_to
        self._wanted = None if codes is None else coder_of(codes, binding)
        self._stages = Stages(generation, binding.units)
        self._recoding = Recoding(
            self._stages,
            database,
            writer,
            generation,
            binding=binding,
            wanted=self._wanted,
            exact_up_to=exact_up_to,
            again_at=again_at,
        )
        self._scan = Scan(writer.cores)

    def open(self) -> None:
        """Take the codes into memory, once the generation is this process's.

        Raises IndexMismatch, StorageFailed.
        """
        with self._database.reading() as connection:
            self._read_ahead(connection)
            self._stages.load(connection, self._wanted)
        self._recoding.consider()

    def _read_ahead(self, connection: apsw.Connection) -> None:
        """Have the system read all codes.

        They lie between the features, all over the file: where none of it is in the page cache, one
        thread waits for the disk a hundred thousand times.
        """
        number = code_rows.current(connection, self._generation)
        if number is None:
            return

        def touch(span: tuple[int, int]) -> None:
            with self._database.reading() as other:
                code_rows.touch(other, number, *span)

        # Whoever needs the codes says what is wrong with them.
        with suppress(StorageFailed), ThreadPoolExecutor(_READ_AHEAD) as pool:
            list(pool.map(touch, code_rows.spans(connection, number)))

    def coder(self) -> dict[str, Any] | None:
        """``kind``, ``bytes`` a picture and the pictures it was ``fitted_on``; None: no codes."""
        stage = self._stages.current
        if stage is None:
            return None
        kind, code_bytes = stage.coder.kind, stage.coder.code_bytes
        return {"kind": kind, "bytes": code_bytes, "fitted_on": stage.fitted_on}

    def find(
        self,
        features: Values,
        k: int,
        where: Where,
        *,
        max_distance: float | None,
        excluding: str | None,
        exact: bool,
        require_wanted: Wanted,
    ) -> list[Neighbor]:
        """As ``Index.search``.

        A picture that is replaced at this moment may be missing: its old features are gone and its
        new ones were not there yet.
        """
        query = np.ascontiguousarray(features, np.float32)
        stage = None if exact or self._stages.count <= self._exact_up_to else self._stages.current
        # SQLite's view begins with the first statement: of all pictures, after the scan.
        with self._database.reading() as connection:
            keys, is_scanned = self._to_compare(
                connection, query, k, where=where, stage=stage, require_wanted=require_wanted
            )
            if excluding is not None:
                keys = keys[keys != self._key_of(connection, excluding)]
            nearest = Candidates(query, k, max_distance, self._binding.metric)
            if is_scanned:
                # Begins this view, which so has all that the threads find in theirs, later ones.
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
                self._compare_at_once(keys, nearest, require_wanted)
            else:  # in one view with their keys, so that none is missing
                _compare(connection, keys, nearest, require_wanted)
            return _neighbors(connection, nearest)

    def _compare_at_once(self, keys: Keys, nearest: Candidates, require_wanted: Wanted) -> None:
        """Each thread of the scan a part of ``keys``; one deleted since the scan is not there."""

        def compare(part: Keys) -> Candidates:
            with self._database.reading() as connection:
                return _compare(connection, part, nearest.like(), require_wanted)

        for found in self._scan.each(compare, np.array_split(keys, self._scan.threads)):
            nearest.merge(found)

    def added(self, connection: apsw.Connection, keys: Sequence[int], features: Values) -> Added:
        """Write the codes of new pictures, whose ``features`` are float32 [n, units].

        To be called inside the transaction that stores them; what it returns is for ``applied``.
        """
        return self._stages.added(connection, keys, features)

    def removed(self, connection: apsw.Connection, keys: Sequence[int]) -> None:
        """Delete the codes of pictures inside the transaction that deletes those."""
        code_rows.remove(connection, self._generation, keys)

    def applied(self, added: Added | None, removed: Sequence[int]) -> None:
        """Follow the commit, on the writer's thread; may begin to make codes anew."""
        self._stages.applied(added, removed)
        self._recoding.consider()

    def close(self) -> None:
        """End the threads; before the writer's, which they use."""
        self._recoding.close()
        self._scan.close()

    def _to_compare(
        self,
        connection: apsw.Connection,
        query: Values,
        k: int,
        *,
        where: Where,
        stage: Stage | None,
        require_wanted: Wanted,
    ) -> tuple[Keys, bool]:
        """Keys of the pictures to compare exactly, and whether they were chosen by their codes.

        Else they are all that pass.
        """
        passing = None
        if stage is None or where != EVERYTHING:
            bound = conditions.sql(where, self._generation)
            passing = read_keys(connection, *bound, -1 if stage is None else self._exact_up_to + 1)
            if stage is None or len(passing) <= self._exact_up_to:
                return passing, False
            passing = read_keys(connection, *bound)
        require_wanted()
        code = stage.coder.encode(query[np.newaxis])[0]
        with stage.blocks.reading() as blocks:
            r = candidates_of(k, self._stages.count)
            return self._scan.nearest(blocks, code, r, passing)[0], True

    def _key_of(self, connection: apsw.Connection, picture_id: str) -> int:
        """A picture's key, 0 where there is none."""
        found = rows.one(connection, self._generation, picture_id)
        return 0 if found is None else found[0]


def _compare(
    connection: apsw.Connection, keys: Keys, nearest: Candidates, require_wanted: Wanted
) -> Candidates:
    """Offer the pictures of ``keys`` that are there."""
    for start in range(0, len(keys), AT_ONCE):
        require_wanted()
        nearest.offer(read_features(connection, keys[start : start + AT_ONCE], nearest.units))
    return nearest


def _neighbors(connection: apsw.Connection, candidates: Candidates) -> list[Neighbor]:
    """What is stored of the nearest pictures.  Raises StorageFailed where it is damaged."""
    nearest = candidates.nearest()
    if not nearest:
        return []
    keys = np.array([key for key, _ in nearest], np.int64)
    texts = {
        key: rows.stored(row)
        for key, *row in connection.execute(
            f"SELECT picture, {rows.COLUMNS} FROM pictures WHERE picture IN carray(?)",  # noqa: S608
            (apsw.carray(keys),),
        )
    }
    if damaged := candidates.damaged & texts.keys():
        raise rows.damaged(f"the features of pictures {sorted(damaged)}")
    found = ((texts[key], distance) for key, distance in nearest if key in texts)
    return [Neighbor(one.id, distance, one.label, one.metadata) for one, distance in found]
