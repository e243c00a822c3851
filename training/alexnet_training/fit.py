"""Train a network on folders of photos; the same call again resumes where it stopped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from alexnet_export.checkpoint import Checkpoint, load_checkpoint
from alexnet_export.dialects import DIALECTS
from alexnet_export.layers import Dialect, parameter_count
from alexnet_training.device import choose_precision
from alexnet_training.epochs import Training, say
from alexnet_training.errors import DataError, DeviceError, RecipeError
from alexnet_training.fine_tuning import from_start, in_words, taken_over
from alexnet_training.learner import Learner
from alexnet_training.network.exchange import exchanged_numbers
from alexnet_training.network.initialization import initial_tensors
from alexnet_training.photos.cache import saying_no_space
from alexnet_training.photos.duplicates import remarks
from alexnet_training.photos.folders import Photos, find_photos
from alexnet_training.photos.material import Material, gather
from alexnet_training.processes import ALONE, Processes
from alexnet_training.recipe import Recipe
from alexnet_training.run import Run

_NAMED_CLASSES = 10
_SET_NAME = 16  # digits of the sha256 that names a set of photos
# float32 copies of the network on disk at the worst moment: weights and resume state with the
# optimizer's two moments, old and new of each.
_COPIES = 2 * (1 + 3)


@dataclass(frozen=True)
class Order:
    """What one ``fit`` was asked for; ``start`` is a checkpoint to fine-tune.

    ``dialect`` is one that was asked for by name: with ``start``, it has to be that one's.
    ``is_drawn``: whether a report is made at the end.  ``cache``: where decoded photos are kept for
    other runs too; without it they lie in the run and go with its end.
    """

    data: Path
    out: Path
    recipe: Recipe
    devices: tuple[torch.device, ...]  # one, or one a tower
    processes: Processes = ALONE
    start: Path | None = None
    dialect: str | None = None
    about: str | None = None
    strict: bool = False
    is_drawn: bool = True
    cache: Path | None = None
    leave_out_duplicates: bool = False


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
    run = Run(order.out, table, photos.classes, order.data)
    if run.is_complete():
        run.finish()  # a kill may have come before
        say(order.processes, f"{order.out} is complete already: nothing to do")
        return run.metrics()
    with saying_no_space(order.out):
        state = run.load_state()
        parameters = parameter_count(DIALECTS[recipe.dialect], len(photos.classes))
        beside_bytes = _COPIES * 4 * parameters
        material = _gather(order, photos, run, beside_bytes, between)
        learner = _make_learner(order, recipe, material, start)
        history: list[dict[str, Any]] = []
        if state is not None:
            learner.restore(state)
            history = state["history"]
            say(order.processes, f"going on after epoch {len(history)} of {recipe.epochs}")
        elif order.processes.is_first:
            run.save_pictures(material.validation)
        about = order.about or describe(photos.classes)
        metrics = Training(
            run, recipe, about, material, learner, history, between, order.processes
        ).to_the_end()
        if order.processes.is_first:
            if order.is_drawn:
                _draw(run, material, order.devices[0], between)
            run.finish()
        return metrics


def _gather(
    order: Order, photos: Photos, run: Run, beside_bytes: int, between: Callable[[], None]
) -> Material:
    """What is learned from; where the photos are refused, a new run leaves nothing behind."""
    is_new = not order.out.exists()
    order.out.mkdir(parents=True, exist_ok=True)
    if not order.processes.is_first:
        order.processes.wait()  # the first decodes, the others read what it has decoded
    try:
        material = gather(
            photos,
            # A folder for each set of photos: runs of others do not change what is mapped here.
            (order.cache or run.cache) / photos.sha256[:_SET_NAME],
            beside_bytes=beside_bytes,
            strict=order.strict,
            leave_out_duplicates=order.leave_out_duplicates,
            between=between,
        )
    except DataError:
        if is_new:
            shutil.rmtree(order.out)
        raise
    if order.processes.is_first:
        order.processes.wait()
    if material.left_out:
        count = len(material.left_out)
        say(order.processes, f"{count:,} training photos left out: they are in the validation half")
    for remark in remarks(material.training, photos.classes):
        say(order.processes, remark)
    return material


def _draw(run: Run, material: Material, device: torch.device, between: Callable[[], None]) -> None:
    """The report of a run that is complete, with all photos of its validation."""
    # Here, because importing matplotlib takes as long as a short test of training.
    from alexnet_training.report_of_run import report_of_photos  # noqa: PLC0415

    say(ALONE, f"drawing the report of {run.folder}")
    report_of_photos(run.folder, material.validation, "all of the validation", device, between)


def describe(classes: tuple[str, ...]) -> str:
    """One sentence on what a network of these classes knows."""
    named = ", ".join(classes[:_NAMED_CLASSES])
    return f"{len(classes)} classes: {named}{', ...' if len(classes) > _NAMED_CLASSES else ''}"


def _resolve(order: Order, start: Checkpoint | None) -> Recipe:
    """The recipe without ``auto``, and with what ``start``'s weights expect."""
    precision = choose_precision(order.recipe.precision, order.devices[0])
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
        say(order.processes, f"from {order.start}: {in_words(recipe, start, classes)}")
    if len(order.devices) > 1:
        say(order.processes, _placement(dialect, order.devices))
    return Learner(
        recipe,
        len(classes),
        tensors=tensors,
        mean=mean,
        devices=order.devices,
        processes=order.processes,
        precision=choose_precision(recipe.precision, order.devices[0]),
    )


def _placement(dialect: Dialect, devices: Sequence[torch.device]) -> str:
    """Which tower is where, and what they send each other; raises DeviceError."""
    if len(devices) != dialect.towers:
        raise DeviceError(
            f"--device names {len(devices)} devices, and {dialect.name} has {dialect.towers} towers"
        )
    towers = ", ".join(f"tower {tower} on {device}" for tower, device in enumerate(devices))
    counts = exchanged_numbers(dialect)
    read = ", ".join(f"{layer} {count:,}" for layer, count in counts.items())
    total = sum(counts.values())
    return f"{towers}; numbers a photo that cross: {total:,} forward ({read}), as many back"
