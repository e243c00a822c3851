"""The paper's update rule (section 5).

``v <- 0.9 v - 0.0005 * rate * w - rate * gradient``, ``w <- w + v``.  The rate stands inside the
velocity, unlike in ``torch.optim.SGD``: after a drop of the rate the old speed dies out over some
ten steps instead of falling at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class PaperUpdate(torch.optim.Optimizer):
    """Stochastic gradient descent with the rate, the decay and the momentum in one velocity."""

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float,
        momentum: float = 0.9,  # section 5
        weight_decay: float = 0.0005,  # section 5
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient; there is no use for a ``closure`` here."""
        for group in self.param_groups:
            moved = [weight for weight in group["params"] if weight.grad is not None]
            if not moved:
                continue
            rate, decay = group["lr"], group["weight_decay"]
            velocities = [self._velocity(weight) for weight in moved]
            torch._foreach_mul_(velocities, group["momentum"])
            if decay:
                torch._foreach_add_(velocities, moved, alpha=-decay * rate)
            torch._foreach_add_(velocities, [weight.grad for weight in moved], alpha=-rate)
            torch._foreach_add_(moved, velocities)

    def _velocity(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(weight)
        velocity: Tensor = state["velocity"]
        return velocity
