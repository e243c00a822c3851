"""A repair keeps every picture that is whole, tells which are not, and loses no file."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from alexnet_server.errors import IndexInUse, IndexMismatch, StorageFailed
from alexnet_server.index import repairing
from alexnet_server.index.checking import check
from alexnet_server.index.inspected import Found, open_file, pictures
from alexnet_server.index.records import Record
from alexnet_server.index.repairing import repair
from tests.unit.server.index.given import COUNT
from tests.written_index import (
    PAGE,
    altered,
    flip_bit,
    leaf_pages,
    overwrite_page,
)


def stored(path: Path) -> list[tuple[object, bytes, bytes]]:
    with open_file(path) as connection:
        found = [one for some in pictures(connection) for one in some]
    assert all(isinstance(one, Found) for one in found)
    return comparable([one.record for one in found])


def comparable(records: list[Record]) -> list[tuple[object, bytes, bytes]]:
    return [(one.picture, one.thumbnail, one.features.tobytes()) for one in records]


def test_a_sound_file_is_left_alone(path: Path, records: list[Record], tmp_path: Path) -> None:
    before = path.read_bytes()
    assert repair(path).as_json() == {
        "repaired": False,
        "faults": {},
        "pictures": COUNT,
        "lost": [],
        "damaged_file": None,
    }
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["index.sqlite"]


def test_what_is_whole_is_kept_and_what_is_not_is_named(
    path: Path, records: list[Record], tmp_path: Path
) -> None:
    content = path.read_bytes()
    flip_bit(path, content.find(records[5].features.tobytes()) + 100, 3)
    flip_bit(path, content.find(records[6].features.tobytes()) + 100, 3)
    flip_bit(path, content.find(records[6].thumbnail) + 100, 3)
    damaged = path.read_bytes()
    repaired = repair(path)
    assert [(one.id, one.why) for one in repaired.lost] == [
        (records[5].picture.id, "features"),
        (records[6].picture.id, "features and thumbnail"),
    ]
    assert stored(path) == comparable(records[:5] + records[7:])
    assert check(path, None).counts == {}
    assert repaired.damaged_file == tmp_path / "index.sqlite.damaged-1"
    assert repaired.damaged_file.read_bytes()[PAGE:] == damaged[PAGE:]  # page 1 counts changes
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("table", ["features", "pictures", "thumbnails"])
def test_a_page_that_is_none_costs_its_own_pictures(
    path: Path, records: list[Record], table: str
) -> None:
    overwrite_page(path, leaf_pages(path, table)[1], b"")
    repaired = repair(path)
    lost = {one.id for one in repaired.lost}
    assert 1 <= len(lost) < COUNT / 2
    assert None not in lost  # the index of ids is whole
    assert stored(path) == comparable([one for one in records if one.picture.id not in lost])
    assert check(path, None).counts == {}


def test_pictures_that_a_damaged_page_hides_are_named(path: Path, records: list[Record]) -> None:
    # The page that leads to the others leads to the second twice, and to the first no more:
    # of which SQLite says nothing (sqlite.org/fileformat.html, section 1.6).
    with altered(path) as connection:
        select = "SELECT rootpage FROM sqlite_schema WHERE name = 'pictures'"
        start = (connection.execute(select).get - 1) * PAGE
    content = bytearray(path.read_bytes())
    assert content[start] == 5  # an interior page of a table
    first, second = struct.unpack_from(">HH", content, start + 12)
    content[start + first : start + first + 4] = content[start + second : start + second + 4]
    path.write_bytes(content)
    repaired = repair(path)
    kept, lost = stored(path), {one.id for one in repaired.lost}
    assert len(kept) < COUNT
    assert {one.picture.id for one in records} == {one[0].id for one in kept} | lost  # type: ignore[attr-defined]
    assert check(path, None).counts == {}


def test_a_schema_that_no_server_reads_is_damage(path: Path, records: list[Record]) -> None:
    content = path.read_bytes()
    flip_bit(path, content.index(b"tablegenerationsgenerations") + 15, 1)  # "generationq"
    assert check(path, None).counts["pages"] >= 1
    assert repair(path).lost == []
    assert stored(path) == comparable(records)
    assert check(path, None).counts == {}


def test_a_lost_index_of_ids_costs_nothing(path: Path, records: list[Record]) -> None:
    for page in leaf_pages(path, "sqlite_autoindex_pictures_1"):
        overwrite_page(path, page, b"")
    assert repair(path).lost == []
    assert stored(path) == comparable(records)


def test_two_pages_of_the_same_pictures_are_told_as_unknown(
    path: Path, records: list[Record]
) -> None:
    for page in leaf_pages(path, "sqlite_autoindex_pictures_1"):
        overwrite_page(path, page, b"")
    overwrite_page(path, leaf_pages(path, "pictures")[1], b"")
    repaired = repair(path)
    assert repaired.lost
    assert {(one.id, one.why) for one in repaired.lost} == {(None, "unreadable")}
    assert len(stored(path)) == COUNT - len(repaired.lost)


def test_a_file_cut_short_keeps_what_is_left(path: Path, records: list[Record]) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4 // PAGE * PAGE])
    repaired = repair(path)
    assert 0 < repaired.kept < COUNT
    assert repaired.kept + len(repaired.lost) == COUNT
    assert check(path, None).counts == {}


def test_codes_are_left_to_be_made_again(path: Path, records: list[Record]) -> None:
    with altered(path) as connection:
        connection.execute("INSERT INTO coders VALUES (1, 1, 'mean', 38, x'00', 60, 'now')")
        connection.execute("UPDATE generations SET coder = 1")
    assert repair(path).lost == []
    with altered(path) as connection:
        assert connection.execute("SELECT count(*) FROM coders").get == 0
        assert connection.execute("SELECT coder FROM generations").fetchall() == [(None,)]
    assert stored(path) == comparable(records)


def test_nothing_is_done_while_another_process_has_the_file(
    path: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite_page(path, leaf_pages(path, "features")[1], b"")
    before = path.read_bytes()
    script = (
        "import apsw, sys; c = apsw.Connection(sys.argv[1]); c.pragma('user_version');"
        "print('open', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    monkeypatch.setattr("alexnet_server.index.inspected._LOCKED_MS", 100)
    try:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(IndexInUse, match="stop the server"):
            repair(path)
    finally:
        other.communicate()
    assert path.read_bytes() == before
    assert repair(path).lost


def test_a_repair_that_fails_leaves_the_file_as_it_was(
    path: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite_page(path, leaf_pages(path, "features")[1], b"")
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise apsw.FullError("database or disk is full")

    monkeypatch.setattr(repairing, "insert", full)
    with pytest.raises(StorageFailed, match="full"):
        repair(path)
    assert path.read_bytes() == before
    monkeypatch.undo()
    assert repair(path).damaged_file == path.with_name("index.sqlite.damaged-2")


def test_a_file_without_a_head_is_for_a_backup(path: Path, records: list[Record]) -> None:
    overwrite_page(path, 1, b"")
    with pytest.raises(IndexMismatch, match="head"):
        repair(path)
