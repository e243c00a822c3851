"""Whether an index file is what was written: its pages, its rows, its codes, its originals."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import numpy as np

from alexnet_server.errors import IndexMismatch, RequestError
from alexnet_server.index.coder import Coder, load_coder
from alexnet_server.index.findings import Fault, Findings
from alexnet_server.index.inspected import (
    Found,
    Generation,
    Unreadable,
    generations,
    open_file,
    pictures,
)
from alexnet_server.originals import Originals

_MOST_COMPLAINTS = 100  # of SQLite
# ONNX Runtime adds in another order for another number of rows: bits at their threshold may turn.
_TURNED = {"onnx": 1 / 64}
Progress = Callable[[int], object]  # is told pictures as they are done


def check(path: Path, originals: Path | None, progress: Progress = lambda _: None) -> Findings:
    """Read all of an index file, which may be in use, and the ``originals`` folder.

    Raises IndexMismatch where it is not an index of this version, StorageFailed where it cannot be
    read at all.
    """
    contents: set[str] = set()
    with open_file(path) as connection:
        findings = inspect(connection, contents.add, progress)
    if originals is not None and originals.is_dir():
        findings.originals = _check_originals(Originals(originals), contents, findings)
    return findings


def inspect(
    connection: apsw.Connection,
    content: Callable[[str], object] = lambda _: None,
    progress: Progress = lambda _: None,
) -> Findings:
    """Read all of an open index file; ``content`` is told the sha256 of each sound picture.

    Raises apsw.Error where it cannot be read at all.
    """
    findings = Findings()
    _check_pages(connection, findings)
    known = generations(connection)
    counts: Counter[int] = Counter()
    codes = _Codes(connection, known, findings)
    for some in pictures(connection):
        counts.update(_check_rows(some, known, findings, content))
        codes.check([one for one in some if isinstance(one, Found)])
        progress(len(some))
    _count_orphaned_codes(connection, findings)
    findings.pictures = counts.total()
    findings.generations = [_summary(one, counts[one.number], codes) for one in known.values()]
    return findings


def count_pictures(path: Path) -> int:
    """About how many there are: for a progress bar."""
    with open_file(path) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM pictures").get)
        except apsw.Error:
            return 0


def _check_schema(connection: apsw.Connection, findings: Findings) -> None:
    """What a server cannot open: with writable_schema, as here, SQLite reads past it."""
    try:
        connection.execute("PRAGMA writable_schema=RESET")  # off, and the schema is read again
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except apsw.Error as error:
        findings.add(Fault("pages", detail=str(error)))
    finally:
        connection.pragma("writable_schema", True)


def _check_pages(connection: apsw.Connection, findings: Findings) -> None:
    _check_schema(connection, findings)
    try:
        with closing(connection.execute(f"PRAGMA integrity_check({_MOST_COMPLAINTS})")) as found:
            for (said,) in found:
                if said != "ok":
                    findings.add(Fault("pages", detail=said))
        for table, key, other, _ in connection.execute("PRAGMA foreign_key_check"):
            findings.add(Fault("references", detail=f"{table} {key} names no row of {other}"))
    except apsw.Error as error:  # it does not come to an end on every kind of damage
        findings.add(Fault("pages", detail=str(error)))


def _check_rows(
    some: Iterable[Found | Unreadable],
    known: dict[int, Generation],
    findings: Findings,
    content: Callable[[str], object],
) -> list[int]:
    """Count what is damaged; returns the generation of each picture that was read."""
    read = []
    for one in some:
        model = known[one.generation].model_digest if one.generation in known else None
        if isinstance(one, Unreadable):
            findings.add(Fault("unreadable", model, one.id, f"picture {one.key}"))
            continue
        read.append(one.generation)
        for part in one.damaged:
            findings.add(Fault(part, model, one.id))
        if one.record is not None:
            content(one.record.picture.content_sha256)
    return read


def _summary(generation: Generation, count: int, codes: _Codes) -> dict[str, Any]:
    coder = codes.coders.get(generation.number)
    return {
        "model": generation.model_digest,
        "layer": generation.layer,
        "views": generation.views,
        "metric": generation.metric,
        "units": generation.units,
        "state": generation.state,
        "codes": None if coder is None else coder.kind,
        "pictures": count,
    }


class _Codes:
    """The codes of sound pictures, made again and compared."""

    def __init__(
        self, connection: apsw.Connection, known: dict[int, Generation], findings: Findings
    ) -> None:
        self._connection = connection
        self._known = known
        self._findings = findings
        self.coders: dict[int, Coder] = {}  # by generation
        for one in known.values():
            if one.coder is not None:
                self._load(one)

    def _load(self, generation: Generation) -> None:
        try:
            ((kind, code_bytes, parameters),) = self._connection.execute(
                "SELECT kind, code_bytes, parameters FROM coders"
                " WHERE coder = ? AND generation = ?",
                (generation.coder, generation.number),
            )
            coder = load_coder(kind, generation.units, parameters)
            if coder.code_bytes != code_bytes:
                raise IndexMismatch(f"{coder.code_bytes} bytes a code, not {code_bytes}")
        except (apsw.Error, ValueError, RequestError) as error:
            self._findings.add(Fault("coder", generation.model_digest, detail=str(error)))
        else:
            self.coders[generation.number] = coder

    def check(self, found: list[Found]) -> None:
        by_generation: dict[int, list[Found]] = defaultdict(list)
        for one in found:
            if one.record is not None and one.generation in self.coders:
                by_generation[one.generation].append(one)
        for number, some in by_generation.items():
            self._compare(self._known[number], some)

    def _compare(self, generation: Generation, some: list[Found]) -> None:
        coder = self.coders[generation.number]
        features = np.stack([one.record.features for one in some if one.record is not None])
        made = coder.encode(features)  # uint8 [some, code_bytes]
        allowed = _TURNED.get(coder.kind, 0.0) * 8 * coder.code_bytes
        for one, right in zip(some, made, strict=True):
            try:
                row = self._connection.execute(
                    "SELECT code FROM codes WHERE coder = ? AND picture = ?",
                    (generation.coder, one.key),
                ).fetchone()
            except apsw.CorruptError:
                row = (b"",)
            if row is None and not self._is_there(one.key, generation):
                continue  # deleted, or given codes of another coder, since it was read
            code = np.frombuffer(b"" if row is None else row[0], np.uint8)
            if len(code) == len(right) and np.bitwise_count(code ^ right).sum() <= allowed:
                continue
            detail = "there is none" if row is None else "not that of its features"
            self._findings.add(Fault("code", generation.model_digest, one.id, detail))

    def _is_there(self, key: int, generation: Generation) -> bool:
        select = (
            "SELECT 1 FROM pictures JOIN generations USING (generation)"
            " WHERE picture = ? AND coder = ?"
        )
        return self._connection.execute(select, (key, generation.coder)).fetchone() is not None


def _count_orphaned_codes(connection: apsw.Connection, findings: Findings) -> None:
    orphaned = "SELECT picture FROM codes WHERE picture NOT IN (SELECT picture FROM pictures)"
    try:
        for (key,) in connection.execute(orphaned):
            findings.add(Fault("code", detail=f"left of picture {key}, which was deleted"))
    except apsw.Error as error:
        findings.add(Fault("pages", detail=str(error)))


def _check_originals(
    originals: Originals, contents: set[str], findings: Findings
) -> dict[str, int]:
    present = set(originals.digests())
    for digest in sorted(present & contents):
        data = originals.read(digest)
        if data is not None and hashlib.sha256(data).hexdigest() != digest:
            findings.add(Fault("original", detail=f"{digest} holds other bytes"))
    return {"missing": len(contents - present), "orphaned": len(present - contents)}
