"""Former roots, kept whole beside the present one: ``<root>.kept/<version>/``.

A deploy or rollback may be killed between any two of its steps; ``settle`` finishes or undoes
what it left, and is all that ever moves a former root to where it is kept.  Only whoever holds
the repository's lock may call what changes something here.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from alexnet_export import beside
from alexnet_export.errors import DeployError
from alexnet_repository.durable import sync
from alexnet_repository.files import ENSEMBLE


def version_of(folder: Path) -> int | None:
    """The version of a whole root, told by the ensemble's one version folder.

    Not by the manifest, so that a root with a damaged one still has its number.
    """
    return max(_numbered(folder / ENSEMBLE), default=None)


def kept_versions(root: Path) -> dict[int, Path]:
    """The former roots that are kept, by version, the oldest first."""
    return _numbered(beside.kept(root))


def next_version(root: Path) -> int:
    """A version that no root had before, also after a rollback; the first is 1."""
    return 1 + max([version_of(root) or 0, *kept_versions(root)])


def settle(root: Path) -> None:
    """Keep the former root if the exchange took place, and remove what else was left beside.

    Raises DeployError where the files cannot be moved or removed.
    """
    try:
        if beside.discarded(root).exists():
            shutil.rmtree(beside.discarded(root))
        beside.manifest(root).unlink(missing_ok=True)
        if beside.staging(root).exists():
            _settle_staging(root)
        for version, folder in kept_versions(root).items():
            if version == version_of(root):  # a rollback took it from there
                _discard(root, folder)
        _remove_empty(beside.kept(root))
    except OSError as error:
        raise DeployError(
            f"what was left beside {root} cannot be cleared away: {error}; what is deployed is "
            "whole, and the next deploy or rollback tries again"
        ) from error


def prune(root: Path, keep: int, former: int | None = None) -> None:
    """Keep ``keep`` former roots: version ``former``, which was served last, then the newest.

    The highest number stays until one above it is deployed: versions are counted on from it.
    """
    versions = sorted(kept_versions(root), key=lambda one: (one == former, one), reverse=True)
    for version in versions[keep:]:
        if version + 1 < next_version(root):
            _discard(root, kept_versions(root)[version])
    _remove_empty(beside.kept(root))


def _settle_staging(root: Path) -> None:
    """Tell a former root from a root that was never switched in.

    A deploy builds a number above all others, so below the present one only a former root can
    be.  A rollback builds a number that is kept, and the present one is kept only while a
    rollback that was switched in is not settled.
    """
    stage = beside.staging(root)
    built, present, kept = version_of(stage), version_of(root), kept_versions(root)
    if built is None or present is None or built in kept:
        _discard(root, stage)
    elif built < present or present in kept:
        beside.kept(root).mkdir(exist_ok=True)
        stage.rename(beside.kept(root) / str(built))
        sync(beside.kept(root))
        sync(root.parent)
    else:
        _discard(root, stage)


def _discard(root: Path, folder: Path) -> None:
    # Renamed first: a kill while files are removed never leaves half a root where whole ones are.
    folder.rename(beside.discarded(root))
    shutil.rmtree(beside.discarded(root))


def _remove_empty(folder: Path) -> None:
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()


def _numbered(folder: Path) -> dict[int, Path]:
    found = {int(path.name): path for path in folder.glob("[0-9]*") if path.name.isdecimal()}
    return dict(sorted(found.items()))
