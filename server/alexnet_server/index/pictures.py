"""The pictures of one generation of an SQLite file: stored, listed, deleted and searched."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import apsw

from alexnet_server.engine import Values
from alexnet_server.errors import PictureNotFound, StorageFailed
from alexnet_server.index import MOST_DELETED, Wanted, conditions, rows
from alexnet_server.index.changes import Changes, Done
from alexnet_server.index.database import Database
from alexnet_server.index.generation import (
    begin_building,
    count,
    find_generation,
    switch_to_live,
)
from alexnet_server.index.holding import Holding
from alexnet_server.index.pairs import pairs_of
from alexnet_server.index.records import (
    Binding,
    Deleted,
    Neighbor,
    NewPicture,
    Page,
    Pair,
    Placed,
    Record,
    Repeat,
    StoredPicture,
    Upserted,
)
from alexnet_server.index.search import Search
from alexnet_server.index.where import EVERYTHING, Where
from alexnet_server.index.writer import Writer


def _always() -> None:
    return None


class PictureIndex:
    """An ``Index`` in an SQLite file; see there for its methods.

    One process keeps a generation: it is claimed once there is a picture in it, or one is to be
    written; until then nobody has it.  ``builds`` fills one that nobody else shall see before
    ``switch``.
    """

    def __init__(
        self,
        database: Database,
        writer: Writer,
        binding: Binding,
        *,
        codes: Path | None = None,
        builds: bool = False,
        give_back: Callable[[PictureIndex], None] | None = None,
        **thresholds: int,
    ) -> None:
        """Find the binding's generation, or begin an empty one; ``thresholds`` as of Search.

        Raises IndexMismatch or StorageFailed, with ``builds`` also IndexInUse.
        """
        self.binding = binding
        self._database = database
        self._writer = writer
        self._builds = builds
        self._give_back = give_back
        self._generation = writer.write(lambda connection: find_generation(connection, binding))
        self._search = Search(database, writer, self._generation, binding, codes, **thresholds)
        self._changes = Changes(self._generation, binding.units, self._search, writer)
        self._holding = Holding(database, self._generation, self._on_claimed)
        self._count = 0  # while it is held; written by the writer's thread
        if builds:
            self._begin_building()

    def upsert(
        self, entries: Sequence[NewPicture | Repeat], wait_s: float = math.inf
    ) -> list[Upserted]:
        """As ``Index``."""
        change = partial(self._changes.upsert, entries=entries)
        return cast("list[Upserted]", self._write(change, len(entries), wait_s, entries))

    def restore(self, records: Sequence[Record], wait_s: float = math.inf) -> int:
        """As ``Index``."""
        change = partial(self._changes.restore, records=records)
        stored = [record.picture for record in records]
        return int(self._write(change, len(records), wait_s, stored))

    def delete(self, ids: Sequence[str], wait_s: float = math.inf) -> int:
        """As ``Index``."""
        return int(self._write(partial(self._changes.delete, ids=ids), len(ids), wait_s))

    def delete_where(
        self, where: Where, limit: int = MOST_DELETED, wait_s: float = math.inf
    ) -> Deleted:
        """As ``Index``."""
        if where == EVERYTHING:
            raise ValueError("a filter through which everything passes deletes nothing")
        change = partial(self._changes.delete_where, where=where, limit=limit)
        return cast("Deleted", self._write(change, limit, wait_s))

    def _write(
        self,
        change: Callable[[apsw.Connection], Done],
        weight: int,
        wait_s: float,
        stored: Sequence[Placed] = (),
    ) -> Any:  # noqa: ANN401 (what the change is for)
        """``stored`` is what the writer will have to find in the indexes; here, others can too."""
        self._enter(writes=True)
        with suppress(StorageFailed), self._database.reading() as connection:
            rows.touch(connection, self._generation, stored)
        return self._writer.write(change, self._applied, weight=weight, wait_s=wait_s).result

    def _applied(self, done: Done) -> None:
        self._count += done.more
        self._search.applied(done.added, done.removed)

    def get(self, picture_id: str) -> StoredPicture:
        """As ``Index``."""
        self._enter()
        with self._database.reading() as connection:
            return rows.stored(self._one(connection, picture_id)[1])

    def thumbnail(self, picture_id: str) -> bytes:
        """As ``Index``."""
        self._enter()
        with self._database.reading() as connection:
            return rows.blob(connection, "thumbnail", self._one(connection, picture_id)[0])

    def features(self, picture_id: str) -> Values:
        """As ``Index``."""
        self._enter()
        with self._database.reading() as connection:
            blob = rows.blob(connection, "features", self._one(connection, picture_id)[0])
        return rows.as_features(blob, self.binding.units, picture_id)

    def known(self, ids: Sequence[str]) -> dict[str, str]:
        """As ``Index``."""
        self._enter()
        with self._database.reading() as connection:
            found = rows.known(connection, self._generation, ids)
        return {
            picture_id: rows.stored(row).content_sha256 for picture_id, (_, row) in found.items()
        }

    def stored_contents(self, digests: Sequence[str]) -> set[str]:
        """As ``Index``."""
        with self._database.reading() as connection:
            return rows.contents(connection, digests)

    def count(self, where: Where = EVERYTHING) -> int:
        """As ``Index``."""
        self._enter()
        with self._database.reading() as connection:
            return self._counted(connection, where)

    def _counted(self, connection: apsw.Connection, where: Where) -> int:
        if where == EVERYTHING and self._holding.is_held:
            return self._count
        text, values = conditions.sql(where, self._generation)
        return int(connection.execute(f"SELECT count(*) FROM pictures WHERE {text}", values).get)  # noqa: S608

    def page(self, after: str, limit: int, where: Where = EVERYTHING) -> Page:
        """As ``Index``."""
        self._enter()
        bound = conditions.sql(where, self._generation)
        with self._database.reading() as connection:
            first, is_last = rows.following(connection, bound, after, limit)
            counted = self._counted(connection, where)
        pictures = tuple(map(rows.stored, first))
        return Page(pictures, None if is_last else pictures[-1].id, counted)

    def records(self, after: str, limit: int) -> list[Record]:
        """As ``Index``."""
        self._enter()
        with self._database.reading() as connection:
            return rows.records(connection, self._generation, self.binding.units, after, limit)

    def search(
        self,
        features: Values,
        k: int,
        *,
        where: Where = EVERYTHING,
        max_distance: float | None = None,
        excluding: str | None = None,
        exact: bool = False,
        require_wanted: Wanted = _always,
    ) -> list[Neighbor]:
        """As ``Index``; equal distances stand in the order in which the pictures were stored."""
        if not self._enter():
            return []
        return self._search.find(
            features,
            k,
            where,
            max_distance=max_distance,
            excluding=excluding,
            exact=exact,
            require_wanted=require_wanted,
        )

    def pairs(
        self, after: str, limit: int, max_distance: float, require_wanted: Wanted = _always
    ) -> tuple[list[Pair], str | None]:
        """As ``Index``; of more than 1,000 pictures near one, the 1,000 nearest are looked at."""
        return pairs_of(self, after, limit, max_distance, require_wanted)

    def describe(self) -> dict[str, Any]:
        """As ``Index``."""
        return {
            "pictures": self.count(),
            "metric": self.binding.metric,
            "layer": self.binding.layer,
            "views": self.binding.views,
            "coder": self._search.coder() if self._holding.is_held else None,
            "state": "building" if self._builds else "live",
        }

    def switch(self, report: dict[str, Any]) -> None:
        """Show to everybody what was built; ``report`` is kept with it."""
        self._writer.write(lambda connection: switch_to_live(connection, self._generation, report))
        self._builds = False

    def close(self) -> None:
        """As ``Index``: give it back to where it came from, or end it."""
        if self._give_back is None:
            self.end()
        else:
            self._give_back(self)

    def end(self) -> None:
        """Stop what runs by itself, and let another process have the generation."""
        self._search.close()
        self._holding.release()

    def _enter(self, *, writes: bool = False) -> bool:
        return self._holding.enter(writes=writes, builds=self._builds)

    def _on_claimed(self) -> None:
        with self._database.reading() as connection:
            self._count = count(connection, self._generation)
        self._search.open()

    def _begin_building(self) -> None:
        try:
            self._enter(writes=True)
            self._writer.write(lambda connection: begin_building(connection, self._generation))
        except BaseException:
            self.end()
            raise

    def _one(self, connection: apsw.Connection, picture_id: str) -> tuple[int, rows.Row]:
        found = rows.one(connection, self._generation, picture_id)
        if found is None:
            raise PictureNotFound(f"no picture {picture_id!r} in the index")
        return found
