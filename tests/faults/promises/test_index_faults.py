"""Whatever is wrong with the index file: a plain answer, the cause in the log, nothing lost."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from alexnet_repository.repository import open_repository
from alexnet_server.following import describe_index
from alexnet_server.index.opening import Indexes
from alexnet_server.index.pictures import PictureIndex
from tests.faults.promises.app_in_process import application
from tests.faults.promises.discretion import require_discreet

ASKED = (
    ("GET", "/images"),
    ("GET", "/images/p0"),
    ("GET", "/images/p0/thumbnail"),
    ("GET", "/images/p0/similar"),
    ("POST", "/search"),
    ("PUT", "/images/new"),
    ("DELETE", "/images/p1"),
    ("POST", "/images/delete"),
    ("GET", "/model"),
)


@dataclass
class Asked:
    """One answer of a server with a bad index."""

    what: str
    status: int
    body: bytes


def ask_everything(client: FlaskClient, picture: bytes) -> list[Asked]:
    found = []
    for method, path in ASKED:
        body = {"json": {"ids": ["p2"]}} if path.endswith("delete") else {"data": picture}
        answer = client.open(path, method=method, **({} if method == "GET" else body))
        found.append(Asked(f"{method} {path}", answer.status_code, answer.data))
    return found


def alter(sql: str, *values: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute(sql, values)
        connection.close()

    return change


def no_sqlite(path: Path) -> None:
    path.write_text(f"this is no index {path} " * 500)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def garbled_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(b ^ 0x5A for b in content[4096:])
    path.write_bytes(content)


def cut_in_half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 8192 * 4096])


FILES: dict[str, tuple[Callable[[Path], None], set[int]]] = {
    "is text": (no_sqlite, {409}),
    "is a folder": (a_folder, {507}),
    "belongs to another program": (alter("PRAGMA application_id = 7"), {409}),
    "is of another version": (alter("PRAGMA user_version = 3"), {409}),
    "has features of another length": (alter("UPDATE generations SET units = 4095"), {409}),
    "lost a table": (alter("DROP TABLE thumbnails"), {507}),
    "lost a column": (alter("ALTER TABLE pictures DROP COLUMN content_bytes"), {507}),
    "has every page garbled": (garbled_pages, {507}),
    "is cut in half": (cut_in_half, {507}),
}
ROWS: dict[str, tuple[str, str, object]] = {
    "metadata is no JSON": ("pictures", "metadata", '{"path": '),
    "metadata is empty": ("pictures", "metadata", ""),
    "another label": ("pictures", "label", "not what was said"),
    "a label that is no UTF-8": ("pictures", "label", b"\xff\xfe"),
    "features are too short": ("features", "features", b"\x00" * 124),
    "features are no floats": ("features", "features", b"\x00" * 127),
    "features are empty": ("features", "features", b""),
    "thumbnail is another": ("thumbnails", "thumbnail", b"jpeg"),
}


@pytest.mark.parametrize("state", FILES)
def test_a_file_that_cannot_be_used(
    state: str,
    repository: Path,
    path: Path,
    pictures: list[bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    spoil, statuses = FILES[state]
    spoil(path)
    with (
        caplog.at_level(logging.INFO, "alexnet_server"),
        application(repository, path) as (client, deploys),
        deploys.hold() as now,
    ):
        answers = ask_everything(client, pictures[9])
        assert client.post("/classify", data=pictures[0]).status_code == 200  # goes on
        is_closed = not isinstance(now.index, PictureIndex)
    refused = [one for one in answers if one.status >= 400]
    assert len(refused) >= (8 if is_closed else 2), [(one.what, one.status) for one in answers]
    for one in refused:
        said = require_discreet(one.status, one.body, str(path.parent), "index.sqlite")
        assert one.status in statuses, (one.what, said)
    if 507 in statuses:
        assert str(path) in caplog.text  # and the cause
    if is_closed:
        assert describe_index(now).startswith("not usable: ")  # which the start prints


def test_an_index_that_another_has(repository: Path, path: Path, pictures: list[bytes]) -> None:
    """Told at once; and used, with no restart, once the other is gone."""
    deployed = open_repository(repository)
    other = Indexes(path).of(deployed.digest, deployed.feature_units)
    assert other.count() == 6
    with application(repository, path) as (client, deploys), deploys.hold() as now:
        answers = ask_everything(client, pictures[9])
        refused = [one for one in answers if one.what != "GET /model"]
        for one in refused:
            said = require_discreet(one.status, one.body, str(path.parent), "index.sqlite")
            assert (one.status, said["code"]) == (409, "index_in_use"), one.what
        assert describe_index(now).startswith("not usable: another process")
        assert client.post("/classify", data=pictures[0]).status_code == 200  # goes on
        other.close()
        assert client.get("/images").get_json()["count"] == 6


@pytest.mark.parametrize("state", ROWS)
def test_a_row_that_cannot_be_used(
    state: str,
    repository: Path,
    path: Path,
    pictures: list[bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    table, column, value = ROWS[state]
    changed = "CAST(? AS TEXT)" if table == "pictures" else "?"  # of any bytes
    alter(
        f"UPDATE {table} SET {column} = {changed}"
        " WHERE picture = (SELECT picture FROM pictures WHERE id = 'p0')",
        value,
    )(path)
    with application(repository, path) as (client, _):
        answers = ask_everything(client, pictures[9])
    refused = [one for one in answers if one.status >= 400]
    assert refused, [(one.what, one.status) for one in answers]
    for one in refused:
        said = require_discreet(one.status, one.body, str(path.parent), "index.sqlite")
        assert (one.status, said["code"]) == (507, "storage_failed"), (one.what, said)
    assert "the index is damaged" in caplog.text or "UnicodeDecodeError" in caplog.text
    for one in answers:
        if one.body.startswith(b"{"):
            json.loads(one.body, parse_constant=pytest.fail)
