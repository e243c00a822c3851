"""What a network still knows at each step on its way into a small file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from alexnet_export.checkpoint import Checkpoint
from alexnet_repository.golden import cosines
from alexnet_training.evaluation.answers import Answers, network_of, predict
from alexnet_training.evaluation.scores import scores
from alexnet_training.photos.cache import Decoded


@dataclass(frozen=True)
class Step:
    """A file that could be written after ``epoch`` (0: before the first), and its figures.

    ``density``: the share of its weights that the first hidden layer keeps.  Shares are of the
    validation photos; ``map_l2`` and ``map_cosine`` are mean average precisions of the features;
    ``features_cosine`` is the mean with the original's.
    """

    epoch: int
    bytes: int
    density: float
    top1: float
    top5: float
    map_l2: float | None
    map_cosine: float | None
    features_cosine: float
    top1_agreement: float

    def as_json(self) -> dict[str, Any]:
        """For a report."""
        return asdict(self)

    def __str__(self) -> str:
        found = f", mAP {self.map_l2:.3f}" if self.map_l2 is not None else ""
        return (
            f"{self.bytes:,} bytes, density {self.density:.1%}: top-1 {self.top1:.2%}, "
            f"top-5 {self.top5:.2%}{found}, cosine with the original's features "
            f"{self.features_cosine:.4f}"
        )


class Yardstick:
    """The validation photos, and what the original answers to them, in fp32."""

    def __init__(
        self,
        original: Checkpoint,
        validation: Decoded,
        device: torch.device,
        between: Callable[[], None],
    ) -> None:
        self._validation, self._device, self._between = validation, device, between
        self._classes = original.classes
        self.original = self.answers(original)

    def answers(self, checkpoint: Checkpoint) -> Answers:
        """What a network answers to the validation photos."""
        network, lens = network_of(checkpoint, self._device, "fp32")
        return predict(network, self._validation.pixels, lens, between=self._between)

    def step(self, checkpoint: Checkpoint, *, epoch: int, size: int, density: float) -> Step:
        """The figures of ``checkpoint``, which takes ``size`` bytes."""
        return self.measured(self.answers(checkpoint), epoch=epoch, size=size, density=density)

    def measured(self, answers: Answers, *, epoch: int, size: int, density: float) -> Step:
        """The same of what a network answered."""
        labels, names = self._validation.labels, self._validation.names
        found = scores(answers, labels, names, self._classes).summary()
        precisions = found["mean_average_precision"]
        same = answers.probabilities.argmax(axis=1) == self.original.probabilities.argmax(axis=1)
        return Step(
            epoch=epoch,
            bytes=size,
            density=density,
            top1=found["top1"],
            top5=found["top5"],
            map_l2=precisions.get("l2"),
            map_cosine=precisions.get("cosine"),
            features_cosine=float(np.mean(cosines(answers.features, self.original.features))),
            top1_agreement=float(same.mean()),
        )
