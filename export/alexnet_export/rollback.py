"""A kept root back in its place, by the same one exchange as a deploy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alexnet_export.carried import carry, restore
from alexnet_export.errors import DeployError
from alexnet_export.kept import kept_versions, version_of
from alexnet_export.repository import locked, publish, staging
from alexnet_repository.files import read_manifest
from alexnet_repository.repository import open_repository


def rollback(repository: Path, to: int | None = None) -> tuple[dict[str, Any], int | None]:
    """Switch back to a kept version; returns its manifest and the version that was left.

    Without ``to``, the highest kept version below the present one.  The version that is left is
    kept too, and stays loadable in Triton where both are of one generation.  Raises DeployError
    where there is no such version, RepositoryError where the kept files were changed.
    """
    root = repository.resolve()
    with locked(root, may_be_new=False):
        left = version_of(root)
        kept = open_repository(_chosen(root, left, to))
        with staging(root) as stage:
            restore(kept, stage)
            carry(root, stage, kept.manifest)
            publish(stage, root, kept.manifest)
    return read_manifest(root), left


def _chosen(root: Path, present: int | None, to: int | None) -> Path:
    kept = kept_versions(root)
    listed = f"kept beside {root}: {', '.join(map(str, kept)) or 'none'}"
    if to is not None:
        if to == present:
            raise DeployError(f"version {to} is what is deployed; {listed}")
        if to not in kept:
            raise DeployError(f"version {to} is not kept; {listed}")
        return kept[to]
    below = [version for version in kept if present is None or version < present]
    if not below:
        raise DeployError(f"there is no former version to roll back to; {listed}")
    return kept[max(below)]
