"""The pictures of a folder, each with its class folder as label."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from alexnet_client.names import printable

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


@dataclass(frozen=True)
class FolderPicture:
    """A picture file.

    Attributes:
        path: where it is.
        label: the name of the folder it lies in, or None directly in the folder given.
        metadata: ``{"path": its path below the folder given, with forward slashes}``.
    """

    path: Path
    label: str | None
    metadata: dict[str, str]


def _raise(error: OSError) -> None:
    raise error


def walk(
    folder: str | os.PathLike[str], *, unreadable: Callable[[OSError], None] = _raise
) -> Iterator[FolderPicture]:
    """Yield the pictures below ``folder``, sorted by name within each folder.

    Pictures are told by suffix (jpg, jpeg, png, webp in any case). Names that start with a dot
    are passed over: macOS puts a ``._cat.jpg`` that is no picture beside ``cat.jpg``. Links to
    folders are not followed, so a link to a folder above does no harm; links to files are.

    Args:
        folder: where to start.
        unreadable: called with the error of a folder that cannot be listed; raises it if not
            given.

    Raises:
        OSError: a folder cannot be listed (unless ``unreadable`` takes it).
    """
    root = Path(folder)
    for here, folders, files in os.walk(root, onerror=unreadable):
        # In place: os.walk goes on with what is left, in this order.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(here).relative_to(root)
        label = printable(below.name) or None
        for name in sorted(files):
            if name.startswith(".") or Path(name).suffix.lower() not in SUFFIXES:
                continue
            relative = printable((below / name).as_posix())
            yield FolderPicture(Path(here, name), label, {"path": relative})
