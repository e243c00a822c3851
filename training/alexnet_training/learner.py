"""A network with its optimizer on one device: a batch in, a better network out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from alexnet_export.layers import DIALECTS
from alexnet_training.augmentation import colour_axes, cut, draw, network_input
from alexnet_training.cache import Decoded
from alexnet_training.device import ResolvedPrecision, computing
from alexnet_training.evaluation import Lens
from alexnet_training.fine_tuning import kept_layers
from alexnet_training.network import Tensors, TwoTowers, layer_of, load_tensors, take_tensors
from alexnet_training.recipe import Recipe
from alexnet_training.update import PaperUpdate


class Learner:
    """The network that a recipe trains.

    ``tensors``: first weights and biases; ``mean``: float32 [256, 256, 3]; ``covariance``:
    float64 [3, 3] of the training pixels' colours.
    """

    def __init__(
        self,
        recipe: Recipe,
        classes: int,
        *,
        tensors: Tensors,
        mean: npt.NDArray[np.float32],
        covariance: npt.NDArray[np.float64],
        device: torch.device,
        precision: ResolvedPrecision,
    ) -> None:
        dialect = DIALECTS[recipe.dialect]
        self.recipe, self.mean = recipe, mean
        self.axes = colour_axes(covariance)
        self.network = TwoTowers(dialect, classes, recipe.dropout)
        load_tensors(self.network, tensors)
        self.network.keep(kept_layers(recipe))
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = make_optimizer(recipe, self.network)
        first = (mean.shape[0] - dialect.image_side) // 2
        last = first + dialect.image_side
        centre = torch.from_numpy(mean[first:last, first:last].copy()).to(device)
        self.lens = Lens(centre, recipe.scale, device, precision)

    def step(
        self,
        photos: Decoded,
        rows: npt.NDArray[np.int64],
        rate: float,
        chance: np.random.Generator,
    ) -> float:
        """Learn from ``photos`` at ``rows``; gives their mean loss before the update."""
        recipe, lens = self.recipe, self.lens
        drawn = draw(recipe, self.axes, len(rows), chance)
        crops = cut(photos.pixels, rows, drawn)  # [n, side, side, 3]
        images = network_input(crops, lens.mean, lens.scale, drawn.noise)  # [n, 3, side, side]
        labels = torch.from_numpy(photos.labels[rows]).to(lens.device)
        with computing(lens.device, lens.precision):
            logits = self.network(images).logits
        loss = functional.cross_entropy(
            logits.float(), labels, label_smoothing=recipe.label_smoothing
        )
        torch.autograd.backward(loss)
        if recipe.clip:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip, foreach=True)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("rate_share", 1.0)  # none in runs begun before it
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

    Biases are not decayed (the authors' layers-145.cfg); layers below the classifier learn at
    ``below_rate`` of the rate.
    """
    classifier, learned = network.dialect.classifier, list[tuple[str, nn.Parameter]]()
    for name, part in network.named_parameters():
        if part.requires_grad:
            learned.append((name, part))
    groups = []
    for kind, decay in (("weight", recipe.weight_decay), ("bias", 0.0)):
        parts = [(name, part) for name, part in learned if name.endswith(kind)]
        shares = dict.fromkeys([1.0, recipe.below_rate])  # one, where both are the same
        for share in shares:
            own = [
                part
                for name, part in parts
                if share == (1.0 if layer_of(name) == classifier else recipe.below_rate)
            ]
            groups.append({"params": own, "weight_decay": decay, "rate_share": share})
    groups = [group for group in groups if group["params"]]
    if recipe.update == "paper":
        return PaperUpdate(groups, lr=recipe.learning_rate, momentum=recipe.momentum)
    return torch.optim.AdamW(
        groups,
        lr=recipe.learning_rate,
        betas=(recipe.momentum, recipe.second_moment),
        fused=True,
    )
