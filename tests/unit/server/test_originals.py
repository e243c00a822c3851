"""A stored picture's own file is there before the index says so, and gone after the last of it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from alexnet_server.errors import PictureNotFound, SettingsError, StorageFailed
from alexnet_server.index import Index
from alexnet_server.index.opening import Indexes
from alexnet_server.index.records import NewPicture
from alexnet_server.originals import Originals
from tests.waiting import WAIT_S

UNITS = 8
DIGEST_OF_MODEL = "0" * 64
DATA = b"the bytes of a picture" * 100


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(picture_id: str, data: bytes) -> NewPicture:
    features = np.ones(UNITS, np.float32)
    return NewPicture(picture_id, digest_of(data), None, None, b"small", features, len(data))


@pytest.fixture
def indexes(tmp_path: Path) -> Iterator[Indexes]:
    made = Indexes(tmp_path / "index.sqlite")
    yield made
    made.close()


@pytest.fixture
def index(indexes: Indexes) -> Iterator[Index]:
    opened = indexes.of(DIGEST_OF_MODEL, UNITS)
    yield opened
    opened.close()


@pytest.fixture
def originals(tmp_path: Path) -> Originals:
    return Originals(tmp_path / "originals")


def store(originals: Originals, index: Index, picture_id: str, data: bytes) -> None:
    with originals.keeping({digest_of(data): data}, index):
        index.upsert([entry(picture_id, data)])


def test_a_stored_pictures_bytes_are_kept(originals: Originals, index: Index) -> None:
    store(originals, index, "a", DATA)
    assert originals.read(digest_of(DATA)) == DATA
    assert originals.read(digest_of(b"another")) is None
    assert list(originals.digests()) == [digest_of(DATA)]


def test_they_are_deleted_with_the_last_picture_that_has_them(
    originals: Originals, indexes: Indexes, index: Index
) -> None:
    other_model = indexes.of("1" * 64, UNITS)
    store(originals, index, "a", DATA)
    store(originals, index, "b", DATA)
    store(originals, other_model, "a", DATA)
    for holder, picture_id in ((index, "a"), (index, "b")):
        holder.delete([picture_id])
        originals.drop([digest_of(DATA)], holder)
        assert originals.read(digest_of(DATA)) == DATA
    other_model.delete(["a"])
    originals.drop([digest_of(DATA)], index)
    assert originals.read(digest_of(DATA)) is None
    other_model.close()


def test_a_picture_that_is_not_stored_leaves_no_file(originals: Originals, index: Index) -> None:
    kept = b"kept"
    store(originals, index, "a", kept)
    both = {digest_of(data): data for data in (DATA, kept)}
    with pytest.raises(PictureNotFound), originals.keeping(both, index):
        index.get("none")
    assert list(originals.digests()) == [digest_of(kept)]


def test_what_is_coming_is_not_deleted(originals: Originals, index: Index) -> None:
    """One request deletes the last picture of these bytes while another stores them again."""
    with originals.keeping({digest_of(DATA): DATA}, index):
        originals.drop([digest_of(DATA)], index)
        index.upsert([entry("a", DATA)])
    assert originals.read(digest_of(DATA)) == DATA


def test_many_at_once_lose_nothing_that_is_stored(originals: Originals, index: Index) -> None:
    """Four threads store and delete two pictures' bytes over and over, under ids of their own."""
    failed: list[str] = []

    def work(number: int) -> None:
        draw = np.random.default_rng(number)
        for _ in range(30):
            data = [b"one", b"two"][draw.integers(2)]
            store(originals, index, f"id-{number}", data)
            if originals.read(digest_of(data)) != data:
                failed.append(f"{number}: stored, but its file is gone")
            index.delete([f"id-{number}"])
            originals.drop([digest_of(data)], index)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert failed == []
    assert list(originals.digests()) == []


def test_a_full_disk_is_told_and_leaves_nothing(
    originals: Originals, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with (
        pytest.raises(StorageFailed, match="could not be written: No space left") as caught,
        originals.keeping({digest_of(DATA): DATA}, index),
    ):
        pytest.fail("it was to be kept first")
    assert str(tmp_path) not in str(caught.value)
    assert [path for path in (tmp_path / "originals").rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SettingsError, match="originals"):
        Originals(tmp_path / "file" / "originals")


def test_files_half_written_long_ago_are_forgotten(tmp_path: Path) -> None:
    old, new = tmp_path / "a.part", tmp_path / "b.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    Originals(tmp_path)
    assert not old.exists()
    assert new.exists()  # another process may be writing it


# Kills itself before the step of that number; a child of its own for each, from one that has
# imported everything.  Steps are what changes the originals' folder, and what SQLite is asked for.
KILLED = """
import os, signal, sys
from pathlib import Path
import apsw
from alexnet_server.index.opening import Indexes
from alexnet_server.originals import Originals
from tests.unit.server.test_originals import DATA, DIGEST_OF_MODEL, UNITS, store

def child(folder, kill_at):
    count = 0
    def step():
        nonlocal count
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1
    def hook(event, arguments):
        if event in ("open", "os.mkdir", "os.rename") and "originals" in str(arguments[0]):
            step()
    originals = Originals(folder / "originals")
    indexes = Indexes(folder / "index.sqlite")
    index = indexes.of(DIGEST_OF_MODEL, UNITS)
    upsert = index.upsert
    def stepwise(entries):
        step()
        upsert(entries)
        step()
    index.upsert = stepwise
    sys.addaudithook(hook)
    store(originals, index, "a", DATA)
    os._exit(0)

for number in range(100):
    folder = Path(sys.argv[1]) / str(number)
    folder.mkdir()
    pid = os.fork()
    if pid == 0:
        child(folder, number)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0:
        break
print(number)
"""


def test_killed_at_any_step_a_stored_picture_has_its_file(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: PLW1510 (its code is looked at below)
        [sys.executable, "-c", KILLED, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert done.returncode == 0, done.stderr
    steps = int(done.stdout)
    assert steps >= 6  # folder, part, rename, two syncs, the index before and after
    orphans = 0
    for number in range(steps + 1):
        folder = tmp_path / str(number)
        indexes = Indexes(folder / "index.sqlite")
        index = indexes.of(DIGEST_OF_MODEL, UNITS)
        originals = Originals(folder / "originals")
        kept = list(originals.digests())
        stored = index.stored_contents([digest_of(DATA)])
        assert stored <= set(kept), f"killed before step {number}"
        assert all(originals.read(digest) == DATA for digest in kept)  # whole, or not there
        orphans += bool(kept) and not stored
        store(originals, index, "a", DATA)  # and what was begun can be done again
        assert originals.read(digest_of(DATA)) == DATA
        index.close()
        indexes.close()
    assert orphans > 0
