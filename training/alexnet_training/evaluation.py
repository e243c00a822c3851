"""How often a network's first, or one of its first five, answers is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from alexnet_training.augmentation import network_input
from alexnet_training.cache import decode_photos
from alexnet_training.device import ResolvedPrecision, computing
from alexnet_training.folders import find_labelled
from alexnet_training.network import TwoTowers, load_tensors

_VIEWS_TOGETHER = 64


@dataclass(frozen=True)
class Accuracy:
    """Shares of ``n`` photos, 0..1, whose class is the first answer, or among the first five."""

    top1: float
    top5: float
    n: int


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
) -> npt.NDArray[np.float32]:
    """Probabilities, float32 [n, classes], averaged over the views (section 4.1), no dropout.

    ``pixels``: uint8 [n, 256, 256, 3].  ``between`` is called between batches, may raise to stop.
    """
    was_training = network.training
    network.eval()
    found = []
    for together in _view_batches(pixels, view_count, lens.mean.shape[0]):
        between()
        answers = _probabilities(network, together, lens)  # [photos * views, classes]
        found.append(answers.reshape(-1, view_count, network.classes).mean(axis=1))
    network.train(was_training)
    return np.concatenate(found)


def _view_batches(pixels: Pixels, view_count: int, side: int) -> Iterator[Pixels]:
    photos = max(1, _VIEWS_TOGETHER // view_count)
    starts = range(0, len(pixels), photos)
    for start in tqdm(starts, desc="validate", unit="batch", disable=None, leave=False):
        together = [views(photo, view_count, side) for photo in pixels[start : start + photos]]
        yield np.concatenate(together)  # [photos * views, side, side, 3]


@torch.inference_mode()
def _probabilities(network: TwoTowers, crops: Pixels, lens: Lens) -> npt.NDArray[np.float32]:
    images = network_input(crops, lens.mean, lens.scale)
    with computing(lens.device, lens.precision):
        logits = network(images).logits
    answer: npt.NDArray[np.float32] = logits.float().softmax(dim=1).cpu().numpy()
    return answer


def accuracy(probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Accuracy:
    """Score probabilities [n, classes] against class numbers [n]; ties go to the lower number."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    right = best == labels[:, None]  # [n, 5]
    return Accuracy(float(right[:, 0].mean()), float(right.any(axis=1).mean()), len(labels))


def evaluate(
    checkpoint: Checkpoint,
    data: Path,
    device: torch.device,
    precision: ResolvedPrecision,
    *,
    view_count: int = 1,
    strict: bool = False,
    between: Callable[[], None] = lambda: None,
) -> tuple[Accuracy, tuple[str, ...]]:
    """Accuracy on ``data/validation/<class>/*`` or ``data/<class>/*``, and the skipped photos.

    Raises DataError for the folder, NoSpace where the decoded photos do not fit the temporary
    folder.
    """
    photos = find_labelled(data, checkpoint.classes)
    network = TwoTowers(checkpoint.dialect, len(checkpoint.classes))
    load_tensors(network, {name: torch.from_numpy(t) for name, t in checkpoint.tensors.items()})
    network.place([device])
    lens = Lens(torch.from_numpy(checkpoint.mean).to(device), checkpoint.scale, device, precision)
    with TemporaryDirectory(prefix="alexnet-evaluate-") as folder:
        decoded = decode_photos(
            photos, checkpoint.classes, Path(folder) / "photos", strict=strict, between=between
        )
        found = predict(network, decoded.pixels, lens, view_count, between)
    return accuracy(found, decoded.labels), decoded.skipped
