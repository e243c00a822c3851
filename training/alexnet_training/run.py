"""The folder of one training run, and how a later command takes it up again.

While training: ``weights.safetensors`` and ``sha256`` of the last whole epoch, ``metrics.json``,
``pictures.npz``, ``resume.pt`` and ``cache/``.  The last two go when the run is complete.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alexnet_export.checkpoint import METRICS_FILE, PICTURES_FILE, WEIGHTS_FILE, write_whole
from alexnet_training.errors import RunMismatch
from alexnet_training.photos.cache import Decoded
from alexnet_training.recipe import difference

RESUME_FILE = "resume.pt"
CACHE_FOLDER = "cache"
_PICTURES = 200  # for the parity check and the calibration at export


class Run:
    """The files of one run folder; ``recipe`` and ``classes`` are what is wanted of it now.

    ``data``: where the photos are, noted for later commands and nothing that a run depends on.
    """

    def __init__(
        self, folder: Path, recipe: Mapping[str, Any], classes: Sequence[str], data: Path
    ) -> None:
        self.folder, self.recipe, self.classes = folder, dict(recipe), list(classes)
        self.data = data

    @property
    def cache(self) -> Path:
        """Where decoded photos lie while training."""
        return self.folder / CACHE_FOLDER

    def metrics(self) -> dict[str, Any]:
        """The metrics.json of the last whole epoch, or nothing; raises RunMismatch."""
        try:
            found: dict[str, Any] = json.loads((self.folder / METRICS_FILE).read_bytes())
        except (OSError, ValueError):
            return {}
        if not {"recipe", "classes"} <= found.keys():
            raise RunMismatch(
                f"{self.folder}/{METRICS_FILE} was not written by a training: give another --out"
            )
        self._need_same(found)
        return found

    def is_complete(self) -> bool:
        """Whether every epoch was trained and the checkpoint is there; raises RunMismatch."""
        complete = self.metrics().get("complete") is True
        return complete and (self.folder / WEIGHTS_FILE).is_file()

    def load_state(self) -> dict[str, Any] | None:
        """What ``save_state`` was given after the last whole epoch; raises RunMismatch."""
        place = self.folder / RESUME_FILE
        if not place.is_file():
            return None
        state: dict[str, Any] = torch.load(place, map_location="cpu", weights_only=True)
        self._need_same(state)
        return state

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Write ``resume.pt`` so that it is whole or not there."""
        place = self.folder / RESUME_FILE
        unfinished = place.with_name(place.name + ".part")
        with unfinished.open("wb") as stream:
            torch.save({**state, "recipe": self.recipe, "classes": self.classes}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(place)

    def save_metrics(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """Write ``metrics.json`` and give what stands in it."""
        noted = {"recipe": self.recipe, "classes": self.classes, "data": str(self.data.resolve())}
        whole = {**table, **noted}
        content = json.dumps(whole, indent=1, sort_keys=True)
        write_whole(self.folder / METRICS_FILE, content.encode())
        return whole

    def save_pictures(self, validation: Decoded) -> None:
        """Write ``pictures.npz``: up to 200 validation photos, spread evenly over the classes.

        ``images`` uint8 [n, 256, 256, 3] and ``labels`` int64 [n].
        """
        count = min(_PICTURES, len(validation.labels))
        rows = np.linspace(0, len(validation.labels) - 1, count).round().astype(np.int64)
        content = io.BytesIO()
        np.savez_compressed(content, images=validation.pixels[rows], labels=validation.labels[rows])
        write_whole(self.folder / PICTURES_FILE, content.getvalue())

    def finish(self) -> None:
        """Remove what only an unfinished run needs."""
        (self.folder / RESUME_FILE).unlink(missing_ok=True)
        shutil.rmtree(self.cache, ignore_errors=True)

    def _need_same(self, former: Mapping[str, Any]) -> None:
        found = difference(former["recipe"], self.recipe)
        if list(former["classes"]) != self.classes:
            gone = sorted(set(former["classes"]) - set(self.classes))
            new = sorted(set(self.classes) - set(former["classes"]))
            found += f"{', ' if found else ''}classes gone: {gone}, new: {new}"
        if found:
            raise RunMismatch(
                f"{self.folder} holds a run with another recipe, other classes or other photos "
                f"({found}): give the former again to resume it, or another --out"
            )
