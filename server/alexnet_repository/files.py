"""Names and digests of the files in a model repository (Triton's layout).

``root/<model>/config.pbtxt`` and ``root/<model>/<version>/model.onnx``; beside the ensemble's
configuration stand its labels, the manifest and the pictures whose answers are known.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from alexnet_repository.errors import NothingDeployed, RepositoryError

ENSEMBLE = "alexnet"
MANIFEST = Path(ENSEMBLE, "manifest.json")
CONFIG_FILE = "config.pbtxt"
GRAPH_FILE = "model.onnx"
LABELS_FILE = "labels.txt"
GOLDEN_FILE = "golden.npz"


def read_manifest(root: Path) -> dict[str, Any]:
    """The deployed manifest.  Raises NothingDeployed, or RepositoryError if it is unreadable."""
    try:
        manifest = json.loads((root / MANIFEST).read_bytes())
        # What every reader needs of it.
        _ = manifest["model"]["version"], manifest["model"]["digest"], manifest["classes"]
        _ = dict(manifest["files"])
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NothingDeployed(
            f"no model is deployed in {root}: run alexnet-export deploy CHECKPOINT "
            f"--repository {root}"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RepositoryError(f"{root / MANIFEST} cannot be read: {error!r}") from error
    return dict(manifest)


def deployed(root: Path) -> bytes | None:
    """What tells one deploy from another, or None where there is none."""
    try:
        return (root / MANIFEST).read_bytes()
    except OSError:
        return None


def model_files(root: Path) -> dict[str, Path]:
    """Every file or link inside the models' folders but the manifest, by its path in ``root``."""
    return {
        path.relative_to(root).as_posix(): path
        for path in sorted(root.glob("*/**/*"))
        if (path.is_file() or path.is_symlink()) and path != root / MANIFEST
    }


def file_digest(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
