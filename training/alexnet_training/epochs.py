"""The epochs of a run: train, validate, keep; what was kept is whole at any moment."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from alexnet_export.checkpoint import Checkpoint, save_checkpoint
from alexnet_export.dialects import DIALECTS
from alexnet_export.errors import CheckpointError
from alexnet_training.errors import DivergedError
from alexnet_training.evaluation.answers import accuracy, predict
from alexnet_training.learner import Learner
from alexnet_training.photos.augmentation import colour_axes
from alexnet_training.photos.batches import Epoch
from alexnet_training.photos.material import Material
from alexnet_training.processes import Processes
from alexnet_training.recipe import Recipe
from alexnet_training.run import Run
from alexnet_training.schedule import learning_rate


@dataclass
class Training:
    """The epochs of one run; ``history`` has a row for each that is behind."""

    run: Run
    recipe: Recipe
    about: str
    material: Material
    learner: Learner
    history: list[dict[str, Any]]
    between: Callable[[], None]
    processes: Processes

    def to_the_end(self) -> dict[str, Any]:
        """Train the epochs that are left and give the table of metrics.json."""
        metrics: dict[str, Any] = {}
        for epoch in range(len(self.history), self.recipe.epochs):
            loss, rate = self._train(epoch)
            row = {"epoch": epoch + 1, "loss": loss, "learning_rate": rate}
            last = epoch + 1 == self.recipe.epochs
            if self.processes.is_first:
                if last or (epoch + 1) % self.recipe.validate_every == 0:
                    row |= self._validate()
                say(self.processes, _line(row, self.recipe.epochs))
                self.history.append(row)
                metrics = self._save(last)
            else:
                self.history.append(row)
            self.history[-1] = self.processes.told(row)
        return self.processes.told(metrics)

    def _validate(self) -> dict[str, float]:
        validation, learner = self.material.validation, self.learner
        found = predict(learner.network, validation.pixels, learner.lens, between=self.between)
        scored = accuracy(found.probabilities, validation.labels)
        return {"top1": scored.top1, "top5": scored.top5}

    def _train(self, number: int) -> tuple[float, float]:
        """One pass over the photos; gives the mean loss and the rate of its last step."""
        recipe, photos = self.recipe, self.material.training
        axes = colour_axes(self.material.statistics.covariance)
        epoch = Epoch(recipe, axes, photos, number, self.processes)
        behind = [row["top1"] for row in self.history if "top1" in row]
        steps = recipe.epochs * epoch.steps
        self.learner.network.train()
        total, rate = 0.0, 0.0
        with (
            closing(epoch.batches(self.learner.lens.device)) as batches,
            tqdm(
                total=len(photos.labels),
                unit="photo",
                disable=None if self.processes.is_first else True,
                leave=False,
            ) as bar,
        ):
            bar.set_description(f"epoch {number + 1}/{recipe.epochs}")
            for step, batch in enumerate(batches, start=number * epoch.steps):
                self.between()
                rate = learning_rate(recipe, step, steps, behind)
                loss = self.learner.step(batch, rate)
                if not math.isfinite(loss):
                    where = f"step {step + 1} (epoch {number + 1}), at a rate of {rate:.3g}"
                    raise DivergedError(f"the loss is {loss} in {where}: {self._advice(number)}")
                total += loss * batch.share * batch.size
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
                bar.update(batch.size)
        return self.processes.summed(total) / len(photos.labels), rate

    def _advice(self, epochs: int) -> str:
        kept = f"{self.run.folder} keeps epoch {epochs}" if epochs else "no epoch was finished"
        lower = f"--learning-rate {self.recipe.learning_rate / 3:.2g}"
        return f"{kept}; try {lower}, --warm-up 0.1 or --clip 1, and another --out"

    def _save(self, complete: bool) -> dict[str, Any]:
        """Checkpoint, resume state, metrics, in this order: a kill between them loses an epoch."""
        checkpoint = Checkpoint(
            dialect=DIALECTS[self.recipe.dialect],
            classes=self.material.classes,
            tensors=self.learner.tensors(),
            scale=self.recipe.scale,
            about=self.about,
            recipe=self.run.recipe,
        )
        try:
            digest = save_checkpoint(checkpoint, self.run.folder)
        except CheckpointError as error:
            raise DivergedError(f"{error}: {self._advice(len(self.history) - 1)}") from error
        if not complete:
            self.run.save_state({**self.learner.state(), "history": self.history})
        validated = [row for row in self.history if "top1" in row]
        return self.run.save_metrics(
            {
                "complete": complete,
                "digest": digest,
                "top1": validated[-1]["top1"] if validated else None,
                "top5": validated[-1]["top5"] if validated else None,
                "n": len(self.material.validation.labels),
                "training_photos": len(self.material.training.labels),
                "skipped": self.material.skipped,
                "left_out": list(self.material.left_out),
                "history": self.history,
            }
        )


def _line(row: dict[str, Any], epochs: int) -> str:
    line = f"epoch {row['epoch']}/{epochs}  loss {row['loss']:.4f}"
    if "top1" in row:
        line += f"  validation top-1 {row['top1']:.2%}  top-5 {row['top5']:.2%}"
    return line


def say(processes: Processes, line: str) -> None:
    """Tell a person, once and not by every process."""
    if processes.is_first:
        tqdm.write(line, file=sys.stderr)
