"""What one root takes over from another by hard link: a file that two versions share costs nothing.

Triton, told to load a new version, must still find the one it serves: it reads a model's folder
and unloads what is not there.  So a root also holds its parts of the version before it.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

from alexnet_repository.errors import RepositoryError
from alexnet_repository.files import CONFIG_FILE, ENSEMBLE
from alexnet_repository.repository import Repository, open_repository

# What two versions have in common if both can be served by the same configurations.
_GENERATION = ("dialect", "layout", "devices", "precision", "classes")
_NO_LINKS = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)


def carry(root: Path, stage: Path, manifest: dict[str, Any]) -> None:
    """Add the present root's version of every part to ``stage``, which ``manifest`` describes.

    Nothing is added where the two are of different generations, or where the present root is
    damaged or there is none.
    """
    try:
        present = open_repository(root)
    except RepositoryError:
        return
    if not _is_one_generation(present, stage, manifest):
        return
    for name in present.manifest["files"]:
        model, *_ = Path(name).parts
        if model != ENSEMBLE and _version(name) == present.version:
            _link(root / name, stage / name)


def restore(kept: Repository, stage: Path) -> None:
    """Fill ``stage`` with a kept root, without what that one carried and without its manifest."""
    for name in kept.manifest["files"]:
        if _version(name) in ("", kept.version):
            _link(kept.root / name, stage / name)


def _is_one_generation(present: Repository, stage: Path, manifest: dict[str, Any]) -> bool:
    if any(present.manifest.get(key) != manifest.get(key) for key in _GENERATION):
        return False
    models = {Path(name).parts[0] for name in present.manifest["files"]}
    configs = [Path(model, CONFIG_FILE) for model in models - {ENSEMBLE}]
    return all(
        (stage / config).is_file()
        and (stage / config).read_bytes() == (present.root / config).read_bytes()
        for config in configs
    )


def _version(name: str) -> str:
    """The version folder a file lies in; empty where it lies in none."""
    _, *folders, _ = Path(name).parts
    return folders[0] if folders and folders[0].isdecimal() else ""


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(source, target)
