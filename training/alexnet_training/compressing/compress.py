"""A run -> one small file: prune, learn from what it was, share values, learn again, code.

Deep Compression (Han et al. 2016), with the original as the teacher.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from alexnet_export.checkpoint import Checkpoint, Compression, compressed_bytes
from alexnet_export.shared_values import SharedValues
from alexnet_training.compressing.budget import density_within, share_all
from alexnet_training.compressing.codebooks import means
from alexnet_training.compressing.distillation import Student
from alexnet_training.compressing.int8 import int8_of
from alexnet_training.compressing.pruning import ALL, Masks, densities, density_at, masks
from alexnet_training.compressing.tradeoff import Step, Yardstick
from alexnet_training.device import choose_precision
from alexnet_training.epochs import say
from alexnet_training.errors import DivergedError
from alexnet_training.evaluation.answers import Lens
from alexnet_training.photos.augmentation import colour_axes
from alexnet_training.photos.batches import Epoch
from alexnet_training.photos.material import Material
from alexnet_training.presets import PRESETS
from alexnet_training.processes import ALONE
from alexnet_training.recipe import Recipe
from alexnet_training.schedule import learning_rate

# What is learned by: the crops, colours and pieces of the preset modern, at a tenth of its rate.
RECIPE = replace(
    PRESETS["modern"],
    epochs=8,
    learning_rate=1e-4,
    weight_decay=0.0,
    batch_norm=False,
    contrast=0.0,
    label_smoothing=0.0,
)
# Shares of the epochs: pruning goes on before those of the first, values are shared in the last.
_PRUNED, _SHARED = 0.5, 0.25
_BYTES_OF_FP32 = 4

Tensors = dict[str, npt.NDArray[np.float32]]
Shared = dict[str, SharedValues]


@dataclass(frozen=True)
class Compressed:
    """The bytes of a file, and the figures of every step: the original's first, its own last."""

    content: bytes
    steps: tuple[Step, ...]


@dataclass
class Compressing:
    """A network on its way: ``kept`` may be in a file, ``shared`` is what it would hold now."""

    original: Checkpoint
    recipe: Recipe
    student: Student
    kept: Masks
    shared: Shared
    density: float = ALL

    def prune(self, density: float) -> None:
        """Let only the largest weights stay, of those that are left."""
        self.density = density
        self.kept = masks(self.tensors(), densities(self.original.dialect, density))
        self.student.prune(self.kept)

    def share(self, density: float) -> None:
        """Share values from now on; at ``density`` the file fits."""
        if density < self.density:
            self.prune(density)
        self.shared = share_all(self.original, self.kept, self.tensors())
        self.student.share(self.shared)

    def code(self, *, is_shared: bool) -> None:
        """Bring ``shared`` up to what was learned."""
        tensors = self.tensors()
        if is_shared:  # places keep their index, values have learned
            self.shared |= {
                name: _with_values_of(self.shared[name], tensors[name])
                for name in tensors.keys() & self.shared.keys()
            }
        else:
            self.shared = share_all(self.original, self.kept, tensors)

    def tensors(self) -> Tensors:
        """The weights and biases as they are learned."""
        return {name: tensor.numpy() for name, tensor in self.student.tensors().items()}

    def checkpoint(self) -> Checkpoint:
        """What reading the file would give."""
        dense = {name: one.dense() for name, one in self.shared.items()}
        return replace(self.original, tensors={**self.tensors(), **dense})


def compress(
    loaded: tuple[Checkpoint, str],
    material: Material,
    max_bytes: int,
    recipe: Recipe,
    *,
    device: torch.device,
    between: Callable[[], None] = lambda: None,
) -> Compressed:
    """The network of ``loaded``, a checkpoint and its sha256, in at most ``max_bytes``.

    It learns from ``material``'s training half and is measured on the other.  ``between`` is called
    between batches and may raise to stop.  Raises BudgetError and DivergedError.
    """
    original, digest = loaded
    recipe = replace(recipe, dialect=original.dialect.name, scale=original.scale)
    yardstick = Yardstick(original, material.validation, device, between)
    size = _BYTES_OF_FP32 * sum(tensor.size for tensor in original.tensors.values())
    steps = [yardstick.measured(yardstick.original, epoch=0, size=size, density=ALL)]
    say(ALONE, f"original: {steps[0]}")
    least = density_within(original, original.tensors, max_bytes, between)
    going = _begin(original, recipe, device)
    prunings = max(1, math.floor(_PRUNED * recipe.epochs))
    sharing = max(prunings, recipe.epochs - max(1, math.floor(_SHARED * recipe.epochs)))
    for number in range(recipe.epochs):
        if number < prunings:
            going.prune(density_at(least, number + 1, prunings))
        if number == sharing:
            going.share(density_within(original, going.tensors(), max_bytes, between))
        _learn(going, material, number, between)
        going.code(is_shared=number >= sharing)
        found = going.checkpoint()
        size = len(compressed_bytes(found, going.shared))
        steps.append(yardstick.step(found, epoch=number + 1, size=size, density=going.density))
        say(ALONE, f"epoch {number + 1}/{recipe.epochs}: {steps[-1]}")
    content = _content(going, digest, steps, material)
    return Compressed(content, (*steps[:-1], replace(steps[-1], bytes=len(content))))


def _begin(original: Checkpoint, recipe: Recipe, device: torch.device) -> Compressing:
    """The student is the original, but for the mean image, which it sees as the file has it."""
    whole = masks(original.tensors, dict.fromkeys(original.dialect.layer_names, ALL))
    shared = share_all(original, whole, original.tensors)
    mean = replace(original, tensors={"mean": shared["mean"].dense()}).mean
    lens = Lens(
        torch.from_numpy(mean.copy()).to(device),
        original.scale,
        device,
        choose_precision(recipe.precision, device),
    )
    return Compressing(original, recipe, Student(original, recipe, lens), whole, shared)


def _learn(
    going: Compressing, material: Material, number: int, between: Callable[[], None]
) -> None:
    """One pass over the training photos."""
    recipe, axes = going.recipe, colour_axes(material.statistics.covariance)
    epoch = Epoch(recipe, axes, material.training, number)
    total = recipe.epochs * epoch.steps
    going.student.network.train()
    with (
        closing(epoch.batches(going.student.lens.device)) as batches,
        tqdm(total=len(material.training.labels), unit="photo", disable=None, leave=False) as bar,
    ):
        bar.set_description(f"epoch {number + 1}/{recipe.epochs}")
        for step, batch in enumerate(batches, start=number * epoch.steps):
            between()
            loss = going.student.step(batch, learning_rate(recipe, step, total, ()))
            if not math.isfinite(loss):
                lower = f"--learning-rate {recipe.learning_rate / 3:.2g}"
                raise DivergedError(f"the distance is {loss} in step {step + 1}: try {lower}")
            bar.set_postfix(distance=f"{loss:.3f}", refresh=False)
            bar.update(batch.size)


def _with_values_of(shared: SharedValues, tensor: npt.NDArray[np.float32]) -> SharedValues:
    flat = tensor.ravel()
    values = flat if shared.places is None else flat[shared.places]
    return replace(shared, codebook=means(values, shared.indices, shared.codebook))


def _content(going: Compressing, digest: str, steps: list[Step], material: Material) -> bytes:
    """The file, with what int8 needs."""
    found = going.checkpoint()
    calibration, loss = int8_of(found, material)
    first, last = steps[0], steps[-1]
    compression = Compression(
        original={"sha256": digest, **first.as_json()},
        metrics={"top1": last.top1, "top5": last.top5, "n": len(material.validation.labels)},
        calibration=calibration,
        loss=loss,
    )
    return compressed_bytes(replace(found, compression=compression), going.shared)
