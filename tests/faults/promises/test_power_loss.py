"""P1: what was answered 200 or 201 is still there after the power was cut, at any moment."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest
from flask.testing import FlaskClient

from alexnet_server.errors import IndexMismatch, StorageFailed
from alexnet_server.index import Index, database
from alexnet_server.index.database import Database
from alexnet_server.index.opening import Indexes
from alexnet_server.index.records import Binding
from tests.faults.promises.app_in_process import application
from tests.faults.promises.disk import Disk
from tests.faults.size import sized

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
CUTS = sized(60, 2000)
WRITERS = 4
REQUESTS = 12  # of each
RATE = 0.08  # about 60 cuts in a run
SOME_PAGES = 25  # a checkpoint so often, for many cuts inside one
FILE = "index.sqlite"

Row = tuple[str, str | None, dict[str, Any], bytes, bytes]  # digest, label, metadata, and blobs
Rows = dict[str, Row]


@dataclass
class Change:
    """One request: what the index held before it, and holds once it is answered."""

    before: Rows
    after: Rows | None = None


@dataclass
class Client:
    """Stores, describes, replaces and deletes pictures of its own, one request at a time."""

    name: str
    pictures: list[bytes]
    dice: random.Random
    change: Change = field(default_factory=lambda: Change({}))

    def tell(self, client: FlaskClient, index: Index) -> None:
        for _ in range(REQUESTS):
            before = self.change.after if self.change.after is not None else self.change.before
            self.change = Change(before)
            after = self._ask(client, dict(before))
            for name, said in after.items():
                if before.get(name) != said:  # the blobs are what the server answers from now on
                    after[name] = (*said[:3], *_blobs(index, name))
            self.change.after = after

    def _ask(self, client: FlaskClient, rows: Rows) -> Rows:
        kind = self.dice.choice(["put", "put", "several", "describe", "delete"])
        if kind == "delete" and rows:
            name = self.dice.choice(sorted(rows))
            assert client.delete(f"/images/{name}").status_code == 204
            del rows[name]
            return rows
        if kind == "describe" and rows:
            name = self.dice.choice(sorted(rows))
            given = next(one for one in self.pictures if _digest(one) == rows[name][0])
            names, sent = [name], [given]
        else:
            count = 3 if kind == "several" else 1
            names = self.dice.sample([f"{self.name}{number}" for number in range(6)], count)
            sent = self.dice.sample(self.pictures, count)
        label, metadata = f"label {self.dice.random()}", {"n": self.dice.random()}
        answer = client.post(
            "/images",
            data={
                "image": [(io.BytesIO(one), "a.jpg") for one in sent],
                "id": names,
                "label": [label] * len(names),
                "metadata": [json.dumps(metadata)] * len(names),
            },
        )
        assert answer.status_code == 200, answer.text
        for name, one in zip(names, sent, strict=True):
            rows[name] = (_digest(one), label, metadata, b"", b"")
        return rows


@dataclass(frozen=True)
class Cut:
    """What the disk held when the power went, and each client's request; whether answered."""

    files: dict[str, bytes]
    changes: list[tuple[Change, bool]]


@dataclass
class Story:
    """Several clients at once, and what cuts of the power left of what they did."""

    clients: list[Client]
    dice: random.Random
    cuts: list[Cut] = field(default_factory=list)

    @classmethod
    def of(cls, pictures: list[bytes], seed: int) -> Story:
        clients = [
            Client(letter, pictures, random.Random(f"{seed} {letter}"))
            for letter in "abcdefgh"[:WRITERS]
        ]
        return cls(clients, random.Random(seed))

    def on_cut(self, files: dict[str, bytes]) -> None:
        changes = [one.change for one in self.clients]
        self.cuts.append(Cut(files, [(one, one.after is not None) for one in changes]))

    def tell(self, client: FlaskClient, index: Index) -> None:
        with ThreadPoolExecutor(WRITERS) as pool:
            application = client.application
            for told in [
                pool.submit(one.tell, application.test_client(), index) for one in self.clients
            ]:
                told.result()


def _digest(picture: bytes) -> str:
    return hashlib.sha256(picture).hexdigest()


def _blobs(index: Index, name: str) -> tuple[bytes, bytes]:
    return index.features(name).tobytes(), index.thumbnail(name)


def _rows(index: Index) -> Rows:
    return {
        one.id: (one.content_sha256, one.label, one.metadata, *_blobs(index, one.id))
        for one in index.page("", 1000).pictures
    }


@contextmanager
def disk(story: Story, *, keeps_syncs: bool) -> Iterator[None]:
    mounted = Disk(story.on_cut, story.dice, RATE, keeps_syncs=keeps_syncs)
    usual, database.CHECKPOINT_PAGES = database.CHECKPOINT_PAGES, SOME_PAGES
    try:
        yield
    finally:
        database.CHECKPOINT_PAGES = usual
        mounted.unregister()


def losses(
    repository: Path, pictures: list[bytes], folder: Path, seed: int, *, keeps_syncs: bool = True
) -> tuple[int, list[str]]:
    """How many cuts there were, and what was wrong after which of them."""
    story = Story.of(pictures, seed)
    folder.mkdir()
    with (
        disk(story, keeps_syncs=keeps_syncs),
        application(repository, folder / FILE) as (client, deploys),
        deploys.hold() as now,
    ):
        index = now.pictures()
        story.tell(client, index)
        binding = index.binding
    found = []
    for number, cut in enumerate(story.cuts):
        place = folder / str(number)
        place.mkdir()
        for name, content in cut.files.items():
            (place / name).write_bytes(content)
        if story.dice.random() < 0.2:  # shared memory is nothing to rely on after a cut
            (place / f"{FILE}-shm").write_bytes(story.dice.randbytes(32768))
        if fault := _fault(place / FILE, binding, cut):
            found.append(f"seed {seed}, cut {number}: {fault}")
    return len(story.cuts), found


def _fault(path: Path, binding: Binding, cut: Cut) -> str:
    try:
        index = Indexes(path).open(binding)
    except (StorageFailed, IndexMismatch) as error:
        return str(error)
    try:
        with index._database.reading() as connection:
            if (said := connection.pragma("integrity_check")) != "ok":
                return f"integrity_check: {said}"
        rows = _rows(index)
        if wrong := _wrong(rows, cut):
            return wrong
        for name, row in rows.items():
            if not _finds_itself(index, name, row):
                return f"{name} is not at distance 0 from itself"
    except (StorageFailed, ValueError) as error:
        return str(error)
    finally:
        index.close()
    return ""


def _wrong(rows: Rows, cut: Cut) -> str:
    """What of ``rows`` is not as the clients left it."""
    left = set(rows)
    for change, is_answered in cut.changes:
        names = {*change.before, *(change.after or {})}
        found = {name: row for name, row in rows.items() if name in names}
        if found != change.after and (is_answered or found != change.before):
            return f"{len(found)} pictures, and not those of the last request answered"
        left -= found.keys()
    return f"{left} are nobody's" if left else ""


def _finds_itself(index: Index, name: str, row: Row) -> bool:
    found = index.search(np.frombuffer(row[3], "<f4"), 20, max_distance=0.0)
    return name in {one.id for one in found}


def test_nothing_answered_is_lost(
    repository: Path, pictures: list[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cuts, run = 0, 0
    while cuts < CUTS:
        more, found = losses(repository, pictures, tmp_path / str(run), SEED + run)
        assert not found, found
        cuts, run = cuts + more, run + 1
    with capsys.disabled():
        sys.stdout.write(f"\npower loss: {cuts} cuts from seed {SEED}, nothing lost\n")


def _without_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    connect: Callable[[Database], apsw.Connection] = Database._connect

    def careless(self: Database) -> apsw.Connection:
        connection = connect(self)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    monkeypatch.setattr(Database, "_connect", careless)


@pytest.mark.parametrize("how", ["a disk that lies", "synchronous OFF"])
def test_the_same_cuts_find_a_missing_sync(
    how: str,
    repository: Path,
    pictures: list[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if how == "synchronous OFF":
        _without_syncs(monkeypatch)
    cuts, found = losses(
        repository, pictures, tmp_path / "run", SEED, keeps_syncs=how == "synchronous OFF"
    )
    assert len(found) > cuts / 10, f"{len(found)} losses in {cuts} cuts"


def test_folders_that_are_made_for_it_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    for _ in range(2):  # the second time they are there
        Database(tmp_path / "one" / "two" / FILE).close()
    assert synced == [tmp_path / "one", tmp_path]
