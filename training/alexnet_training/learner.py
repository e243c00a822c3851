"""A network with its optimizer on one device: a batch in, a better network out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from alexnet_export.dialects import DIALECTS
from alexnet_training.contrast import contrast
from alexnet_training.device import ResolvedPrecision, computing
from alexnet_training.evaluation.answers import Lens
from alexnet_training.fine_tuning import kept_layers
from alexnet_training.network.two_towers import (
    Answer,
    Tensors,
    TwoTowers,
    layer_of,
    load_tensors,
    take_tensors,
)
from alexnet_training.photos.augmentation import network_input
from alexnet_training.photos.batches import Batch
from alexnet_training.photos.mixing import mixed, mixed_loss
from alexnet_training.processes import ALONE, Processes
from alexnet_training.recipe import Recipe
from alexnet_training.schedule import group_rate
from alexnet_training.update import PaperUpdate


class Learner:
    """The network that a recipe trains.

    ``tensors``: first weights and biases; ``mean``: float32 [256, 256, 3];
    ``devices``: one, or one a tower.
    """

    def __init__(
        self,
        recipe: Recipe,
        classes: int,
        *,
        tensors: Tensors,
        mean: npt.NDArray[np.float32],
        devices: Sequence[torch.device],
        precision: ResolvedPrecision,
        processes: Processes = ALONE,
    ) -> None:
        dialect = DIALECTS[recipe.dialect]
        self.recipe, self.mean = recipe, mean
        self.network = TwoTowers(dialect, classes, recipe.dropout, batch_norm=recipe.batch_norm)
        load_tensors(self.network, tensors)
        self.network.keep(kept_layers(recipe))
        self.network.place(devices)
        self._processes = processes
        self._together = self._processes.together(self.network)
        self.optimizer = make_optimizer(recipe, self.network)
        first = (mean.shape[0] - dialect.image_side) // 2
        last = first + dialect.image_side
        device = devices[0]
        centre = torch.from_numpy(mean[first:last, first:last].copy()).to(device)
        self.lens = Lens(centre, recipe.scale, device, precision)

    def step(self, batch: Batch, rate: float) -> float:
        """Learn from a batch at ``rate``; gives the mean loss of ``batch`` before the update."""
        recipe, lens = self.recipe, self.lens
        images = network_input(
            batch.crops, lens.mean, lens.scale, batch.drawn
        )  # [n, 3, side, side]
        labels = torch.from_numpy(batch.labels).to(lens.device)
        with computing(lens.device, lens.precision):
            answer: Answer = self._together(mixed(images, batch.mix))
        loss = mixed_loss(answer.logits.float(), labels, batch.mix, recipe.label_smoothing)
        if recipe.contrast and batch.mix is None:  # a mixed photo is of no one class
            loss = loss + recipe.contrast * contrast(answer.features.float(), labels)
        # The mean over processes of their means is that of the batch, if each counts by its photos.
        torch.autograd.backward(loss * batch.share * self._processes.count)
        if recipe.clip:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip, foreach=True)
        for group in self.optimizer.param_groups:
            is_bias, is_first = group.get("is_bias", False), group.get("is_first", False)
            own = group_rate(recipe, rate, batch.done, is_bias=is_bias, is_first=is_first)
            group["lr"] = own * group.get("rate_share", 1.0)  # none in runs begun before it
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    def tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        """What a checkpoint holds: every layer's weights and biases, and the mean image."""
        taken = {name: tensor.numpy() for name, tensor in take_tensors(self.network).items()}
        return {**taken, "mean": self.mean}

    def state(self) -> dict[str, Any]:
        """Everything that a later ``restore`` needs to go on as if nothing had happened."""
        return {
            "weights": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a former ``state`` of the same recipe and classes."""
        self.network.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])


def make_optimizer(recipe: Recipe, network: TwoTowers) -> torch.optim.Optimizer:
    """The recipe's update rule for what is learned.

    Biases are not decayed (the authors' layers-145.cfg), nor batch normalization's factors; layers
    below the classifier learn at ``below_rate`` of the rate.
    """
    groups = _groups(recipe, network)
    if recipe.update == "paper":
        return PaperUpdate(groups, lr=recipe.learning_rate, momentum=recipe.momentum)
    return torch.optim.AdamW(
        groups,
        lr=recipe.learning_rate,
        betas=(recipe.momentum, recipe.second_moment),
        fused=True,
    )


def _groups(recipe: Recipe, network: TwoTowers) -> list[dict[str, Any]]:
    """Parameters that share a rate and a decay, weights first."""
    dialect = network.dialect
    groups: dict[tuple[bool, float, bool], dict[str, Any]] = {}
    for name, part in network.named_parameters():
        if not part.requires_grad:
            continue
        layer, is_bias = layer_of(name), not name.endswith("weight")
        share = 1.0 if layer == dialect.classifier else recipe.below_rate
        is_first = recipe.schedule == "source" and layer == dialect.layer_names[0]
        group = groups.setdefault(
            (is_bias, -share, is_first),
            {
                "params": [],
                "weight_decay": 0.0 if is_bias else recipe.weight_decay,
                "rate_share": share,
                "is_bias": is_bias,
                "is_first": is_first,
            },
        )
        group["params"].append(part)
    return [groups[key] for key in sorted(groups)]
