"""A damaged index file made whole again out of what of it can be read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import apsw

from alexnet_server.errors import StorageFailed
from alexnet_server.index.checking import inspect
from alexnet_server.index.database import Database
from alexnet_server.index.file_copy import copy_pages, name_durably, remove
from alexnet_server.index.findings import Findings
from alexnet_server.index.inspected import (
    Found,
    Generation,
    Unreadable,
    generations,
    open_file,
    overlooked,
    pictures,
)
from alexnet_server.index.rows import insert, last_key

Progress = Callable[[int], object]  # is told pictures as they are done


@dataclass(frozen=True)
class Lost:
    """A picture that is not in the repaired file; ``why`` as a Fault of checking has it.

    ``id`` and ``model_digest`` are None where only that there may have been one is known.
    """

    id: str | None
    model_digest: str | None
    why: str

    def as_json(self) -> dict[str, str | None]:
        """All of it."""
        return {"id": self.id, "model": self.model_digest, "why": self.why}


@dataclass(frozen=True)
class Repaired:
    """What a repair did; ``damaged_file`` is None where there was nothing to repair.

    ``kept`` is a number of pictures.
    """

    found: Findings
    kept: int
    lost: list[Lost]
    damaged_file: Path | None

    def as_json(self) -> dict[str, Any]:
        """All of it, for people and programs."""
        return {
            "repaired": self.damaged_file is not None,
            "faults": dict(self.found.counts),
            "pictures": self.kept,
            "lost": [one.as_json() for one in self.lost],
            "damaged_file": None if self.damaged_file is None else str(self.damaged_file),
        }


def repair(path: Path, progress: Progress = lambda _: None) -> Repaired:
    """Keep every picture that is as it was written, and nothing else; codes are made again later.

    The file as it was is kept beside it as ``NAME.damaged-1`` or with the next number.  It is
    replaced in one transaction: a process that is killed leaves it as it was, or repaired.  Raises
    IndexInUse while anybody has the file open, IndexMismatch, StorageFailed or OSError.
    """
    with open_file(path, alone=True) as connection:
        found = inspect(connection, progress=progress)
        if not found.counts:
            return Repaired(found, found.pictures, [], None)
        damaged = _keep_damaged(connection, path)
        part = path.with_name(f"{path.name}.repaired.part")
        remove(part)
        try:
            kept, lost = _save(connection, part, progress)
            _replace(connection, part)
        finally:
            remove(part)
    return Repaired(found, kept, lost, damaged)


def _keep_damaged(connection: apsw.Connection, path: Path) -> Path:
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in count(1))
    damaged = next(name for name in names if not name.exists())
    part = path.with_name(f"{path.name}.damaged.part")
    remove(part)
    copy_pages(connection, part)
    name_durably(part, damaged)
    return damaged


def _save(connection: apsw.Connection, part: Path, progress: Progress) -> tuple[int, list[Lost]]:
    """Write what is sound to a new file; returns the number of pictures, and those lost."""
    known = generations(connection)
    kept, lost, seen = 0, [], set[int]()
    database = Database(part)
    try:
        with database.writing(math.inf) as target:
            _begin(target, known.values())
        for some in pictures(connection):
            with database.writing(math.inf) as target:
                gone = list(_lost(target, some, known))
            lost += gone
            kept += len(some) - len(gone)
            seen |= {one.key for one in some}
            progress(len(some))
        with database.writing(math.inf) as target:
            lost += _lost(target, overlooked(connection, seen), known)
    finally:
        database.close()
    return kept, lost


def _begin(target: apsw.Connection, known: Iterable[Generation]) -> None:
    # Without its coder, whose row has no check sum: the server fits another.
    target.executemany(
        "INSERT INTO generations (generation, model_digest, layer, views, metric, units,"
        " created_at, state, report) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                one.number,
                one.model_digest,
                one.layer,
                one.views,
                one.metric,
                one.units,
                one.created_at,
                one.state,
                one.report,
            )
            for one in known
        ],
    )


def _lost(
    target: apsw.Connection, some: Sequence[Found | Unreadable], known: dict[int, Generation]
) -> Iterator[Lost]:
    """Write the sound ones of ``some``; yields the others."""
    for one in some:
        generation = None if one.generation is None else known.get(one.generation)
        digest = None if generation is None else generation.model_digest
        if isinstance(one, Unreadable):
            yield Lost(one.id, digest, "unreadable")
        elif one.record is None:
            yield Lost(one.id, digest, " and ".join(one.damaged))
        else:
            try:
                insert(target, one.generation, {last_key(target) + 1: one.record})
            except apsw.ConstraintError:  # its index had not kept another of its id away
                yield Lost(one.id, digest, "stored twice")


def _replace(connection: apsw.Connection, part: Path) -> None:
    with open_file(part) as repaired:
        said = repaired.execute("PRAGMA integrity_check(1)").get
        if said != "ok":
            raise StorageFailed(f"the repaired file {part} is not sound: {said}")
        with connection.backup("main", repaired, "main") as backup:
            backup.step(-1)  # one transaction
