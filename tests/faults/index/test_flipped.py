"""Bits that flip in a closed index file: noticed by a check, or without effect; and repaired."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sys
from pathlib import Path

import apsw
import numpy as np
import pytest

from alexnet_server.errors import RequestError, StorageFailed
from alexnet_server.index.checking import check
from alexnet_server.index.opening import Indexes
from alexnet_server.index.records import Record
from alexnet_server.index.repairing import repair
from tests.faults.size import sized
from tests.written_index import BINDING, flip_bit, write_index

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
COUNT = 200
FLIPS = sized(30, 200)
ROWS = sized(20, 200)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    path = tmp_path_factory.mktemp("written") / "index.sqlite"
    return path, write_index(path, COUNT)


def comparable(record: Record) -> tuple[object, bytes, bytes]:
    return record.picture, record.thumbnail, record.features.tobytes()


def read_all(path: Path) -> list[tuple[object, bytes, bytes]]:
    """As a server reads them.  Raises RequestError."""
    indexes = Indexes(path)
    try:
        index = indexes.open(BINDING)
        return [comparable(one) for one in index.records("", 2 * COUNT)]
    finally:
        indexes.close()


def test_what_a_check_calls_sound_is_as_it_was(
    written: tuple[Path, list[Record]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, records = written
    expected = [comparable(one) for one in records]
    dice = random.Random(SEED)
    noticed = refused = 0
    for number in range(FLIPS):
        path = Path(shutil.copy(source, tmp_path / f"{number}.sqlite"))
        flip_bit(path, dice.randrange(path.stat().st_size), dice.randrange(8))
        try:
            found = check(path, None)
        except RequestError:
            refused += 1
            continue
        if found.counts:
            noticed += 1
            require_repaired(path, records)
        else:
            assert read_all(path) == expected, f"flip {number} of seed {SEED} is not noticed"
        path.unlink()
    with capsys.disabled():
        sys.stdout.write(
            f"\nflipped bits: {FLIPS} from seed {SEED}: {noticed} noticed and repaired, "
            f"{refused} refused, {FLIPS - noticed - refused} without effect\n"
        )
    assert noticed > FLIPS / 2


def require_repaired(path: Path, records: list[Record]) -> None:
    """Every picture is kept as it was, or named as lost."""
    try:
        repaired = repair(path)
    except RequestError:
        return  # such as a root page: for a backup
    lost = {one.id for one in repaired.lost}
    kept = read_all(path)
    by_id = {one.picture.id: comparable(one) for one in records}
    for one in kept:
        assert by_id[one[0].id] == one
    assert len(kept) + len(lost) >= len(records), "lost, and not named"
    assert check(path, None).counts == {}


@pytest.mark.parametrize("what", ["features", "thumbnail", "texts"])
def test_every_row_with_a_flipped_bit_is_named_and_no_other(
    written: tuple[Path, list[Record]], tmp_path: Path, what: str
) -> None:
    source, records = written
    dice = random.Random(SEED)
    path = Path(shutil.copy(source, tmp_path))
    content = path.read_bytes()
    chosen = dice.sample(records, ROWS)
    for record in chosen:
        part = {
            "features": record.features.tobytes(),
            "thumbnail": record.thumbnail,
            "texts": b'{"number":%d}2026-01-02T03:04:05' % record.picture.metadata["number"],
        }[what]
        offset = content.find(part)
        assert offset > 0
        flip_bit(path, offset + dice.randrange(len(part)), dice.randrange(8))
    found = check(path, None)
    assert {(one.what, one.id) for one in found.faults} == {
        (what, record.picture.id) for record in chosen
    }
    assert found.counts == {what: ROWS}


def test_a_server_says_so_where_it_reads_such_a_row(
    written: tuple[Path, list[Record]], tmp_path: Path
) -> None:
    source, records = written
    path = Path(shutil.copy(source, tmp_path))
    offset = path.read_bytes().find(records[7].features.tobytes())
    flip_bit(path, offset + 4 * int(np.argmax(records[7].features)) + 2, 0)
    indexes = Indexes(path)
    index = indexes.open(BINDING)
    try:
        with pytest.raises(RequestError, match="index check"):
            index.features(records[7].picture.id)
        with pytest.raises(RequestError, match="index check"):
            index.search(records[7].features, 5)
        assert index.features(records[8].picture.id).tobytes() == records[8].features.tobytes()
        far = np.flatnonzero([one.picture.id != records[7].picture.id for one in records])
        nearest = index.search(records[int(far[0])].features, 1)
        assert nearest[0].distance == 0
    finally:
        indexes.close()


def test_a_text_of_the_model_that_is_no_text_is_refused(
    written: tuple[Path, list[Record]], tmp_path: Path
) -> None:
    path = Path(shutil.copy(written[0], tmp_path / "index.sqlite"))
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        connection.execute("UPDATE generations SET created_at = CAST(x'32b0' AS TEXT)")
    for call in (lambda: check(path, None), lambda: repair(path)):
        with pytest.raises(StorageFailed, match="restore a backup"):
            call()
