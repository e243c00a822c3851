"""The model repository on disk: built beside its place, then switched in by one exchange.

Triton loads every folder in the root, hidden ones too, so staging and lock lie beside it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alexnet_export.checkpoint import sync, write_whole
from alexnet_export.errors import DeployError
from alexnet_repository.files import MANIFEST, file_digest, model_files

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # renameat2(2)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the repository's lock: one deploy at a time.  Raises DeployError if it is taken."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with _beside(root, "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DeployError(
                f"another deploy to {root} is under way: wait for it to end"
            ) from error
        yield


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """An empty folder beside the root, removed again whatever happens.

    Whatever is not a model in the present root (README, .gitignore) is copied into it.
    """
    stage = _beside(root, "staging")
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir()
    try:
        if root.is_dir():
            for entry in root.iterdir():
                if entry.is_file():
                    shutil.copy2(entry, stage / entry.name)
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write_manifest(stage: Path, manifest: dict[str, Any]) -> None:
    """Add the sha256 of every model file to ``manifest`` and write it, the last file of all."""
    content = json.dumps(manifest | {"files": _digests(stage)}, indent=2, sort_keys=True) + "\n"
    write_whole(stage / MANIFEST, content.encode())


def is_intact(root: Path, manifest: dict[str, Any]) -> bool:
    """Whether the model files in ``root`` are exactly those of its manifest."""
    return bool(_digests(root) == manifest["files"])


def switch(stage: Path, root: Path) -> None:
    """Put ``stage`` in the place of ``root`` in one step; the former root is then in ``stage``.

    Raises DeployError where the filesystem cannot exchange two folders.
    """
    for place in (stage, *stage.rglob("*")):
        sync(place)
    root.mkdir(parents=True, exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.renameat2(
        _AT_FDCWD, os.fsencode(stage), _AT_FDCWD, os.fsencode(root), _RENAME_EXCHANGE
    )
    if result != 0:
        code = ctypes.get_errno()
        hint = ""
        if code in (errno.EINVAL, errno.ENOSYS, errno.EXDEV, errno.EBUSY):
            hint = (
                "; two folders are exchanged, so it must lie on a local filesystem (ext4, xfs, "
                "...) and not be a mount point itself: deploy to a folder inside the mount"
            )
        raise DeployError(f"{root} cannot be switched: {os.strerror(code)}{hint}")
    sync(root.parent)


def _digests(root: Path) -> dict[str, str]:
    return {name: file_digest(path) for name, path in model_files(root).items()}


def _beside(root: Path, purpose: str) -> Path:
    return root.with_name(f"{root.name}.{purpose}")
