"""A disk that is full or fails under the index, and a file that another program locks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from werkzeug.test import TestResponse

from alexnet_server.app import create_app
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from tests.faults.promises.app_in_process import application
from tests.faults.promises.discretion import require_discreet


class Broken(apsw.VFS):
    """A disk of which one kind of operation fails, once told so."""

    def __init__(self, operation: str, error: Exception) -> None:
        super().__init__("broken", "unix", makedefault=True)
        self.operation, self.error, self.is_broken = operation, error, False

    def xOpen(self, name: object, flags: list[int]) -> BrokenFile:
        return BrokenFile(self, name, flags)


class BrokenFile(apsw.VFSFile):
    def __init__(self, disk: Broken, name: object, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk

    def _require(self, operation: str) -> None:
        if self._disk.is_broken and self._disk.operation == operation:
            raise self._disk.error

    def xRead(self, amount: int, offset: int) -> bytes:
        self._require("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._require("write")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._require("sync")
        super().xSync(flags)


@contextmanager
def broken(operation: str, error: Exception) -> Iterator[Broken]:
    disk = Broken(operation, error)
    try:
        yield disk
    finally:
        disk.unregister()


@pytest.mark.parametrize(
    "fault",
    [
        ("write", apsw.FullError("no space left on /dev/secret")),
        ("write", apsw.IOError("input/output error on /dev/secret")),
        ("write", apsw.ReadOnlyError("attempt to write a readonly database on /dev/secret")),
        ("sync", apsw.IOError("input/output error on /dev/secret")),
        ("read", apsw.IOError("input/output error on /dev/secret")),
    ],
    ids=["full", "write", "read-only", "sync", "read"],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_disk_that_fails_and_comes_back(
    fault: tuple[str, Exception],
    repository: Path,
    path: Path,
    pictures: list[bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with broken(*fault) as disk, application(repository, path) as (client, _):
        assert client.put("/images/before", data=pictures[7]).status_code == 201
        disk.is_broken = True
        for _ in range(3):
            answer = client.put("/images/new", data=pictures[8])
            said = require_discreet(answer.status_code, answer.data, str(path.parent), "secret")
            assert (answer.status_code, said["code"]) == (507, "storage_failed")
        assert str(fault[1]) in caplog.text
        assert client.post("/classify", data=pictures[0]).status_code == 200
        disk.is_broken = False
        names = [one["id"] for one in client.get("/images").get_json()["images"]]
        assert names == ["before", *(f"p{number}" for number in range(6))]
        assert client.put("/images/new", data=pictures[8]).status_code == 201
    with application(repository, path) as (client, _):
        assert client.get("/images").get_json()["count"] == 8


def cap_pages(connection: apsw.Connection) -> None:
    connection.pragma("max_page_count", connection.pragma("page_count"))


def test_a_file_that_is_full(repository: Path, path: Path, pictures: list[bytes]) -> None:
    with application(repository, path) as (client, deploys), deploys.hold() as now:
        now.pictures()._writer.write(cap_pages)
        stored = 0
        while (answer := client.put(f"/images/n{stored}", data=pictures[stored])).status_code < 300:
            stored += 1
        said = require_discreet(answer.status_code, answer.data, str(path.parent))
        assert (answer.status_code, said["code"]) == (507, "storage_failed")
        assert client.get("/images").get_json()["count"] == 6 + stored
        assert client.post("/search", data=pictures[0]).status_code == 200  # reading goes on
        assert client.delete("/images/p0").status_code == 204  # which makes room
        assert client.put("/images/again", data=pictures[9]).status_code == 201


def test_a_file_that_another_program_locks(
    repository: Path, path: Path, pictures: list[bytes]
) -> None:
    """P2: however many want to write, none waits for the other program past its own deadline."""
    with application(repository, path) as (client, _), ThreadPoolExecutor(6) as pool:
        # Not sqlite3: two copies of SQLite in one process do not see each other's locks.
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")

        def put(number: int) -> tuple[float, TestResponse]:
            began = time.monotonic()
            answer = client.application.test_client().put(f"/images/n{number}", data=pictures[9])
            return time.monotonic() - began, answer

        writing = [pool.submit(put, number) for number in range(6)]
        assert client.get("/images").get_json()["count"] == 6  # reading goes on meanwhile
        for one in writing:
            seconds, answer = one.result()
            said = require_discreet(answer.status_code, answer.data, str(path.parent))
            assert (answer.status_code, said["code"]) == (507, "storage_failed")
            assert seconds < Settings().request_timeout_s
        other.execute("ROLLBACK")
        other.close()
        assert client.put("/images/again", data=pictures[9]).status_code == 201


def test_a_locked_file_and_little_time(repository: Path, path: Path, pictures: list[bytes]) -> None:
    """P2: a write waits for the other program as long as its request has, where that is less."""
    settings = Settings(request_timeout_s=0.5)
    with application(repository, path) as (_, deploys):
        client = create_app(Served.of(settings, deploys)).test_client()
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        for method, url, body in (
            ("PUT", "/images/new", {"data": pictures[9]}),
            ("PUT", "/images/p0", {"data": pictures[0]}),  # stored already: described again
            ("POST", "/images", {"data": pictures[9]}),
            ("DELETE", "/images/p1", {}),
            ("POST", "/images/delete", {"json": {"ids": ["p2"]}}),
            ("POST", "/images/delete", {"json": {"label": "cat"}}),
        ):
            began = time.monotonic()
            answer = client.open(url, method=method, **body)
            seconds = time.monotonic() - began
            said = require_discreet(answer.status_code, answer.data, str(path.parent))
            assert (answer.status_code, said["code"]) == (503, "deadline_exceeded"), url
            assert answer.headers["Retry-After"] == "1"
            assert 0.5 <= seconds < 1.5
        other.execute("ROLLBACK")
        other.close()
        assert client.get("/images").get_json()["count"] == 6
        assert client.delete("/images/p1").status_code == 204
