"""Names and digests of the files in a model repository (Triton's layout).

``root/<model>/config.pbtxt`` and ``root/<model>/<version>/model.onnx``; beside the ensemble's
configuration stand its labels, the manifest and the pictures whose answers are known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alexnet_repository.errors import NothingDeployed, RepositoryError

ENSEMBLE = "alexnet"
MANIFEST = Path(ENSEMBLE, "manifest.json")
CONFIG_FILE = "config.pbtxt"
GRAPH_FILE = "model.onnx"
LABELS_FILE = "labels.txt"
GOLDEN_FILE = "golden.npz"
KEEP_FILE = ".keep"
PARITY_TABLE = "parity_table"  # the manifest's one key that is written after the deploy


def read_manifest(root: Path) -> dict[str, Any]:
    """The deployed manifest.  Raises NothingDeployed, or RepositoryError if it is unreadable."""
    try:
        manifest = json.loads((root / MANIFEST).read_bytes())
        fault = _fault(manifest)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NothingDeployed(
            f"no model is deployed in {root}: run alexnet-export deploy CHECKPOINT "
            f"--repository {root}"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise RepositoryError(f"{root / MANIFEST} cannot be read: {error!r}") from error
    if fault:
        raise RepositoryError(f"{root / MANIFEST} cannot be read: {fault}: deploy again")
    return dict(manifest)


def deployed(root: Path) -> bytes | None:
    """What tells one deploy from another, or None where there is none.

    A parity table that is noted in the manifest makes no other deploy of it.
    """
    try:
        content = (root / MANIFEST).read_bytes()
    except OSError:
        return None
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError):
        return content
    if isinstance(manifest, dict):
        manifest.pop(PARITY_TABLE, None)
    return json.dumps(manifest, sort_keys=True).encode()


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


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _are_digests(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_version(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdecimal()


# What readers rely on; each is said as a person would write it.
_Rule = tuple[Callable[[object], bool], str]
_TEXT: _Rule = (_is_text, "a text")
_MODEL: dict[str, _Rule] = {
    "name": _TEXT,
    "version": (_is_version, "a number written as a text"),
    "digest": _TEXT,
}
_REQUIRED: dict[str, _Rule] = {
    "classes": (_are_texts, "a list of texts"),
    "files": (_are_digests, "an object of texts"),
}
# Always written; whether they are there, verify says.
_OPTIONAL: dict[str, _Rule] = {
    "dialect": _TEXT,
    "layout": _TEXT,
    "devices": (_are_texts, "a list of texts"),
    "precision": _TEXT,
}


def _fault(manifest: object) -> str:
    """What is missing from a manifest or of a wrong type; empty where nothing is."""
    if not isinstance(manifest, dict):
        return "it is not an object"
    model = manifest.get("model")
    if not isinstance(model, dict):
        return "'model' is not an object"
    present = {key: rule for key, rule in _OPTIONAL.items() if key in manifest}
    for values, rules in ((model, _MODEL), (manifest, _REQUIRED | present)):
        for key, (is_right, wanted) in rules.items():
            if not is_right(values.get(key)):
                return f"{key!r} is not {wanted}"
    return ""
