"""A file of version 1 becomes one of version 2 at the first start, or stays as it was."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import apsw
import numpy as np
import pytest

from alexnet_server.errors import IndexMismatch, StorageFailed
from alexnet_server.index import migration
from alexnet_server.index.database import Database
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.where import Where
from tests.faults.promises.disk import Disk
from tests.faults.size import sized
from tests.unit.server.index import version_1
from tests.unit.server.index.given import LATER, opened

ROWS = 40
KILLS = sized(5, 1_000)
CUT_RATE = sized(0.2, 1.0)


@pytest.fixture
def old(tmp_path: Path, features: np.ndarray) -> Path:
    path = tmp_path / "old" / "index.sqlite"
    path.parent.mkdir()
    version_1.write(path, features[:ROWS])
    return path


def require_all(index: PictureIndex, features: np.ndarray) -> None:
    pictures = index.page("", 1_000).pictures
    assert [one.id for one in pictures] == [f"p{i:04d}" for i in range(ROWS)]
    for i, one in enumerate(pictures):
        assert (one.content_sha256, one.content_bytes) == (f"sha-{i}", None)
        assert (one.label, one.metadata) == (version_1.said_label(i), version_1.said(i))
        assert one.created_at == version_1.BEGAN
        assert index.thumbnail(one.id) == version_1.thumbnail(features[i])
        assert np.array_equal(index.features(one.id), features[i])
    with index._database.reading() as connection:
        assert connection.pragma("integrity_check") == "ok"
        assert list(connection.execute("PRAGMA foreign_key_check")) == []
        assert connection.pragma("user_version") == 2
        select = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name GLOB '*_1'"
        assert connection.execute(select).get == 0


def require_version_1(path: Path) -> None:
    connection = apsw.Connection(str(path))
    assert connection.pragma("user_version") == 1
    assert connection.pragma("integrity_check") == "ok"
    assert connection.execute("SELECT count(*) FROM pictures").get == ROWS + 1
    connection.close()


def test_everything_is_there_afterwards_and_before(old: Path, features: np.ndarray) -> None:
    index = opened(old)
    require_all(index, features)
    assert [one.id for one in index.search(features[7], 1)] == ["p0007"]
    assert index.delete_where(Where("label 1")).deleted == 13
    index.close()
    other = opened(old, LATER)
    assert other.get("other").metadata == {}
    other.close()
    kept = old.with_name("index.sqlite.version-1")
    require_version_1(kept)
    shutil.copy(kept, old)  # the way back, and forth again
    index = opened(old)
    require_all(index, features)
    index.close()
    require_version_1(old.with_name("index.sqlite.version-1.1"))
    require_version_1(kept)


def test_only_a_writer_brings_it_to_the_next_version(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(IndexMismatch, match="version 1"):
        Database(old, read_only=True)
    assert old.read_bytes() == before


def test_without_room_it_stays_as_it_was(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    free = 3 * old.stat().st_size
    monkeypatch.setattr(migration.shutil, "disk_usage", lambda _: usage(10**12, 10**12, free))
    with pytest.raises(StorageFailed, match=f"there are {free:,}: make room"):
        opened(old)
    require_version_1(old)
    assert not list(old.parent.glob("*.version-1*"))


def test_two_that_start_together_do_it_once(old: Path, features: np.ndarray) -> None:
    program = (
        "import sys; from pathlib import Path; from alexnet_server.index.database import Database;"
        "Database(Path(sys.argv[1])).close()"
    )
    starting = [subprocess.Popen([sys.executable, "-c", program, str(old)]) for _ in range(3)]
    assert [one.wait(60) for one in starting] == [0, 0, 0]
    index = opened(old)
    require_all(index, features)
    index.close()
    assert len(list(old.parent.glob("*.version-1*"))) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
import apsw

left = int(sys.argv[2])

def one_more():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

class Killing(apsw.VFS):
    def __init__(self):
        super().__init__("killing", "unix", makedefault=True)
    def xOpen(self, name, flags):
        return KillingFile(name, flags)
    def xDelete(self, filename, syncdir):
        one_more()
        super().xDelete(filename, syncdir)

class KillingFile(apsw.VFSFile):
    def __init__(self, name, flags):
        super().__init__("unix", name, flags)
    def xWrite(self, data, offset):
        one_more()
        super().xWrite(data, offset)
    def xSync(self, flags):
        one_more()
        super().xSync(flags)
    def xTruncate(self, size):
        one_more()
        super().xTruncate(size)

disk = Killing()
from alexnet_server.index.database import Database
Database(Path(sys.argv[1])).close()
print(int(sys.argv[2]) - left)
"""


def migrate_for(path: Path, operations: int) -> int | None:
    """Migrate in a process that is killed after so many operations; how many there were if not."""
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(operations)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode in (0, -9), ran.stderr
    return int(ran.stdout) if ran.returncode == 0 else None


def test_killed_at_any_moment_it_is_the_one_or_the_other(
    old: Path, features: np.ndarray, tmp_path: Path
) -> None:
    whole = tmp_path / "whole.sqlite"
    shutil.copy(old, whole)
    count = migrate_for(whole, 10**6)
    assert count is not None
    assert count > 50
    dice = random.Random(5)
    moments = sorted(dice.sample(range(count), min(KILLS, count)))
    versions = set()
    for moment in moments:
        path = tmp_path / f"at{moment}" / "index.sqlite"
        path.parent.mkdir()
        shutil.copy(old, path)
        assert migrate_for(path, moment) is None
        connection = apsw.Connection(str(path))
        versions.add(connection.pragma("user_version"))
        connection.close()
        index = opened(path)
        require_all(index, features)
        index.close()
        shutil.rmtree(path.parent)
    assert versions <= {1, 2}
    assert 1 in versions


def test_the_power_may_go_at_any_moment(old: Path, features: np.ndarray, tmp_path: Path) -> None:
    cuts: list[dict[str, bytes]] = []
    dice = random.Random(5)
    disk = Disk(cuts.append, dice, CUT_RATE)
    fresh = tmp_path / "fresh" / "index.sqlite"
    fresh.parent.mkdir()
    try:
        version_1.write(fresh, features[:ROWS])
        cuts.clear()
        Database(fresh).close()
    finally:
        disk.unregister()
    assert len(cuts) > 10
    for number, files in enumerate(cuts):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        index = opened(folder / "index.sqlite")
        require_all(index, features)
        index.close()
        shutil.rmtree(folder)
