"""What the index promises about its file: durable, wiped of what was deleted, and nobody else's."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import apsw
import numpy as np
import pytest

from alexnet_server.errors import IndexMismatch, StorageFailed
from alexnet_server.index import database, writer
from alexnet_server.index.database import Database
from alexnet_server.index.opening import Indexes
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.records import Binding, NewPicture
from tests.unit.server.index.given import BINDING, LATER, UNITS, fill, opened, picture
from tests.waiting import wait_until


def test_every_pragma_is_what_was_asked_for(index: PictureIndex) -> None:
    """A statement behind one that returns a row would be left undone."""

    def require(connection: apsw.Connection) -> None:
        assert connection.pragma("journal_mode") == "wal"
        assert connection.pragma("synchronous") == 2  # FULL: every commit is synced
        assert connection.pragma("foreign_keys") == 1
        assert connection.pragma("secure_delete") == 1
        assert connection.pragma("mmap_size") == 0

    with index._database.reading() as reader:
        require(reader)
    index._writer.write(require)
    pages = index._writer.write(lambda connection: connection.pragma("wal_autocheckpoint"))
    assert pages == database.CHECKPOINT_PAGES


def test_other_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("not an index, but long enough to have a header" * 100)
    with pytest.raises(IndexMismatch, match="not an SQLite file"):
        opened(text)
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    before = foreign.read_bytes()
    with pytest.raises(IndexMismatch, match="not an index"):
        opened(foreign)
    assert foreign.read_bytes() == before
    newer = tmp_path / "newer.sqlite"
    opened(newer).close()
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    before = newer.read_bytes()
    for how in (opened, lambda path: Database(path, read_only=True)):
        with pytest.raises(IndexMismatch, match="version 3"):
            how(newer)
        assert newer.read_bytes() == before


def test_features_of_another_length_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    opened(path).close()
    with pytest.raises(IndexMismatch, match="64 units"):
        opened(path, Binding("digest-one", UNITS * 2))
    opened(path).close()  # and the file is closed again


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="cannot be opened"):
        opened(tmp_path / "file" / "index.sqlite")


def test_who_only_reads_makes_and_changes_nothing(tmp_path: Path, features: np.ndarray) -> None:
    path = tmp_path / "index.sqlite"
    with pytest.raises(StorageFailed):
        Database(path, read_only=True)
    assert list(tmp_path.iterdir()) == []
    index = opened(path)
    fill(index, features[:3])
    reader = Database(path, read_only=True)  # beside it
    with reader.reading() as connection:
        assert connection.execute("SELECT count(*) FROM pictures").get == 3
        with pytest.raises(apsw.ReadOnlyError):
            connection.execute("DELETE FROM pictures")
    reader.close()
    index.close()


def test_one_index_for_all_who_ask_in_a_process(tmp_path: Path, features: np.ndarray) -> None:
    """A deploy of the same model comes before the last one is gone."""
    indexes = Indexes(tmp_path / "index.sqlite")
    first = indexes.of(BINDING.model_digest, UNITS)
    fill(first, features[:3])
    second = indexes.of(BINDING.model_digest, UNITS)
    other = indexes.of(LATER.model_digest, UNITS)
    assert second is first
    first.close()
    assert second.count() == 3  # another still has it
    second.close()
    assert other.count() == 0
    for ask in (first.count, lambda: first.upsert([picture("late", features[0])])):
        with pytest.raises(StorageFailed, match="closed"):
            ask()
    other.close()
    with pytest.raises(StorageFailed, match="closed"), first._database.reading():
        pass
    again = indexes.of(BINDING.model_digest, UNITS)
    assert again.count() == 3
    indexes.close()
    assert not list(tmp_path.glob("*-wal"))  # SQLite's own sign of a closed file


def held_in(path: Path) -> dict[str, bytes]:
    """What the index's files hold.

    By another process: where one of this closes a file, SQLite's locks on it are gone.
    """
    files = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]
    return {
        one.name: subprocess.run(["cat", one], stdout=subprocess.PIPE, check=True).stdout
        for one in files
        if one.exists()
    }


def bytes_left(files: dict[str, bytes], wanted: bytes, window: int = 64) -> list[str]:
    """Those of ``files`` in which some piece of ``wanted`` is found."""
    pieces = [wanted[at : at + window] for at in range(0, len(wanted) - window + 1, 512)]
    return [name for name, content in files.items() if any(one in content for one in pieces)]


def log_is_empty(path: Path) -> bool:
    return path.with_name(f"{path.name}-wal").stat().st_size == 0


def test_nothing_is_left_of_what_was_deleted_or_replaced(tmp_path: Path) -> None:
    """Random inserts and deletes; b-tree pages split and merge over what was there."""
    path = tmp_path / "index.sqlite"
    dice = np.random.default_rng(3)
    index = opened(path, Binding("digest", 1_024))
    rows: dict[str, NewPicture] = {}
    gone: list[NewPicture] = []
    for number in range(300):
        name = f"p{dice.integers(200)}"
        row = dice.standard_normal(1_024).astype(np.float32)
        one = NewPicture(name, f"sha-{number}", None, {}, dice.bytes(3_000), row)
        if name in rows:
            gone.append(rows[name])
        rows[name] = one
        index.upsert([one])
        if number % 3 == 2:
            name = str(dice.choice(sorted(rows)))
            gone.append(rows.pop(name))
            index.delete([name])
    began = time.monotonic()
    wait_until(lambda: log_is_empty(path))
    assert time.monotonic() - began < 1.5  # 1 s is promised; the machine may be busy
    files = held_in(path)
    kept = next(iter(rows.values()))
    assert bytes_left(files, kept.features.tobytes()) == ["index.sqlite"]  # it would be seen
    for one in gone:
        assert bytes_left(files, one.features.tobytes()) == []
        assert bytes_left(files, one.thumbnail) == []
    index.close()


def test_a_reader_that_stays_long_holds_up_wiping_alone(
    tmp_path: Path, features: np.ndarray
) -> None:
    path = tmp_path / "index.sqlite"
    index = opened(path)
    fill(index, features[:20])
    with (
        index._database.reading() as connection,
        closing(connection.execute("SELECT picture FROM pictures")) as rows,
    ):
        next(rows)
        index.delete(["p0003"])
        index.upsert([picture("meanwhile", features[0])])
        assert not log_is_empty(path)
    wait_until(lambda: log_is_empty(path))
    assert bytes_left(held_in(path), features[3].tobytes()) == []
    index.close()


DELETER = """
import sys
from pathlib import Path
from tests.unit.server.index.given import opened
index = opened(Path(sys.argv[1]))
index.delete(["p0003"])
print("deleted", flush=True)
sys.stdin.readline()
"""


def test_what_a_killed_process_deleted_is_wiped_at_the_next_start(
    tmp_path: Path, features: np.ndarray
) -> None:
    path = tmp_path / "index.sqlite"
    index = opened(path)
    fill(index, features[:20])
    index.close()
    with subprocess.Popen(
        [sys.executable, "-c", DELETER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as deleter:
        assert deleter.stdout.readline() == "deleted\n"
        deleter.send_signal(signal.SIGKILL)
    index = opened(path)
    wait_until(lambda: log_is_empty(path))
    assert bytes_left(held_in(path), features[3].tobytes()) == []
    index.close()


def key_indexes(path: Path) -> list[str]:
    index = Database(path, read_only=True)
    with index.reading() as connection:
        select = "SELECT sql FROM sqlite_schema WHERE name GLOB 'key_*' ORDER BY sql"
        found = [sql.split("$.")[1].split('"')[1] for (sql,) in connection.execute(select)]
    index.close()
    return found


def test_named_keys_have_an_index_until_they_are_named_no_more(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    for named, expected in (
        (("brand", "Brand", "p-1"), ["Brand", "brand", "p-1"]),
        (None, ["Brand", "brand", "p-1"]),
        (("brand",), ["brand"]),
        ((), []),
    ):
        opened(path, index_keys=named).close()
        assert key_indexes(path) == expected


def test_the_log_stays_short_beside_readers_without_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads keeps SQLite from beginning its log anew, and here somebody always does."""
    monkeypatch.setattr(writer, "LOG_BYTES", 200_000)
    path = tmp_path / "index.sqlite"
    index = opened(path)
    stop, row = threading.Event(), np.zeros(UNITS, np.float32)

    def read() -> None:
        while not stop.is_set():
            with index._database.reading() as connection:
                connection.execute("SELECT count(*) FROM pictures").fetchall()
                stop.wait(0.005)

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        try:
            longest = 0
            for number in range(200):
                index.upsert([picture(f"p{number}", row)])
                longest = max(longest, index._database.log_bytes())
            assert longest > writer.LOG_BYTES
            wait_until(lambda: log_is_empty(path))
        finally:
            stop.set()
        for reader in readers:
            reader.result()
    index.close()
