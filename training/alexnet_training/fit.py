"""Train a network on folders of photos; the same call again resumes where it stopped."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from alexnet_export.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from alexnet_export.errors import CheckpointError
from alexnet_export.layers import DIALECTS, parameter_count
from alexnet_training.augmentation import colour_axes
from alexnet_training.batches import Epoch
from alexnet_training.cache import saying_no_space
from alexnet_training.device import choose_precision
from alexnet_training.errors import DivergedError, RecipeError
from alexnet_training.evaluation import accuracy, predict
from alexnet_training.fine_tuning import from_start, in_words, taken_over
from alexnet_training.folders import find_photos
from alexnet_training.initialization import initial_tensors
from alexnet_training.learner import Learner
from alexnet_training.material import Material, gather
from alexnet_training.recipe import Recipe
from alexnet_training.run import Run
from alexnet_training.schedule import learning_rate

_NAMED_CLASSES = 10
# float32 copies of the network on disk at the worst moment: weights and resume state with the
# optimizer's two moments, old and new of each.
_COPIES = 2 * (1 + 3)


@dataclass(frozen=True)
class Order:
    """What one ``fit`` was asked for; ``start`` is a checkpoint to fine-tune.

    ``dialect`` is one that was asked for by name: with ``start``, it has to be that one's.
    """

    data: Path
    out: Path
    recipe: Recipe
    device: torch.device
    start: Path | None = None
    dialect: str | None = None
    about: str | None = None
    strict: bool = False


def fit(order: Order, between: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Train, or go on training, and return the table of metrics.json.

    ``between`` is called between photos and batches and may raise to stop; the files of the last
    whole epoch then stand.  Raises TrainingError, and ExportError for ``start``.
    """
    photos = find_photos(order.data)
    start, digest = load_checkpoint(order.start) if order.start else (None, None)
    recipe = _resolve(order, start)
    table = {**recipe.table(), "photos": photos.sha256}
    if digest is not None:
        table["from"] = digest
    run = Run(order.out, table, photos.classes)
    if run.is_complete():
        run.finish()  # a kill may have come before
        _say(f"{order.out} is complete already: nothing to do")
        return run.metrics()
    with saying_no_space(order.out):
        state = run.load_state()
        order.out.mkdir(parents=True, exist_ok=True)
        parameters = parameter_count(DIALECTS[recipe.dialect], len(photos.classes))
        beside_bytes = _COPIES * 4 * parameters
        material = gather(photos, run.cache, beside_bytes, order.strict, between)
        learner = _make_learner(order, recipe, material, start)
        history: list[dict[str, Any]] = []
        if state is None:
            run.save_pictures(material.validation)
        else:
            learner.restore(state)
            history = state["history"]
            _say(f"going on after epoch {len(history)} of {recipe.epochs}")
        about = order.about or describe(photos.classes)
        return Training(run, recipe, about, material, learner, history, between).to_the_end()


def describe(classes: tuple[str, ...]) -> str:
    """One sentence on what a network of these classes knows."""
    named = ", ".join(classes[:_NAMED_CLASSES])
    return f"{len(classes)} classes: {named}{', ...' if len(classes) > _NAMED_CLASSES else ''}"


def _resolve(order: Order, start: Checkpoint | None) -> Recipe:
    """The recipe without ``auto``, and with what ``start``'s weights expect."""
    precision = choose_precision(order.recipe.precision, order.device)
    recipe = replace(order.recipe, precision=precision)
    if start is not None and recipe.batch_norm:
        raise RecipeError(
            "--batch-norm begins with new weights: it would undo the scale of those of --from"
        )
    if start is not None:
        return from_start(recipe, start, order.dialect)
    if recipe.learn_last:
        raise RecipeError(
            f"--learn-last {recipe.learn_last} keeps the layers before as they are: say whose they "
            "are with --from CHECKPOINT"
        )
    return recipe


def _make_learner(
    order: Order, recipe: Recipe, material: Material, start: Checkpoint | None
) -> Learner:
    """A learner with new weights, or with ``start``'s; its classifier only for the same classes."""
    dialect, classes = DIALECTS[recipe.dialect], material.classes
    tensors = initial_tensors(dialect, len(classes), recipe.initialization, recipe.seed)
    mean = material.statistics.mean
    if start is not None:
        mean = start.tensors["mean"]
        tensors |= taken_over(start, classes)
        _say(f"from {order.start}: {in_words(recipe, start, classes)}")
    return Learner(
        recipe,
        len(classes),
        tensors=tensors,
        mean=mean,
        device=order.device,
        precision=choose_precision(recipe.precision, order.device),
    )


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

    def to_the_end(self) -> dict[str, Any]:
        """Train the epochs that are left and give the table of metrics.json."""
        metrics: dict[str, Any] = {}
        for epoch in range(len(self.history), self.recipe.epochs):
            loss, rate = self._train(epoch)
            row = {"epoch": epoch + 1, "loss": loss, "learning_rate": rate}
            last = epoch + 1 == self.recipe.epochs
            if last or (epoch + 1) % self.recipe.validate_every == 0:
                validation = self.material.validation
                found = predict(
                    self.learner.kept,
                    validation.pixels,
                    self.learner.lens,
                    between=self.between,
                )
                scored = accuracy(found, validation.labels)
                row.update(top1=scored.top1, top5=scored.top5)
            self.history.append(row)
            _say(_line(row, self.recipe.epochs))
            metrics = self._save(last)
        self.run.finish()
        return metrics

    def _train(self, number: int) -> tuple[float, float]:
        """One pass over the photos; gives the mean loss and the rate of its last step."""
        recipe, photos = self.recipe, self.material.training
        axes = colour_axes(self.material.statistics.covariance)
        epoch = Epoch(recipe, axes, photos, number)
        behind = [row["top1"] for row in self.history if "top1" in row]
        steps = recipe.epochs * epoch.steps
        self.learner.network.train()
        total, rate = 0.0, 0.0
        with (
            closing(epoch.batches(self.learner.lens.device)) as batches,
            tqdm(total=len(photos.labels), unit="photo", disable=None, leave=False) as bar,
        ):
            bar.set_description(f"epoch {number + 1}/{recipe.epochs}")
            for step, batch in enumerate(batches, start=number * epoch.steps):
                self.between()
                rate = learning_rate(recipe, step, steps, behind)
                loss = self.learner.step(batch, rate)
                if not math.isfinite(loss):
                    where = f"step {step + 1} (epoch {number + 1}), at a rate of {rate:.3g}"
                    raise DivergedError(f"the loss is {loss} in {where}: {self._advice(number)}")
                total += loss * len(batch.labels)
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
                bar.update(len(batch.labels))
        return total / len(photos.labels), rate

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
                "history": self.history,
            }
        )


def _line(row: dict[str, Any], epochs: int) -> str:
    line = f"epoch {row['epoch']}/{epochs}  loss {row['loss']:.4f}"
    if "top1" in row:
        line += f"  validation top-1 {row['top1']:.2%}  top-5 {row['top5']:.2%}"
    return line


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
