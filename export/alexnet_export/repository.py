"""The model repository on disk: built beside its place, then switched in by one exchange."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from alexnet_export import beside
from alexnet_export.checkpoint import write_whole
from alexnet_export.errors import DeployError
from alexnet_export.kept import settle
from alexnet_export.switch import NEEDS, switch
from alexnet_repository.durable import sync
from alexnet_repository.errors import NothingDeployed, RepositoryError
from alexnet_repository.files import MANIFEST, file_digest, model_files, read_manifest
from alexnet_repository.repository import open_repository


@contextmanager
def locked(root: Path, *, may_be_new: bool = True) -> Iterator[None]:
    """Hold the repository's lock, with nothing of an earlier deploy left beside the root.

    Raises DeployError if another deploy holds it, or where ``root`` cannot be deployed to.  What
    is there must be there already unless it ``may_be_new``: on a mistyped path nothing is made,
    and what read_manifest raises (NothingDeployed) is raised.
    """
    if not may_be_new and not beside.kept(root).is_dir():
        read_manifest(root)
    try:
        _make_parents(root)
        lock = beside.lock(root).open("w")
    except OSError as error:
        raise DeployError(
            f"{root} cannot be changed: {error}; the new root is built beside it, so "
            f"{root.parent} must be writable"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DeployError(
                f"another deploy to {root} is under way: wait for it to end"
            ) from error
        _require_replaceable(root)
        settle(root)
        yield


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """An empty folder beside the root; whatever happens, nothing is left there.

    Whatever is not a model in the present root (README, .gitignore) is copied into it, and it has
    that root's mode and group.  Raises DeployError on a full disk and the like.
    """
    stage = beside.staging(root)
    try:
        stage.mkdir()
        beside.kept(root).mkdir(exist_ok=True)  # after the exchange nothing may need space
        if root.is_dir():
            with suppress(PermissionError):  # a group that this user is not in
                os.chown(stage, -1, root.stat().st_gid)
            shutil.copystat(root, stage)
            for entry in root.iterdir():
                if entry.is_file():
                    shutil.copy2(entry, stage / entry.name)
        yield stage
    except OSError as error:
        raise DeployError(f"{root} stays as it was: {error}") from error
    finally:
        settle(root)


def publish(stage: Path, root: Path, manifest: dict[str, Any]) -> None:
    """Write ``manifest`` with the sha256 of every file in ``stage``, check it, and switch it in.

    Raises RepositoryError if no server would start on it, DeployError if it cannot be switched.
    """
    content = json.dumps(manifest | {"files": _digests(stage)}, indent=2, sort_keys=True) + "\n"
    write_whole(stage / MANIFEST, content.encode())
    open_repository(stage)
    switch(stage, root)


def rewrite_manifest(root: Path, manifest: dict[str, Any]) -> None:
    """Replace the manifest of ``root`` in one step; a kill leaves nothing unlisted in the root.

    Only whoever holds the lock may call it.  Raises DeployError where it cannot be written.
    """
    unfinished = beside.manifest(root)
    content = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    try:
        with unfinished.open("w", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(root / MANIFEST)
        sync((root / MANIFEST).parent)
        sync(root.parent)
    except OSError as error:
        raise DeployError(f"{root / MANIFEST} cannot be replaced: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def is_intact(root: Path, manifest: dict[str, Any]) -> bool:
    """Whether the model files in ``root`` are exactly those of its manifest."""
    return bool(_digests(root) == manifest["files"])


def _make_parents(root: Path) -> None:
    """Make the folders above ``root``, as lasting as what will be deployed into them."""
    made = [folder for folder in root.parents if not folder.exists()]
    root.parent.mkdir(parents=True, exist_ok=True)
    for folder in made:
        sync(folder.parent)


def _digests(root: Path) -> dict[str, str]:
    return {name: file_digest(path) for name, path in model_files(root).items()}


def _require_replaceable(root: Path) -> None:
    """Raise DeployError where ``root`` cannot be replaced as a whole, or should not be."""
    if not root.exists():
        return
    if not root.is_dir():
        raise DeployError(f"{root} is not a folder: name another --repository")
    if root.is_mount():
        raise DeployError(f"{root} is a mount point; {NEEDS}")
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        raise DeployError(f"{root} cannot be read and written by this user")
    for entry in sorted(root.iterdir()):
        if entry.is_dir() and not _is_model(root, entry.name):
            raise DeployError(
                f"{root} holds the folder {entry.name}, which no deploy put there; a deploy "
                "replaces everything: move it away, or name another --repository"
            )


def _is_model(root: Path, name: str) -> bool:
    """Whether a deploy put the folder there, as far as the manifest can be read."""
    try:
        return any(Path(file).parts[0] == name for file in read_manifest(root)["files"])
    except NothingDeployed:
        return False
    except RepositoryError:
        return True
