"""The deployed model repository, read and checked before anything of it is run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from alexnet_server.engine import Images, Inference
from alexnet_server.errors import RepositoryError

ENSEMBLE = "alexnet"
_MANIFEST = Path(ENSEMBLE, "manifest.json")


@dataclass(frozen=True)
class Repository:
    """A repository whose every file has the digest its manifest names."""

    root: Path
    manifest: dict[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels; a class's index is its ``class_id``."""
        return tuple(self.manifest["classes"])

    @property
    def digest(self) -> str:
        """sha256 of the checkpoint that the graphs were made from."""
        return str(self.manifest["model"]["digest"])

    def config(self, model: str) -> triton.ModelConfig:
        """Triton's configuration of one model.  Raises RepositoryError if it cannot be parsed."""
        path = self.root / model / "config.pbtxt"
        try:
            return text_format.Parse(path.read_text(), triton.ModelConfig())
        except (OSError, text_format.ParseError) as error:
            raise RepositoryError(f"{path} cannot be read: {error}") from error

    def golden(self) -> tuple[Images, Inference]:
        """The pictures whose answers are known, and those answers."""
        with np.load(self.root / ENSEMBLE / "golden.npz", allow_pickle=False) as kept:
            return kept["images"], Inference(kept["features"], kept["probabilities"])


def deployed(root: Path) -> bytes | None:
    """What tells one deploy from another, or None where there is none."""
    try:
        return (root / _MANIFEST).read_bytes()
    except OSError:
        return None


def open_repository(root: Path) -> Repository:
    """Read and verify a repository.

    Raises RepositoryError naming the file where one is missing, changed or not listed.
    """
    try:
        manifest = json.loads((root / _MANIFEST).read_text())
        listed: dict[str, str] = manifest["files"]
    except FileNotFoundError as error:
        raise RepositoryError(
            f"no model is deployed in {root}: run alexnet-export deploy CHECKPOINT "
            f"--repository {root}"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RepositoryError(f"{root / _MANIFEST} cannot be read: {error!r}") from error
    _verify(root, listed)
    return Repository(root, manifest)


def _verify(root: Path, listed: dict[str, str]) -> None:
    present = {
        path.relative_to(root).as_posix()
        for path in root.glob("*/**/*")
        if path.is_file() or path.is_symlink()
    } - {_MANIFEST.as_posix()}
    for name in sorted(present ^ listed.keys()):
        state = "is not listed in" if name in present else "is missing, but listed in"
        raise RepositoryError(f"{root / name} {state} {_MANIFEST}: deploy again")
    for name, digest in listed.items():
        path = root / name
        if path.is_symlink():
            raise RepositoryError(f"{path} is a link; the repository holds files only")
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                raise RepositoryError(
                    f"{path} was changed after its deploy (sha256 differs from {_MANIFEST}): "
                    "deploy again"
                )
