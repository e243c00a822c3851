"""What goes from one tower to the other: the only traffic between two devices (figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from alexnet_export.layers import Dialect, shapes


def both(parts: Sequence[Tensor], devices: Sequence[torch.device]) -> list[Tensor]:
    """What each tower reads of all: ``parts`` [N, C / towers, ...] -> [N, C, ...], one a tower.

    Each lies on the device of its reader.  Where towers share one, they share the tensor too.
    """
    read = {
        device: torch.cat([part.to(device, non_blocking=True) for part in parts], dim=1)
        for device in dict.fromkeys(devices)
    }
    return [read[device] for device in devices]


def exchanged_numbers(dialect: Dialect) -> dict[str, int]:
    """How many numbers of a picture leave their device in a forward pass, by the layer that reads.

    With a tower a device; as many go back as gradients.  A norm that reaches both towers sends all
    of its maps here.
    """
    rows = {shape.name: shape for shape in shapes(dialect, classes=1)}
    others = dialect.towers - 1
    counts: dict[str, int] = {}
    below = ""
    for layer in dialect.convolutions:
        if below and layer.connection == "full":
            counts[layer.name] = prod(rows[below].output) * others
        if layer.norm is not None and layer.norm.reach == "both":
            counts[f"{layer.name}'s norm"] = prod(rows[layer.name].activation) * others
        below = layer.name
    for hidden in dialect.fully_connected:
        if hidden.connection == "full":
            counts[hidden.name] = prod(rows[below].output) * others
        below = hidden.name
    # The classifier is on one device alone, which reads what the others have.
    counts[dialect.classifier] = prod(rows[below].output) * others // dialect.towers
    return counts
