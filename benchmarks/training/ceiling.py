"""What a device can at most: its own rate in large products of matrices, and what a step needs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

_SIDE = {"cpu": 2048, "cuda": 8192}  # large enough that longer sides are no faster


def product(device: torch.device, dtype: torch.dtype) -> tuple[Callable[[], object], float]:
    """A call that multiplies two square matrices, and its floating point operations."""
    side = _SIDE[device.type]
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))

    def multiply() -> None:
        torch.mm(left, right)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return multiply, 2.0 * side**3


def operations(step: Callable[[], object]) -> float:
    """Floating point operations of a step's convolutions and products, forward and back."""
    with FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops())
