"""A network that learns to answer as another does, while its weights are pruned or shared."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from alexnet_export.checkpoint import Checkpoint
from alexnet_export.shared_values import SharedValues
from alexnet_training.compressing.pruning import Masks
from alexnet_training.compressing.sharing import Together
from alexnet_training.device import computing
from alexnet_training.evaluation.answers import Lens, network_of
from alexnet_training.learner import make_optimizer
from alexnet_training.network.two_towers import Answer, Tensors, load_tensors, owners, take_tensors
from alexnet_training.photos.augmentation import network_input
from alexnet_training.photos.batches import Batch
from alexnet_training.photos.mixing import mixed
from alexnet_training.recipe import Recipe


class Student:
    """The network of ``original`` that learns from it, through ``lens``, on its device.

    No label is read: what the original says of a photo, or of one with a piece of another, tells
    more than its class (Hinton et al. 2015).
    """

    def __init__(self, original: Checkpoint, recipe: Recipe, lens: Lens) -> None:
        self.recipe, self.lens = recipe, lens
        self.network, _ = network_of(original, lens.device, lens.precision)
        self._teacher, self._teacher_lens = network_of(original, lens.device, lens.precision)
        self.network.dropout = 0.0  # noise in what is compared with the original's features
        self._optimizer = make_optimizer(recipe, self.network)
        self._masks: dict[nn.Parameter, Tensor] = {}
        self._together: list[Together] = []
        self._teacher.eval()

    def prune(self, masks: Masks) -> None:
        """From now on only the weights that ``masks`` has by their layer are not zero."""
        self._masks = {}
        for layer, parts in owners(self.network).items():
            rows = torch.from_numpy(masks[layer]).chunk(len(parts))
            for part, mask in zip(parts, rows, strict=True):
                self._masks[part.get_parameter("weight")] = mask.to(self.lens.device)
        self._apply_masks()

    def share(self, shared: Mapping[str, SharedValues]) -> None:
        """From now on weights of one index stay equal, by name as in a checkpoint."""
        dense = {
            name: torch.from_numpy(shared[name].dense()) if name in shared else tensor
            for name, tensor in take_tensors(self.network).items()
        }
        load_tensors(self.network, dense)
        self._masks = {}
        self._together = [
            Together.of(shared[f"{layer}.weight"], [part.get_parameter("weight") for part in parts])
            for layer, parts in owners(self.network).items()
        ]
        # Weights that begin equal, with a past and gradients that are, stay so.
        self._optimizer = make_optimizer(self.recipe, self.network)

    def step(self, batch: Batch, rate: float) -> float:
        """Learn from a batch at ``rate``; gives how far the answers were from the original's."""
        device, precision = self.lens.device, self.lens.precision
        wanted = self._answer_of_the_original(batch)
        images = network_input(batch.crops, self.lens.mean, self.lens.scale, batch.drawn)
        with computing(device, precision):
            given: Answer = self.network(mixed(images, batch.mix))
        loss = distance(given, wanted)
        torch.autograd.backward(loss)
        for layer in self._together:
            layer.average_gradients()
        if self.recipe.clip:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._apply_masks()
        return float(loss.detach())

    def tensors(self) -> Tensors:
        """Weights and biases as a checkpoint has them."""
        return take_tensors(self.network)

    @torch.inference_mode()
    def _answer_of_the_original(self, batch: Batch) -> Answer:
        lens = self._teacher_lens
        images = network_input(batch.crops, lens.mean, lens.scale, batch.drawn)
        with computing(lens.device, lens.precision):
            answer: Answer = self._teacher(mixed(images, batch.mix))
        return answer

    @torch.no_grad()
    def _apply_masks(self) -> None:
        for weight, mask in self._masks.items():
            weight.mul_(mask)


def distance(given: Answer, wanted: Answer) -> Tensor:
    """How far an answer is from another: of classes, in nats, and of features, as a share.

    The divergence of the probabilities [n, classes], and the squared error of the features
    [n, units] over the square of those wanted.
    """
    logs = functional.log_softmax(given.logits.float(), dim=1)
    classes = functional.kl_div(
        logs,
        functional.log_softmax(wanted.logits.float(), dim=1),
        log_target=True,
        reduction="batchmean",
    )
    error = (given.features.float() - wanted.features.float()).square().sum(dim=1)
    size = wanted.features.float().square().sum(dim=1).clamp_min(1e-6)
    return classes + (error / size).mean()
