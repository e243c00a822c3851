"""The pictures of one generation of an index file, seen by another model, from their own bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import numpy as np

from alexnet_pixels.errors import PictureError
from alexnet_server.engine import Values
from alexnet_server.errors import SettingsError
from alexnet_server.index import Index
from alexnet_server.index.drift import Drift, Rows, Side, drift
from alexnet_server.index.inspected import Generation
from alexnet_server.index.records import Record, StoredPicture
from alexnet_server.index.rows import COLUMNS, Row, as_features, blob, stored

_AT_ONCE = 32  # pictures: a pass of the network, and a commit
_PLACES = COLUMNS.replace(", ", ", o.")
# What the new generation has not, or has with other bytes or another description.
_TO_DO = (
    f"SELECT o.{_PLACES}, n.content_sha256 FROM pictures AS o"  # noqa: S608 - constant text
    " LEFT JOIN pictures AS n ON n.generation = ? AND n.id = o.id"
    " WHERE o.generation = ? AND o.id > ? AND (n.id IS NULL OR n.crc32 <> o.crc32"
    " OR n.content_sha256 <> o.content_sha256)"
    f" ORDER BY o.id LIMIT {_AT_ONCE}"
)
_GONE = (
    "SELECT id FROM pictures AS n WHERE generation = ? AND NOT EXISTS"
    " (SELECT 1 FROM pictures AS o WHERE o.generation = ? AND o.id = n.id)"
    " ORDER BY id LIMIT 1000"
)
_BOTH = (
    "SELECT o.picture, n.picture, o.label FROM pictures AS o JOIN pictures AS n ON n.id = o.id"
    " WHERE o.generation = ? AND n.generation = ? ORDER BY o.picture"
)
Looked = tuple[bytes, Values] | PictureError  # thumbnail and features float32 [units]
Look = Callable[[Sequence[bytes]], Sequence[Looked]]  # at pictures' own bytes
Read = Callable[[str], bytes | None]  # a picture's own bytes, by their sha256
Progress = Callable[[int], object]  # is told pictures as they are done


@dataclass
class Filled:
    """How many pictures were written, and by id why others could not be."""

    written: int = 0
    missing: dict[str, str] = field(default_factory=dict)


def choose_source(
    connection: apsw.Connection, known: Iterable[Generation], target: Generation, digest: str | None
) -> Generation:
    """The generation to take pictures from: that of the model ``digest`` begins the name of.

    Without it, and among several of that model, the only one with pictures, or with pictures and
    the metric of ``target``.  Raises SettingsError where that is not one.
    """
    has_pictures = "SELECT EXISTS (SELECT 1 FROM pictures WHERE generation = ?)"
    found = [
        one
        for one in known
        if one.number != target.number
        and one.state == "live"
        and one.model_digest.startswith(digest or "")
        and connection.execute(has_pictures, (one.number,)).get
    ]
    alike = [one for one in found if one.metric == target.metric]
    for some in (found, alike):
        if len(some) == 1:
            return some[0]
    named = ", ".join(f"{one.model_digest[:12]} ({one.metric})" for one in found) or "none"
    raise SettingsError(f"--from must name one model that has pictures; there are: {named}")


@dataclass(frozen=True)
class Reindexing:
    """From one generation of the file into another, of which ``index`` is open.

    ``connection`` reads the file beside whoever has ``source`` open.
    """

    connection: apsw.Connection
    source: Generation
    target: Generation
    index: Index

    def fill(self, read: Read, look: Look, progress: Progress = lambda _: None) -> Filled:
        """Give ``index`` every picture of ``source``, and no other.

        What it has already is left as it is, so that it can be interrupted and run again; what
        changes in ``source`` meanwhile is followed.  Raises StorageFailed, or what ``read`` and
        ``look`` raise.
        """
        filled = Filled()
        while True:
            before = filled.written
            filled.missing.clear()
            for some in self._to_do():
                records = list(self._remade(some, read, look, filled.missing))
                self.index.delete([picture.id for picture, there in some if there is not None])
                filled.written += self.index.restore(records)
                progress(len(some))
            gone = self._delete_gone()
            if filled.written == before and not gone:
                return filled

    def compare(self, progress: Progress = lambda _: None) -> Drift:
        """How far the features of ``target`` stand from those of ``source``."""
        self.connection.execute("BEGIN")  # one view: nothing goes meanwhile
        try:
            both: list[Row] = self.connection.execute(
                _BOTH, (self.source.number, self.target.number)
            ).fetchall()
            old = self._side(self.source, [row[0] for row in both])
            new = self._side(self.target, [row[1] for row in both])
            return drift([row[2] for row in both], old, new, progress)
        finally:
            self.connection.execute("ROLLBACK")

    def _to_do(self) -> Iterator[list[tuple[StoredPicture, str | None]]]:
        """What is to be done, some at a time: the picture, and the sha256 that is there."""
        after = ""
        while True:
            rows: list[Row] = self.connection.execute(
                _TO_DO, (self.target.number, self.source.number, after)
            ).fetchall()
            if not rows:
                return
            yield [(stored(row[:-1]), row[-1]) for row in rows]
            after = rows[-1][0]

    def _remade(
        self,
        some: Sequence[tuple[StoredPicture, str | None]],
        read: Read,
        look: Look,
        missing: dict[str, str],
    ) -> Iterator[Record]:
        """The pictures as they are to be; why there is none goes to ``missing``, by id."""
        fresh: list[tuple[StoredPicture, bytes]] = []
        for picture, there in some:
            if there == picture.content_sha256:  # its description alone is another
                small, features = self.index.thumbnail(picture.id), self.index.features(picture.id)
                yield Record(picture, small, features)
                continue
            data = read(picture.content_sha256)
            if data is None:
                missing[picture.id] = "there is no original"
            elif hashlib.sha256(data).hexdigest() != picture.content_sha256:
                missing[picture.id] = "the original holds other bytes"
            else:
                fresh.append((picture, data))
        looked = look([data for _, data in fresh]) if fresh else []
        for (picture, _), seen in zip(fresh, looked, strict=True):
            if isinstance(seen, PictureError):
                missing[picture.id] = str(seen)
            else:
                yield Record(picture, *seen)

    def _delete_gone(self) -> int:
        deleted = 0
        numbers = self.target.number, self.source.number
        while rows := self.connection.execute(_GONE, numbers).fetchall():
            deleted += self.index.delete([str(picture_id) for (picture_id,) in rows])
        return deleted

    def _side(self, generation: Generation, keys: Sequence[int]) -> Side:
        def features(rows: Rows) -> Values:
            """float32 [rows, units]."""
            found = [
                as_features(
                    blob(self.connection, "features", keys[row]),
                    generation.units,
                    f"picture {keys[row]}",
                )
                for row in rows
            ]
            return np.stack(found)

        return Side(features, generation.metric)


def files_by_content(folder: Path, progress: Progress = lambda _: None) -> dict[str, Path]:
    """Every file below ``folder`` by the sha256 of its bytes.  Raises OSError."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                found[hashlib.file_digest(file, "sha256").hexdigest()] = path
            progress(1)
    return found
