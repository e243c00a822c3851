"""A whole copy of an index file, made while it is in use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import apsw

from alexnet_server.errors import StorageFailed
from alexnet_server.index.inspected import open_file

_STEP_PAGES = 1_000
Progress = Callable[[int, int], object]  # is told pages done, and all


def _silent(_done: int, _all: int) -> None:
    return None


def back_up(path: Path, target: Path, progress: Progress = _silent) -> int:
    """Copy an index file to ``target`` as it is at this moment; returns the copy's bytes.

    The copy is checked and durable before it has its name, and never takes that of another file.
    Raises StorageFailed, IndexMismatch where ``path`` is not an index of this version, or OSError.
    """
    if target.exists():
        raise StorageFailed(f"{target} is there already: name another file")
    part = target.with_name(f"{target.name}.part")
    remove(part)
    try:
        with open_file(path) as connection:
            copy_pages(connection, part, progress)
        _require_sound(part)
        size_bytes = part.stat().st_size
        name_durably(part, target)
    except BaseException:
        remove(part)
        raise
    return size_bytes


def copy_pages(source: apsw.Connection, target: Path, progress: Progress = _silent) -> None:
    """Copy every page, damaged or not, as one transaction sees them; on return they are durable."""
    # Without a transaction of its own the copy would begin again at each write to the source.
    source.execute("BEGIN")
    source.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    copy = apsw.Connection(str(target))
    try:
        with copy.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(_STEP_PAGES)
                progress(backup.page_count - backup.remaining, backup.page_count)
    finally:
        copy.close()
        source.execute("ROLLBACK")
    sync(target)


def name_durably(part: Path, target: Path) -> None:
    """Give a file the name ``target``, which no file may have.  Raises OSError."""
    os.link(part, target)
    part.unlink()
    sync(target.parent)


def remove(path: Path) -> None:
    """Delete an SQLite file that nobody uses, and its journals."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_sound(part: Path) -> None:
    with open_file(part) as connection:
        said = connection.execute("PRAGMA integrity_check(1)").get
        if said != "ok":
            raise StorageFailed(
                f"the index is damaged ({said}), and so its copy would be: run "
                "alexnet-server index check"
            )
