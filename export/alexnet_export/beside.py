"""The places beside a repository's root where deploys work and former roots are kept.

Triton loads every folder inside the root, hidden ones too, so nothing of this may lie in it; and
on the root's own filesystem, because folders are moved by renaming.
"""

from __future__ import annotations

from pathlib import Path


def lock(root: Path) -> Path:
    """The file whose lock says that a deploy or a rollback is under way."""
    return _beside(root, "lock")


def staging(root: Path) -> Path:
    """Where the next root is built; after the exchange the former root is there."""
    return _beside(root, "staging")


def kept(root: Path) -> Path:
    """The folder of former roots, each named by its version."""
    return _beside(root, "kept")


def discarded(root: Path) -> Path:
    """Where a folder goes, whole, before it is removed piece by piece."""
    return _beside(root, "discarded")


def manifest(root: Path) -> Path:
    """Where the next manifest is written, to replace that of the root in one step."""
    return _beside(root, "manifest")


def _beside(root: Path, purpose: str) -> Path:
    return root.with_name(f"{root.name}.{purpose}")
