"""A new generation from an old one: whole, once, resumable, and followed while it changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alexnet_pixels.errors import UndecodablePicture
from alexnet_server.errors import IndexInUse, IndexMismatch, SettingsError
from alexnet_server.index.inspected import generations, open_file
from alexnet_server.index.opening import Indexes
from alexnet_server.index.records import Binding, NewPicture, Record
from alexnet_server.index.reindexing import (
    Looked,
    Reindexing,
    choose_source,
    files_by_content,
)
from tests.written_index import BINDING, UNITS, write_index

NEW = Binding("1" * 64, 32)
COUNT = 100


def original(number: int) -> bytes:
    return str(number).encode()  # as made_record has its sha256


CONTENTS = {hashlib.sha256(original(n)).hexdigest(): original(n) for n in range(COUNT + 10)}


def features(data: bytes) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(data).digest()[:8])
    return np.random.default_rng(seed).random(NEW.units, np.float32)


def look(pictures: Sequence[bytes]) -> list[Looked]:
    return [(b"small " + data, features(data)) for data in pictures]


@pytest.fixture
def records(path: Path) -> list[Record]:
    return write_index(path, COUNT)


@contextmanager
def reindexing(path: Path) -> Iterator[Reindexing]:
    indexes = Indexes(path)
    try:
        index = indexes.open(NEW, builds=True)
        with open_file(path) as connection:
            known = {one.model_digest: one for one in generations(connection).values()}
            source, target = known[BINDING.model_digest], known[NEW.model_digest]
            yield Reindexing(connection, source, target, index)
    finally:
        indexes.close()


def expected(records: list[Record]) -> list[tuple[object, bytes, bytes]]:
    remade = [(one, CONTENTS[one.picture.content_sha256]) for one in records]
    return [(one.picture, b"small " + data, features(data).tobytes()) for one, data in remade]


def found(work: Reindexing) -> list[tuple[object, bytes, bytes]]:
    records = work.index.records("", 1000)
    return [(one.picture, one.thumbnail, one.features.tobytes()) for one in records]


def test_every_picture_is_there_once_as_the_new_model_sees_it(
    path: Path, records: list[Record]
) -> None:
    told: list[int] = []
    with reindexing(path) as work:
        filled = work.fill(CONTENTS.get, look, told.append)
        assert (filled.written, filled.missing) == (COUNT, {})
        assert sum(told) == COUNT
        assert found(work) == expected(records)
        again = work.fill(CONTENTS.get, look)
        assert again.written == 0


def test_it_goes_on_where_it_was_interrupted(path: Path, records: list[Record]) -> None:
    looked: list[bytes] = []

    def failing(pictures: Sequence[bytes]) -> list[Looked]:
        if len(looked) > COUNT / 2:
            raise KeyboardInterrupt
        looked.extend(pictures)
        return look(pictures)

    with reindexing(path) as work, pytest.raises(KeyboardInterrupt):
        work.fill(CONTENTS.get, failing)
    before = len(looked)
    looked.clear()
    with reindexing(path) as work:
        assert work.index.count() == before
        assert work.fill(CONTENTS.get, look).written == COUNT - before
        assert found(work) == expected(records)


def test_what_changes_meanwhile_is_followed(path: Path, records: list[Record]) -> None:
    server = Indexes(path)
    old = server.open(BINDING)
    changed = False

    def changing(pictures: Sequence[bytes]) -> list[Looked]:
        nonlocal changed
        if not changed:
            changed = True
            first = records[0].picture  # all before the place where it is
            old.delete([records[1].picture.id])
            old.upsert([described(first.id, records[0])])
            old.upsert([other_bytes(records[2].picture.id, COUNT + 1)])
            old.upsert([other_bytes("a new one", COUNT + 2)])
        return look(pictures)

    with reindexing(path) as work:
        work.fill(CONTENTS.get, look)
        old.upsert([described(records[50].picture.id, records[50])])
        work.fill(CONTENTS.get, changing)
        old.upsert([other_bytes("the last", COUNT + 3)])
        work.fill(CONTENTS.get, changing)
        assert changed
        assert found(work) == expected(old.records("", 1000))
        assert work.index.count() == COUNT + 1
    server.close()


def described(picture_id: str, record: Record) -> NewPicture:
    digest = record.picture.content_sha256
    return NewPicture(
        picture_id, digest, "another label", {"x": 1}, record.thumbnail, record.features
    )


def other_bytes(picture_id: str, number: int) -> NewPicture:
    digest = hashlib.sha256(original(number)).hexdigest()
    return NewPicture(picture_id, digest, None, None, b"jpeg", np.ones(UNITS, np.float32))


def test_what_cannot_be_had_is_named_and_the_rest_is_there(
    path: Path, records: list[Record]
) -> None:
    one, two, three = (records[n].picture for n in (4, 40, 99))

    def read(digest: str) -> bytes | None:
        if digest == one.content_sha256:
            return None
        return b"garbled" if digest == two.content_sha256 else CONTENTS[digest]

    def look_at_most(pictures: Sequence[bytes]) -> list[Looked]:
        bad = CONTENTS[three.content_sha256]
        seen = zip(pictures, look(pictures), strict=True)
        return [UndecodablePicture("cut short") if data == bad else one for data, one in seen]

    with reindexing(path) as work:
        filled = work.fill(read, look_at_most)
        assert filled.missing == {
            one.id: "there is no original",
            two.id: "the original holds other bytes",
            three.id: "cut short",
        }
        assert work.index.count() == filled.written == COUNT - 3


def test_nobody_sees_it_before_the_switch(path: Path, records: list[Record]) -> None:
    server = Indexes(path)  # has the new model already, and found its place empty
    index = server.of(NEW.model_digest, NEW.units)
    assert index.count() == 0
    with reindexing(path) as work:
        work.fill(CONTENTS.get, look)
        with pytest.raises(IndexInUse, match=r"being made: 100 of 100 pictures"):
            index.count()
        with pytest.raises(IndexInUse):
            index.upsert([replace(other_bytes("x", 1), features=features(b""))])
        work.index.switch({"from": "x"})
    assert index.count() == COUNT
    server.close()
    with pytest.raises(IndexMismatch, match="nothing to make"), reindexing(path):
        pass


def test_the_comparison_reads_both(path: Path, records: list[Record]) -> None:
    with reindexing(path) as work:
        work.fill(CONTENTS.get, look)
        told: list[int] = []
        drift = work.compare(told.append)
    assert (drift.pictures, drift.compared, sum(told)) == (COUNT, COUNT, COUNT)
    assert drift.mean_cosine is None  # other units
    assert drift.neighbors_kept_at_10 is not None
    assert drift.neighbors_kept_at_10 < 0.3  # by chance 10 of 99


def test_the_source_is_the_only_one_with_pictures(path: Path, records: list[Record]) -> None:
    with reindexing(path) as work:
        known = generations(work.connection).values()
        chosen = choose_source(work.connection, known, work.target, None)
        assert chosen == work.source
        assert choose_source(work.connection, known, work.target, "0000") == work.source
        with pytest.raises(SettingsError, match="none"):
            choose_source(work.connection, known, work.target, "5")
    write_index(path, 3, replace(BINDING, model_digest="2" * 64))
    with reindexing(path) as work:
        known = generations(work.connection).values()
        with pytest.raises(SettingsError, match=r"0{12} \(l2\), 2{12} \(l2\)"):
            choose_source(work.connection, known, work.target, None)


def test_files_are_found_by_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x.jpg").write_bytes(b"1")
    (tmp_path / "y").write_bytes(b"2")
    assert files_by_content(tmp_path) == {
        hashlib.sha256(b"1").hexdigest(): tmp_path / "a" / "b" / "x.jpg",
        hashlib.sha256(b"2").hexdigest(): tmp_path / "y",
    }
