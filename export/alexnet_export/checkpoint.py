"""A checkpoint: ``weights.safetensors`` with its description inside, digest and pictures beside.

The file's bytes depend on the tensors and the description alone: one metadata key, one sorted
JSON text, no time, no path.  Nothing here can run code from a file.  A compressed network
(compressed.py) is read as one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from alexnet_export.calibration import Calibration, stored
from alexnet_export.compressed import is_compressed, read, tensor_shapes, written
from alexnet_export.dialects import DIALECTS
from alexnet_export.errors import CheckpointError
from alexnet_export.layers import Dialect
from alexnet_export.loss import Loss
from alexnet_export.shared_values import SharedValues
from alexnet_repository.durable import sync

WEIGHTS_FILE = "weights.safetensors"
DIGEST_FILE = "sha256"
PICTURES_FILE = "pictures.npz"
METRICS_FILE = "metrics.json"
_METADATA_KEY = "alexnet"
_FORMAT = 1

Tensor = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Compression:
    """What a compressed network knows of itself, since it comes without pictures.

    ``original``: the sha256 and the figures of what it was made of; ``metrics``: its own figures.
    ``loss``: what int8 with the ranges of ``calibration`` costs it.
    """

    original: dict[str, Any]
    metrics: dict[str, Any]
    calibration: Calibration
    loss: Loss

    def as_json(self) -> dict[str, Any]:
        """For the file's description."""
        int8 = {"calibration": self.calibration.with_ranges(), "loss": self.loss.as_json()}
        return {"original": self.original, "metrics": self.metrics, "int8": int8}


@dataclass(frozen=True)
class Checkpoint:
    """A trained network; ``compression`` where it was read from a compressed file.

    ``tensors``: ``<layer>.weight`` and ``<layer>.bias`` for every layer, float32, both towers
    together (a local layer's weight is ``[out, in / towers, k, k]``), and ``mean``, the training
    mean, float32 [256, 256, 3] in 0..255.  The network sees ``(pixel - mean) * scale``.
    ``about`` says in a sentence what the network knows.  ``recipe`` is how it was trained.
    """

    dialect: Dialect
    classes: tuple[str, ...]
    tensors: dict[str, Tensor]
    scale: float
    about: str
    recipe: dict[str, Any] = field(default_factory=dict)
    compression: Compression | None = None

    @property
    def mean(self) -> Tensor:
        """The mean a view is shifted by: the centre of the mean image, float32 [side, side, 3]."""
        whole = self.tensors["mean"]
        start = (whole.shape[0] - self.dialect.image_side) // 2
        stop = start + self.dialect.image_side
        return whole[start:stop, start:stop]


def weights_path(place: Path) -> Path:
    """The weights file of a run folder, or the file itself."""
    return place / WEIGHTS_FILE if place.is_dir() else place


def file_digest(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a machine that lost power, sees all of it or none."""
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    sync(path.parent)


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> str:
    """Write ``weights.safetensors`` and ``sha256`` into ``folder``; returns the digest.

    Raises OSError (no space, no permission); the former checkpoint is then still whole.
    """
    _check(checkpoint, folder)
    tensors = {
        name: np.ascontiguousarray(checkpoint.tensors[name]) for name in sorted(checkpoint.tensors)
    }
    metadata = {_METADATA_KEY: json.dumps(_description(checkpoint), sort_keys=True)}
    content = safetensors.numpy.save(tensors, metadata=metadata)
    digest = hashlib.sha256(content).hexdigest()
    # Without a digest the weights are taken as they are: a kill in here leaves one whole file.
    (folder / DIGEST_FILE).unlink(missing_ok=True)
    sync(folder)
    write_whole(folder / WEIGHTS_FILE, content)
    write_whole(folder / DIGEST_FILE, f"{digest}  {WEIGHTS_FILE}\n".encode())
    return digest


def compressed_bytes(checkpoint: Checkpoint, shared: Mapping[str, SharedValues]) -> bytes:
    """A compressed file of ``checkpoint``, its tensors as in ``shared`` where they are there.

    Without ``compression`` it can be deployed in fp32 alone.  Raises CheckpointError where they do
    not fit the layer table.
    """
    tensors = {**checkpoint.tensors, **{name: one.dense() for name, one in shared.items()}}
    _check(replace(checkpoint, tensors=tensors), Path("the compressed network"))
    known = checkpoint.compression.as_json() if checkpoint.compression else {}
    return written({**_description(checkpoint), **known}, {**checkpoint.tensors, **shared})


def load_checkpoint(place: Path) -> tuple[Checkpoint, str]:
    """Read a run folder, a weights file or a compressed one; returns the checkpoint and its sha256.

    Raises CheckpointError where the file is missing, damaged, of another format or dialect, or
    does not match the ``sha256`` beside it.
    """
    path = weights_path(place)
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {place}: expected a run folder or {WEIGHTS_FILE}")
    digest = file_digest(path)
    if is_compressed(path):
        return _described(path, *read(path)), digest
    noted = path.with_name(DIGEST_FILE)
    if noted.is_file() and noted.read_text().split()[:1] != [digest]:
        raise CheckpointError(
            f"{path} has sha256 {digest}, but {noted} says {noted.read_text().split()[:1]}: "
            "the file is damaged or was replaced"
        )
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {})[_METADATA_KEY]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        description = dict(json.loads(text))
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise _undescribed(path, error) from error
    return _described(path, description, tensors), digest


def _description(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "dialect": checkpoint.dialect.name,
        "layers": checkpoint.dialect.table(),
        "classes": list(checkpoint.classes),
        "scale": checkpoint.scale,
        "about": checkpoint.about,
        "recipe": checkpoint.recipe,
    }


def _described(path: Path, description: dict[str, Any], tensors: dict[str, Tensor]) -> Checkpoint:
    """The checkpoint that ``_description`` describes, checked."""
    try:
        dialect = DIALECTS[description["dialect"]]
        if description["format"] != _FORMAT:
            raise CheckpointError(
                f"{path} has checkpoint format {description['format']}; this reads {_FORMAT}"
            )
        if description["layers"] != json.loads(json.dumps(dialect.table())):
            raise CheckpointError(f"{path} has another layer table than dialect {dialect.name}")
        checkpoint = Checkpoint(
            dialect=dialect,
            classes=tuple(description["classes"]),
            tensors=tensors,
            scale=float(description["scale"]),
            about=str(description["about"]),
            recipe=dict(description["recipe"]),
            compression=_compression(description) if "int8" in description else None,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _undescribed(path, error) from error
    _check(checkpoint, path)
    return checkpoint


def _compression(description: dict[str, Any]) -> Compression:
    return Compression(
        original=dict(description["original"]),
        metrics={key: float(description["metrics"][key]) for key in ("top1", "top5")}
        | {"n": int(description["metrics"]["n"])},
        calibration=stored(description["int8"]["calibration"]),
        loss=Loss.stored(description["int8"]["loss"]),
    )


def _undescribed(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{path} does not describe an AlexNet checkpoint: {error!r}")


def _check(checkpoint: Checkpoint, source: Path) -> None:
    expected = tensor_shapes(checkpoint.dialect, len(checkpoint.classes))
    found = {name: tuple(tensor.shape) for name, tensor in checkpoint.tensors.items()}
    if found != expected:
        odd = sorted(set(found.items()) ^ set(expected.items()))[:4]
        raise CheckpointError(f"{source}: tensors differ from the layer table: {odd}")
    for name, tensor in checkpoint.tensors.items():
        if tensor.dtype != np.float32 or not np.isfinite(tensor).all():
            raise CheckpointError(f"{source}: tensor {name} must be finite float32")
