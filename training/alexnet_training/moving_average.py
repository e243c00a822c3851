"""A moving average of the weights, which is validated and kept in place of the last ones.

The average of the last few hundred steps is a better network than where the last one happens to
end (Polyak and Juditsky 1992).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from alexnet_training.network import TwoTowers

_EVERY = 8  # steps: each average reads and writes all weights, a twentieth of a step on a processor


class MovingAverage:
    """The average of ``network`` so far; ``decay`` is what a step leaves of what was before it."""

    def __init__(self, network: TwoTowers, decay: float) -> None:
        self._network, self._steps = network, 0
        towards = _towards(decay**_EVERY)
        self._average = AveragedModel(network, multi_avg_fn=towards, use_buffers=True)

    @property
    def network(self) -> TwoTowers:
        """The averaged network."""
        return cast(TwoTowers, self._average.module)

    def after_step(self) -> None:
        """Take in the weights, after every few steps."""
        self._steps += 1
        if self._steps % _EVERY == 0:
            self._average.update_parameters(self._network)

    def state(self) -> dict[str, object]:
        """What ``restore`` needs."""
        return {"average": self._average.state_dict(), "steps": self._steps}

    def restore(self, state: dict[str, object]) -> None:
        """Take up a former ``state``."""
        self._average.load_state_dict(state["average"])  # type: ignore[arg-type]
        self._steps = state["steps"]  # type: ignore[assignment]


def _towards(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """An average over few steps at first, or it would long remember the first weights."""

    @torch.no_grad()
    def average(averaged: Sequence[Tensor], now: Sequence[Tensor], count: Tensor | int) -> None:
        kept = min(decay, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(list(averaged), list(now), 1 - kept)

    return average
