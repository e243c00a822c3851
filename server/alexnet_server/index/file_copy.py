"""Whole and durable copies of an SQLite file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import apsw

from alexnet_repository.durable import sync

_STEP_PAGES = 1_000
Progress = Callable[[int, int], object]  # is told pages done, and all


def silent(_done: int, _all: int) -> None:
    """Tell nobody."""


def copy_pages(source: apsw.Connection, target: Path, progress: Progress = silent) -> None:
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
