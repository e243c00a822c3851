"""Our training on the same photos: the steps of ``alexnet-train fit``."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from alexnet_export.dialects import DIALECTS
from alexnet_training.device import ResolvedPrecision
from alexnet_training.learner import Learner
from alexnet_training.network.initialization import initial_tensors
from alexnet_training.photos.augmentation import colour_axes
from alexnet_training.photos.batches import Batch, Epoch
from alexnet_training.photos.folders import find_photos
from alexnet_training.photos.material import Material, gather
from alexnet_training.presets import PRESETS
from alexnet_training.recipe import Recipe


def material_of(data: Path, cache: Path) -> Material:
    """The photos of ``data``, decoded below ``cache``."""
    return gather(find_photos(data), cache)


def endless(material: Material, recipe: Recipe, device: torch.device) -> Iterator[Batch]:
    """Full batches of one epoch after the other."""
    axes = colour_axes(material.statistics.covariance)
    for number in itertools.count():
        for batch in Epoch(recipe, axes, material.training, number).batches(device):
            if len(batch.labels) == recipe.batch_size:
                yield batch


def our_step(
    material: Material,
    preset: str,
    batch_size: int,
    device: torch.device,
    precision: ResolvedPrecision,
) -> Callable[[], object]:
    """A call that learns from the next batch, without end."""
    recipe = replace(PRESETS[preset], batch_size=batch_size, precision=precision)
    classes = len(material.classes)
    learner = Learner(
        recipe,
        classes,
        tensors=initial_tensors(DIALECTS[recipe.dialect], classes, recipe.initialization, 0),
        mean=material.statistics.mean,
        devices=[device],
        precision=precision,
    )
    learner.network.train()
    batches = endless(material, recipe, device)
    return lambda: learner.step(next(batches), 1e-4)


def made_a_second(
    material: Material, preset: str, batch_size: int, device: torch.device, count: int = 20
) -> float:
    """Photos a second of batches that nobody learns from, after the first that were made ahead."""
    batches = endless(material, replace(PRESETS[preset], batch_size=batch_size), device)
    for _ in range(3):
        next(batches)
    began = time.perf_counter()
    for _ in range(count):
        next(batches)
    return count * batch_size / (time.perf_counter() - began)
