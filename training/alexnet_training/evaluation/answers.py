"""What a network answers to photos whose class is known, and how often it is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from alexnet_export.checkpoint import Checkpoint
from alexnet_pixels.square import Pixels
from alexnet_pixels.views import views
from alexnet_training.device import ResolvedPrecision, computing
from alexnet_training.network.two_towers import TwoTowers, load_tensors
from alexnet_training.photos.augmentation import network_input
from alexnet_training.photos.cache import Decoded
from alexnet_training.photos.folders import find_labelled
from alexnet_training.photos.preparation import decode_photos

_VIEWS_TOGETHER = 64


@dataclass(frozen=True)
class Accuracy:
    """Shares of ``n`` photos, 0..1, whose class is the first answer, or among the first five."""

    top1: float
    top5: float
    n: int


@dataclass(frozen=True)
class Answers:
    """``probabilities``: float32 [n, classes]; ``features``: float32 [n, 4096]; no dropout."""

    probabilities: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Lens:
    """How pixels become the network's input and where it runs.

    ``mean``: float32 [side, side, 3] on ``device``; views have its side.
    """

    mean: Tensor
    scale: float
    device: torch.device
    precision: ResolvedPrecision


def predict(
    network: TwoTowers,
    pixels: Pixels,
    lens: Lens,
    view_count: int = 1,
    between: Callable[[], None] = lambda: None,
) -> Answers:
    """What the network says, averaged over the views (section 4.1).

    ``pixels``: uint8 [n, 256, 256, 3].  ``between`` is called between batches, may raise to stop.
    """
    was_training = network.training
    network.eval()
    probabilities: list[npt.NDArray[np.float32]] = []
    features: list[npt.NDArray[np.float32]] = []
    for together in _view_batches(pixels, view_count, lens.mean.shape[0]):
        between()
        for every, answer in zip(
            (probabilities, features), _answers(network, together, lens), strict=True
        ):
            # [photos * views, numbers] -> [photos, numbers]
            every.append(answer.reshape(-1, view_count, answer.shape[1]).mean(axis=1))
    network.train(was_training)
    return Answers(np.concatenate(probabilities), np.concatenate(features))


def _view_batches(pixels: Pixels, view_count: int, side: int) -> Iterator[Pixels]:
    photos = max(1, _VIEWS_TOGETHER // view_count)
    starts = range(0, len(pixels), photos)
    for start in tqdm(starts, desc="validate", unit="batch", disable=None, leave=False):
        together = [views(photo, view_count, side) for photo in pixels[start : start + photos]]
        yield np.concatenate(together)  # [photos * views, side, side, 3]


@torch.inference_mode()
def _answers(
    network: TwoTowers, crops: Pixels, lens: Lens
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    images = network_input(crops, lens.mean, lens.scale)
    with computing(lens.device, lens.precision):
        answer = network(images)
    probabilities = answer.logits.float().softmax(dim=1)
    return probabilities.cpu().numpy(), answer.features.float().cpu().numpy()


def accuracy(probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Accuracy:
    """Score probabilities [n, classes] against class numbers [n]; ties go to the lower number."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    right = best == labels[:, None]  # [n, 5]
    return Accuracy(float(right[:, 0].mean()), float(right.any(axis=1).mean()), len(labels))


def network_of(
    checkpoint: Checkpoint, device: torch.device, precision: ResolvedPrecision
) -> tuple[TwoTowers, Lens]:
    """The network of a checkpoint on ``device``, and what it sees through."""
    network = TwoTowers(checkpoint.dialect, len(checkpoint.classes))
    load_tensors(network, {name: torch.from_numpy(t) for name, t in checkpoint.tensors.items()})
    network.place([device])
    mean = torch.from_numpy(checkpoint.mean).to(device)
    return network, Lens(mean, checkpoint.scale, device, precision)


@contextmanager
def labelled_photos(
    data: Path,
    classes: tuple[str, ...],
    *,
    strict: bool = False,
    between: Callable[[], None] = lambda: None,
) -> Iterator[Decoded]:
    """The photos of ``data/validation/<class>/*`` or ``data/<class>/*``, decoded for a while.

    Raises DataError for the folder, NoSpace where they do not fit the temporary folder.
    """
    photos = find_labelled(data, classes)
    with TemporaryDirectory(prefix="alexnet-evaluate-") as folder:
        place = Path(folder) / "photos"
        yield decode_photos(photos, classes, place, strict=strict, between=between)
