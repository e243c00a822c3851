"""The report of a run that lies on disk, on its own photos or on others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from alexnet_export.checkpoint import METRICS_FILE, PICTURES_FILE, load_checkpoint
from alexnet_training.errors import DataError, RunMismatch
from alexnet_training.evaluation.answers import labelled_photos, network_of, predict
from alexnet_training.evaluation.scores import scores
from alexnet_training.photos.cache import Decoded
from alexnet_training.report import Shown, write_report


def report_of_run(
    folder: Path,
    data: Path | None,
    device: torch.device,
    *,
    strict: bool = False,
    between: Callable[[], None] = lambda: None,
) -> Path:
    """Write the report of ``folder`` on the labelled photos of ``data``, or on those it has kept.

    Gives the page's path.  Raises ExportError for the checkpoint, DataError for the photos,
    RunMismatch where the metrics are missing or another checkpoint's.
    """
    checkpoint, digest = load_checkpoint(folder)
    _metrics(folder, digest)  # before any photo is decoded
    if data is None:
        return report_of_photos(
            folder, _kept(folder), "validation photos that the run has kept", device, between
        )
    with labelled_photos(data, checkpoint.classes, strict=strict, between=between) as photos:
        return report_of_photos(folder, photos, f"all of {data}", device, between)


def report_of_photos(
    folder: Path,
    photos: Decoded,
    whence: str,
    device: torch.device,
    between: Callable[[], None] = lambda: None,
) -> Path:
    """The same on decoded photos; ``whence`` says in words which they are."""
    checkpoint, digest = load_checkpoint(folder)
    metrics = _metrics(folder, digest)
    network, lens = network_of(checkpoint, device, "fp32")
    answers = predict(network, photos.pixels, lens, between=between)
    found = scores(answers, photos.labels, photos.names, checkpoint.classes)
    shown = Shown(whence, photos.pixels, photos.labels, answers, found)
    return write_report(folder, checkpoint, metrics, shown, between)


def _metrics(folder: Path, digest: str) -> dict[str, Any]:
    place = folder / METRICS_FILE
    try:
        found: dict[str, Any] = json.loads(place.read_bytes())
    except (OSError, ValueError) as error:
        raise RunMismatch(
            f"{place} cannot be read: a report is of a run folder that fit has made"
        ) from error
    is_whole = isinstance(found, dict) and {"history", "recipe", "training_photos"} <= found.keys()
    if not is_whole or found.get("digest") != digest or not found["history"]:
        raise RunMismatch(f"{place} is not of the checkpoint beside it: train the run to its end")
    return found


def _kept(folder: Path) -> Decoded:
    try:
        with (
            (folder / PICTURES_FILE).open("rb") as stream,
            np.load(stream, allow_pickle=False) as kept,
        ):
            labels = kept["labels"]
            names = tuple(f"validation photo {number}" for number in range(len(labels)))
            return Decoded(kept["images"], labels, names)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise DataError(
            f"{folder / PICTURES_FILE} cannot be read: name labelled photos with --data"
        ) from error
