"""A whole copy of an index file, made while it is in use."""

from __future__ import annotations

from pathlib import Path

from alexnet_server.errors import StorageFailed
from alexnet_server.index.file_copy import Progress, copy_pages, name_durably, remove, silent
from alexnet_server.index.inspected import open_file


def back_up(path: Path, target: Path, progress: Progress = silent) -> int:
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


def _require_sound(part: Path) -> None:
    with open_file(part) as connection:
        said = connection.execute("PRAGMA integrity_check(1)").get
        if said != "ok":
            raise StorageFailed(
                f"the index is damaged ({said}), and so its copy would be: run "
                "alexnet-server index check"
            )
