"""Binary codes from an autoencoder, as section 6.1 of the paper has it.

4096 -> 1024 -> ``bits`` -> 1024 -> 4096.  The section names Krizhevsky and Hinton, "Using Very Deep
Autoencoders for Content-Based Image Retrieval" (2011), whose longer codes have 256 bits.  The code
is learned as there and in its semantic hashing: noise on what the code units read drives them into
saturation, and the way down reads them rounded, as if rounding had a slope.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from alexnet_training.codes.graph import Encoder, Layer, Values, in_metric
from alexnet_training.errors import DivergedError

_HIDDEN = 1024
_BATCH = 128
_RATE = 1e-3
_NOISE = 0.3  # of the code units' own standard deviation


class _Autoencoder(nn.Module):
    """Down to the code and up from it; the code units' sums are kept at mean 0, deviation 1.

    Without that a unit may be on for every picture, and its bit says nothing.
    ``mean`` float32 [units] is taken off the features, which are then divided by ``scale``.
    """

    def __init__(self, mean: Tensor, scale: float, bits: int) -> None:
        super().__init__()
        self.mean, self.scale = mean, scale
        self.hidden = nn.Linear(len(mean), _HIDDEN)
        self.code = nn.Linear(_HIDDEN, bits, bias=False)
        self.balance = nn.BatchNorm1d(bits, affine=False)
        self.up = nn.Sequential(nn.Linear(bits, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, len(mean)))

    def forward(self, features: Tensor) -> Tensor:
        """The loss: the mean square of what the code forgets of features [n, units]."""
        wanted = (features - self.mean) / self.scale
        sums = self.balance(self.code(torch.relu(self.hidden(wanted))))  # [n, bits]
        soft = torch.tanh(sums + _NOISE * torch.randn_like(sums))
        rounded = torch.where(soft > 0, 1.0, -1.0)
        return functional.mse_loss(self.up(soft + (rounded - soft).detach()), wanted)


def learn_autoencoder(
    features: Values,
    bits: int,
    metric: str,
    *,
    epochs: int = 40,
    seed: int = 0,
    device: torch.device | None = None,
    between: Callable[[], None] = lambda: None,
) -> Encoder:
    """``features`` float32 [n, units], 2 or more -> an encoder of two layers.

    ``between`` is called between batches and may raise to stop.  Raises DivergedError.
    """
    device = device or torch.device("cpu")
    features = in_metric(features, metric)
    mean = features.mean(axis=0)
    scale = float((features - mean).std())
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        network = _Autoencoder(torch.from_numpy(mean).to(device), scale, bits).to(device)
        chance = np.random.default_rng(seed)
        _train(network, torch.from_numpy(features), epochs, chance, between)
    return Encoder("autoencoder", metric, _layers(network))


def _train(
    network: _Autoencoder,
    features: Tensor,
    epochs: int,
    chance: np.random.Generator,
    between: Callable[[], None],
) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=_RATE)
    batches = max(1, len(features) // _BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * batches)
    with tqdm(total=epochs * batches, desc="codes", unit="batch", disable=None) as progress:
        for _epoch in range(epochs):
            order = torch.from_numpy(chance.permutation(len(features)))
            for start in range(0, batches * _BATCH, _BATCH):
                rows = order[start : start + _BATCH]
                between()
                loss = network(features[rows].to(network.mean.device))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
                progress.update()
            if not math.isfinite(loss.item()):
                raise DivergedError(
                    f"the loss is {loss.item()}: are the features of all pictures the same?"
                )


@torch.no_grad()
def _layers(network: _Autoencoder) -> tuple[Layer, ...]:
    """The way down as two layers on plain features: mean, scale and balance folded into them."""
    hidden = network.hidden.weight / network.scale
    shift = network.hidden.bias - hidden @ network.mean
    state = network.balance.state_dict()
    spread = torch.sqrt(state["running_var"] + network.balance.eps)
    code = network.code.weight / spread[:, None]
    return _layer(hidden, shift), _layer(code, -state["running_mean"] / spread)


def _layer(weight: Tensor, bias: Tensor) -> Layer:
    return Layer(weight.cpu().numpy(), bias.cpu().numpy())
