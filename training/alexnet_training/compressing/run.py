"""A run folder -> its compressed file, with every step as JSON and as a picture beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from alexnet_export.checkpoint import (
    METRICS_FILE,
    Checkpoint,
    load_checkpoint,
    weights_path,
    write_whole,
)
from alexnet_export.compressed import SUFFIX
from alexnet_training.compressing.compress import RECIPE, compress
from alexnet_training.errors import DataError
from alexnet_training.figures.sheet import png
from alexnet_training.figures.tradeoff import tradeoff
from alexnet_training.photos.folders import find_photos
from alexnet_training.photos.material import Material, gather


@dataclass(frozen=True)
class Order:
    """What one ``compress`` was asked for.

    ``data`` and ``about``: None for the run's own; ``out``: None for a file in the run.
    """

    run_folder: Path
    data: Path | None
    out: Path | None
    about: str | None
    max_bytes: int
    epochs: int
    learning_rate: float
    seed: int
    cache: Path | None
    strict: bool
    device: torch.device


def compress_run(order: Order, between: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Write the file, ``FILE.json`` and ``FILE.png``; gives what fits one line.

    Raises TrainingError, and ExportError for the checkpoint; nothing is written then.
    """
    recipe = replace(
        RECIPE, epochs=order.epochs, learning_rate=order.learning_rate, seed=order.seed
    )
    original, digest = load_checkpoint(order.run_folder)
    original = replace(original, about=order.about or original.about)
    data = order.data or _data_of(order.run_folder)
    out = order.out or weights_path(order.run_folder).with_name(f"compressed{SUFFIX}")
    with _material(order, data, original, between) as material:
        made = compress(
            (original, digest),
            material,
            order.max_bytes,
            recipe,
            device=order.device,
            between=between,
        )
    steps = [step.as_json() for step in made.steps]
    whole = {"original": digest, "max_bytes": order.max_bytes, "recipe": recipe.table()}
    picture = png(tradeoff(made.steps, order.max_bytes))
    write_whole(
        out.with_name(f"{out.name}.json"), json.dumps({**whole, "steps": steps}, indent=1).encode()
    )
    write_whole(out.with_name(f"{out.name}.png"), picture)
    write_whole(out, made.content)
    found, own = load_checkpoint(out)  # as whoever is given it reads it
    return {"file": str(out), "sha256": own, **steps[-1], "original": steps[0], **_int8(found)}


def _int8(found: Checkpoint) -> dict[str, Any]:
    return {"int8": found.compression.loss.as_json()} if found.compression else {}


def _data_of(run_folder: Path) -> Path:
    """Where the run's photos were; raises DataError where it does not say or they are gone."""
    try:
        noted = json.loads(weights_path(run_folder).with_name(METRICS_FILE).read_bytes())["data"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{run_folder} does not say where its photos are: name them with --data"
        ) from error
    return Path(str(noted))


@contextmanager
def _material(
    order: Order, data: Path, original: Checkpoint, between: Callable[[], None]
) -> Iterator[Material]:
    """The photos of ``data``, decoded for a while; raises DataError where classes are others."""
    photos = find_photos(data)
    if photos.classes != original.classes:
        raise DataError(
            f"{data} has {len(photos.classes)} classes, {', '.join(photos.classes[:5])}, ..., and "
            f"{order.run_folder} {len(original.classes)}, {', '.join(original.classes[:5])}, ...: "
            "name the photos that it was trained on with --data"
        )
    with TemporaryDirectory(prefix="alexnet-compress-") as folder:
        place = (order.cache or Path(folder)) / photos.sha256[:16]
        yield gather(photos, place, strict=order.strict, between=between)
