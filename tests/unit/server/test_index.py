"""The index against NumPy, and what it promises about its file."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import numpy as np
import pytest

from alexnet_server.errors import DeadlineExceeded, IndexMismatch, PictureNotFound, StorageFailed
from alexnet_server.index.pictures import PictureIndex, open_index
from alexnet_server.index.records import Binding, NewPicture, Repeat

UNITS = 64
BINDING = Binding("digest-one", UNITS)


def picture(name: str, features: np.ndarray, label: str | None = None) -> NewPicture:
    return NewPicture(name, f"sha-{name}", label, {"path": f"{name}.jpg"}, b"jpeg", features)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PictureIndex]:
    opened = open_index(tmp_path / "index.sqlite", BINDING)
    yield opened
    opened.close()


@pytest.fixture
def features() -> np.ndarray:
    return np.random.default_rng(6).gamma(0.5, 2, (1_300, UNITS)).astype(np.float32)


def fill(index: PictureIndex, features: np.ndarray) -> None:
    index.upsert(
        [
            picture(f"p{i:04d}", row, "even" if i % 2 == 0 else "odd")
            for i, row in enumerate(features)
        ]
    )


def test_search_equals_brute_force(index: PictureIndex, features: np.ndarray) -> None:
    fill(index, features)
    for query in features[:5] + np.float32(0.1):
        exact = np.sqrt(((features - query) ** 2).sum(axis=1))
        best = np.argsort(exact, kind="stable")[:20]
        found = index.search(query, 20)
        assert [neighbor.id for neighbor in found] == [f"p{i:04d}" for i in best]
        np.testing.assert_allclose([one.distance for one in found], exact[best], rtol=1e-5)


def test_search_takes_label_distance_and_self_into_account(
    index: PictureIndex, features: np.ndarray
) -> None:
    fill(index, features)
    odd = index.search(features[0], 1_300, label="odd")
    assert {neighbor.label for neighbor in odd} == {"odd"}
    assert len(odd) == 650
    itself = index.search(features[0], 1)[0]
    assert (itself.id, itself.distance) == ("p0000", 0.0)
    others = index.search(features[0], 1_300, excluding="p0000")
    assert len(others) == 1_299
    limit = others[9].distance
    assert len(index.search(features[0], 1_300, excluding="p0000", max_distance=limit)) == 10
    assert index.search(features[0], 5, label="none") == []


def test_a_search_that_nobody_waits_for_ends(index: PictureIndex, features: np.ndarray) -> None:
    fill(index, features)
    asked = []

    def require_wanted() -> None:
        asked.append(True)
        if len(asked) == 2:
            raise DeadlineExceeded("late")

    with pytest.raises(DeadlineExceeded):
        index.search(features[0], 5, require_wanted=require_wanted)
    assert len(index.search(features[0], 5)) == 5  # the reader is free again


def test_a_search_that_ended_early_does_not_hide_what_came_after(
    index: PictureIndex, features: np.ndarray
) -> None:
    """A statement left open would pin its reader, and the file's log, to the old view."""
    fill(index, features)

    def require_wanted() -> None:
        raise DeadlineExceeded("late")

    with pytest.raises(DeadlineExceeded) as kept:  # and with it the frames
        index.search(features[0], 5, require_wanted=require_wanted)
    index.upsert([picture("after", features[0])])
    assert index.count() == 1_301
    assert kept.value.__traceback__ is not None


def test_a_page_ends_once_its_metadata_is_4_mib(index: PictureIndex, features: np.ndarray) -> None:
    text = "\u00e9" * 500_000  # 1 MB of UTF-8
    names = [f"p{number}" for number in range(11)]
    index.upsert([NewPicture(one, "sha", None, {"t": text}, b"jpeg", features[0]) for one in names])
    seen, sizes, cursor = [], [], ""
    while cursor is not None:
        page = index.page(cursor, 1000)
        assert page.count == 11
        seen += [one.id for one in page.pictures]
        sizes.append(len(page.pictures))
        cursor = page.next_cursor
    assert seen == sorted(names)
    assert sizes == [5, 5, 1]


def test_a_page_is_never_empty_before_the_last(index: PictureIndex, features: np.ndarray) -> None:
    large = {"t": "x" * 5_000_000}
    index.upsert([NewPicture(one, "sha", None, large, b"jpeg", features[0]) for one in "ab"])
    first = index.page("", 1000)
    assert ([one.id for one in first.pictures], first.next_cursor) == (["a"], "a")
    second = index.page("a", 1000)
    assert ([one.id for one in second.pictures], second.next_cursor) == (["b"], None)
    assert index.page("b", 1000).pictures == ()


def write_in(index: PictureIndex, features: np.ndarray, wait_s: float) -> list[float]:
    """Seconds until each kind of write was refused."""
    seconds = []
    for write in (
        lambda: index.upsert([picture("late", features[0])], wait_s),
        lambda: index.delete(["p0000"], wait_s),
        lambda: index.delete_label("even", wait_s),
    ):
        began = time.monotonic()
        with pytest.raises(StorageFailed, match="nothing was stored"):
            write()
        seconds.append(time.monotonic() - began)
    return seconds


@pytest.mark.parametrize("wait_s", [0.3, -1.0])
def test_a_write_waits_no_longer_than_told(
    index: PictureIndex, features: np.ndarray, wait_s: float
) -> None:
    fill(index, features[:4])
    least = max(0.0, wait_s)
    with ThreadPoolExecutor(1) as pool, index._database.writing():  # a writer in this process
        for seconds in pool.submit(write_in, index, features, wait_s).result():
            assert least <= seconds < least + 1
    other = apsw.Connection(index._database._writer.filename)  # and in another one
    other.execute("BEGIN IMMEDIATE")
    for seconds in write_in(index, features, wait_s):
        assert least <= seconds < least + 1
    other.execute("ROLLBACK")
    other.close()
    assert index.count() == 4
    assert index.delete_label("even", 0.3) == 2


def test_upsert_replaces_and_repeat_redescribes(index: PictureIndex, features: np.ndarray) -> None:
    (first,) = index.upsert([picture("a", features[0], "old")])
    assert first.created
    other = NewPicture("a", "sha-other", None, {"path": "a.jpg"}, b"jpeg", features[1])
    (second,) = index.upsert([other])
    assert not second.created
    assert second.picture.label is None
    assert np.array_equal(index.features("a"), features[1])
    (third,) = index.upsert([Repeat("a", "sha-other", "new", None)])
    assert (third.picture.label, third.picture.metadata) == ("new", {"path": "a.jpg"})
    assert np.array_equal(index.features("a"), features[1])
    assert index.count() == 1


def test_the_same_bytes_again_keep_what_is_not_said(
    index: PictureIndex, features: np.ndarray
) -> None:
    said = picture("a", features[0], "cat")
    silent = NewPicture("a", "sha-a", None, None, b"jpeg", features[0])
    first, second = index.upsert([said, silent])
    assert (first.created, second.created) == (True, False)
    assert (second.picture.label, second.picture.metadata) == ("cat", {"path": "a.jpg"})
    with pytest.raises(PictureNotFound, match="replaced meanwhile"):
        index.upsert([Repeat("a", "sha-of-other-bytes", "dog", None)])
    assert index.get("a").label == "cat"


def plan(index: PictureIndex, select: str, values: tuple[object, ...]) -> str:
    with index._database.reading() as connection:
        return str(list(connection.execute(f"EXPLAIN QUERY PLAN {select}", values)))


@pytest.mark.parametrize("label", [None, "even"])
def test_a_search_sorts_no_features(index: PictureIndex, label: str | None) -> None:
    """SQLite would write all of them to a temporary file to put rows in order."""
    found = plan(index, *index._scan(label, None))
    assert "TEMP B-TREE" not in found
    assert ("SCAN" in found) == (label is None)


@pytest.mark.parametrize("label", [None, "even"])
def test_pages_and_counts_read_an_index(index: PictureIndex, label: str | None) -> None:
    where, values = index._where(label)
    count = plan(index, f"SELECT count(*) FROM pictures WHERE {where}", values)
    assert "USING COVERING INDEX" in count
    page = plan(index, f"SELECT id FROM pictures WHERE {where} AND id > '' ORDER BY id", values)
    assert "SEARCH" in page
    assert "TEMP B-TREE" not in page


def test_a_failed_upsert_stores_nothing(index: PictureIndex, features: np.ndarray) -> None:
    with pytest.raises(PictureNotFound):
        index.upsert([picture("a", features[0]), Repeat("gone", "sha", "label", None)])
    assert index.count() == 0
    index.upsert([picture("a", features[0])])  # the writer is free again
    assert index.count() == 1


def test_pages_in_order_of_id(index: PictureIndex, features: np.ndarray) -> None:
    fill(index, features[:25])
    seen: list[str] = []
    cursor = ""
    while True:
        page = index.page(cursor, 7, "even")
        assert page.count == 13
        seen += [one.id for one in page.pictures]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert seen == [f"p{i:04d}" for i in range(0, 25, 2)]


def test_delete(index: PictureIndex, features: np.ndarray) -> None:
    fill(index, features[:10])
    assert index.delete(["p0001", "p0001", "unknown"]) == 1
    assert index.delete_label("even") == 5
    assert index.count() == 4
    for ask in (index.get, index.thumbnail, index.features):
        with pytest.raises(PictureNotFound):
            ask("p0001")


def test_reopened_file_holds_everything(tmp_path: Path, features: np.ndarray) -> None:
    path = tmp_path / "deep" / "folder" / "index.sqlite"
    first = open_index(path, BINDING)
    fill(first, features[:10])
    first.close()
    second = open_index(path, BINDING)
    assert second.count() == 10
    assert second.thumbnail("p0003") == b"jpeg"
    second.close()


def test_models_do_not_see_each_others_pictures(tmp_path: Path, features: np.ndarray) -> None:
    path = tmp_path / "index.sqlite"
    one = open_index(path, BINDING)
    fill(one, features[:10])
    two = open_index(path, Binding("digest-two", UNITS))
    assert two.count() == 0
    assert two.search(features[0], 5) == []
    two.upsert([picture("p0000", features[3])])
    assert (one.count(), two.count()) == (10, 1)
    one.close()
    two.close()


def test_other_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("not an index, but long enough to have a header" * 100)
    with pytest.raises(IndexMismatch, match="not an SQLite file"):
        open_index(text, BINDING)
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    before = foreign.read_bytes()
    with pytest.raises(IndexMismatch, match="not an index of version 1"):
        open_index(foreign, BINDING)
    assert foreign.read_bytes() == before
    newer = tmp_path / "newer.sqlite"
    open_index(newer, BINDING).close()
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(IndexMismatch, match="version 2"):
        open_index(newer, BINDING)
    with pytest.raises(IndexMismatch, match="64 units"):
        path = tmp_path / "units.sqlite"
        open_index(path, BINDING).close()
        open_index(path, Binding("digest-one", UNITS * 2))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="cannot be opened"):
        open_index(tmp_path / "file" / "index.sqlite", BINDING)


OPENER = """
import sys
from pathlib import Path
from alexnet_server.index.pictures import open_index
from alexnet_server.index.records import Binding
print("ready", flush=True)
sys.stdin.readline()
print(open_index(Path(sys.argv[1]), Binding("digest-one", 64)).count())
"""


@pytest.mark.parametrize("attempt", range(3))
def test_two_servers_that_start_together_share_a_new_file(tmp_path: Path, attempt: int) -> None:
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(tmp_path / "index.sqlite")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for opener in openers:
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        opener.stdin.write("go\n")
        opener.stdin.flush()
    for opener in openers:
        answer, complaint = opener.communicate(timeout=30)
        assert answer == "0\n", complaint


WRITER = """
import sys
import numpy as np
from alexnet_server.index.pictures import open_index
from alexnet_server.index.records import Binding, NewPicture
from pathlib import Path
index = open_index(Path(sys.argv[1]), Binding("digest-one", 64))
for number in range(100_000):
    row = np.full(64, number, np.float32)
    index.upsert([NewPicture(f"n{number}", "sha", None, {}, b"jpeg", row)])
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        acknowledged = [int(next(writer.stdout)) for _ in range(40)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout]
    index = open_index(path, BINDING)
    for number in acknowledged:
        assert (index.features(f"n{number}") == number).all()
    assert index.count() - len(acknowledged) in (0, 1)  # one may be stored and not yet told
    index.close()


def test_every_commit_is_synced(index: PictureIndex) -> None:
    with index._database.reading() as reader:
        assert reader.pragma("journal_mode") == "wal"
        assert reader.pragma("synchronous") == 2  # FULL
    with index._database.writing() as writer:
        assert writer.pragma("synchronous") == 2
