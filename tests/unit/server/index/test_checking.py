"""A check names everything that is not as it was written, and nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from alexnet_server.errors import IndexMismatch
from alexnet_server.index.backup import back_up
from alexnet_server.index.checking import check
from alexnet_server.index.coder import MeanCoder
from alexnet_server.index.records import Record
from tests.unit.server.index.given import COUNT
from tests.written_index import (
    BINDING,
    altered,
    flip_bit,
    leaf_pages,
    overwrite_page,
)


def give_codes(path: Path, records: list[Record]) -> None:
    features = np.stack([one.features for one in records])
    coder = MeanCoder(features.mean(axis=0))
    with altered(path) as connection:
        connection.execute(
            "INSERT INTO coders VALUES (1, 1, 'mean', ?, ?, ?, 'now')",
            (coder.code_bytes, coder.parameters(), len(records)),
        )
        connection.execute("UPDATE generations SET coder = 1")
        rows = [(key, code.tobytes()) for key, code in enumerate(coder.encode(features), 1)]
        connection.executemany("INSERT INTO codes VALUES (1, ?, ?)", rows)


def test_a_sound_file_is_sound(path: Path, records: list[Record]) -> None:
    give_codes(path, records)
    told = []
    findings = check(path, None, told.append)
    assert findings.as_json() == {
        "sound": True,
        "pictures": COUNT,
        "generations": [
            {
                "model": BINDING.model_digest,
                "layer": "fc7",
                "views": 1,
                "metric": "l2",
                "units": BINDING.units,
                "state": "live",
                "codes": "mean",
                "pictures": COUNT,
            }
        ],
        "faults": {},
        "listed": [],
    }
    assert sum(told) == COUNT


@pytest.mark.parametrize("what", ["features", "thumbnail", "texts"])
def test_one_flipped_bit_is_named_with_its_picture(
    path: Path, records: list[Record], what: str
) -> None:
    record = records[17]
    part = {
        "features": record.features.tobytes(),
        "thumbnail": record.thumbnail,
        "texts": b'{"number":17}2026',
    }[what]
    offset = path.read_bytes().find(part)
    assert offset > 0
    flip_bit(path, offset + len(part) // 2, 6)
    findings = check(path, None)
    assert [fault.as_json() for fault in findings.faults] == [
        {"fault": what, "model": BINDING.model_digest, "id": record.picture.id}
    ]


def test_text_that_is_no_utf8_any_more_is_a_fault(path: Path, records: list[Record]) -> None:
    flip_bit(path, path.read_bytes().find(b'{"number":17}') + 4, 7)
    assert [fault.what for fault in check(path, None).faults] == ["texts"]


def test_a_page_that_is_none_names_its_pictures(path: Path, records: list[Record]) -> None:
    page = leaf_pages(path, "features")[3]
    on_page = path.read_bytes()[(page - 1) * 4096 : page * 4096]
    expected = {one.picture.id for one in records if one.features.tobytes() in on_page}
    overwrite_page(path, page, b"")
    findings = check(path, None)
    assert expected
    assert {one.id for one in findings.faults if one.what == "unreadable"} == expected
    assert findings.counts["pages"] > 0
    assert findings.pictures == COUNT - len(expected)


def test_a_row_that_is_gone_is_a_fault(path: Path, records: list[Record]) -> None:
    with altered(path) as connection:
        connection.execute("DELETE FROM thumbnails WHERE picture = 4")
        connection.execute("DELETE FROM pictures WHERE picture = 9")
    findings = check(path, None)
    assert {(one.what, one.id) for one in findings.faults if one.id} == {
        ("thumbnail", records[3].picture.id)
    }
    assert findings.counts == {"thumbnail": 1, "references": 2}


def test_codes_are_those_of_the_features(path: Path, records: list[Record]) -> None:
    give_codes(path, records)
    with altered(path) as connection:
        connection.execute("UPDATE codes SET code = zeroblob(length(code)) WHERE picture = 2")
        connection.execute("DELETE FROM codes WHERE picture = 3")
        connection.execute("INSERT INTO codes VALUES (1, 999, zeroblob(38))")
    findings = check(path, None)
    assert [(one.what, one.id, one.detail) for one in findings.faults] == [
        ("code", records[1].picture.id, "not that of its features"),
        ("code", records[2].picture.id, "there is none"),
        ("code", None, "left of picture 999, which was deleted"),
    ]


def test_a_coder_that_cannot_be_loaded_is_a_fault(path: Path, records: list[Record]) -> None:
    give_codes(path, records)
    with altered(path) as connection:
        connection.execute("UPDATE coders SET parameters = x'00'")
    findings = check(path, None)
    assert findings.counts == {"coder": 1}


def test_originals_are_compared_by_content(
    path: Path, records: list[Record], tmp_path: Path
) -> None:
    folder = tmp_path / "originals"
    right, wrong = records[1].picture.content_sha256, records[2].picture.content_sha256
    nobodys = hashlib.sha256(b"nobody's").hexdigest()
    for digest, data in ((right, b"1"), (wrong, b"other"), (nobodys, b"nobody's")):
        (folder / digest[:2]).mkdir(parents=True, exist_ok=True)
        (folder / digest[:2] / digest).write_bytes(data)
    findings = check(path, folder)
    assert findings.originals == {"missing": COUNT - 2, "orphaned": 1}
    assert [fault.what for fault in findings.faults] == ["original"]
    assert wrong in (findings.faults[0].detail or "")


@pytest.mark.parametrize("content", [b"", b"no database at all" * 400])
def test_another_programs_file_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(IndexMismatch):
        check(path, None)
    assert path.read_bytes() == content


def test_a_backup_is_the_same_index(path: Path, records: list[Record], tmp_path: Path) -> None:
    assert back_up(path, tmp_path / "copy.sqlite") == path.stat().st_size
    assert check(tmp_path / "copy.sqlite", None).as_json() == check(path, None).as_json()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.sqlite", "index.sqlite"]
