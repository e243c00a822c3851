"""Photos in the order of an epoch -> batches for a step, made ahead while the network learns.

All chance is drawn in the order of the steps, by who asks for the batches; threads only carry out
what it decided.  So a run is the same with any number of them.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from alexnet_pixels.square import Pixels
from alexnet_training.photos.augmentation import Draw, Floats, cut, draw
from alexnet_training.photos.cache import Decoded
from alexnet_training.photos.mixing import Mix, draw_mix
from alexnet_training.processes import ALONE, Processes
from alexnet_training.recipe import Recipe
from alexnet_training.schedule import noise_is_on


@dataclass(frozen=True)
class Batch:
    """``crops``: uint8 [n, side, side, 3]; ``labels``: int64 [n]; what chance decided for them.

    ``size``: photos in the whole batch, of which these are one process's ``share``; where there are
    fewer photos than processes it has one that counts nothing.  ``done``: the share of all steps
    that is behind when it is learned.
    """

    crops: Pixels
    labels: npt.NDArray[np.int64]
    drawn: Draw
    mix: Mix | None
    size: int
    share: float
    done: float


@dataclass(frozen=True)
class Epoch:
    """One pass over the photos: ``steps`` batches, their order and all else from the seed.

    ``number`` counts from 0.  Every chance of an epoch comes from the recipe's seed and its number,
    so that a resumed run draws what an unbroken one would have.
    """

    recipe: Recipe
    axes: Floats
    photos: Decoded
    number: int
    processes: Processes = ALONE

    @property
    def steps(self) -> int:
        """Batches; the last may be smaller."""
        return math.ceil(len(self.photos.labels) / self.recipe.batch_size)

    def batches(self, device: torch.device) -> Generator[Batch]:
        """Every batch in its order, made ahead by threads; seeds torch's own generators too."""
        chance = np.random.default_rng([self.recipe.seed, self.number])
        # Each process drops other units.
        torch.manual_seed(int(chance.integers(2**63)) + self.processes.rank)
        order = chance.permutation(len(self.photos.labels))
        # A processor is busy with the network: one thread is ahead of it.  A GPU wants all.
        threads = 1 if device.type == "cpu" else os.cpu_count() or 1
        ready: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(threads, thread_name_prefix="batches") as pool:
            try:
                for step in range(self.steps):
                    ready.append(pool.submit(self._decided(order, step, chance)))
                    if len(ready) > threads:
                        yield ready.popleft().result()
                while ready:
                    yield ready.popleft().result()
            finally:
                for unwanted in ready:
                    unwanted.cancel()

    def _decided(
        self, order: npt.NDArray[np.int64], step: int, chance: np.random.Generator
    ) -> Callable[[], Batch]:
        """The call that makes a batch, with nothing left to chance."""
        recipe, size = self.recipe, self.recipe.batch_size
        rows = order[step * size : (step + 1) * size]
        done = (self.number * self.steps + step) / (recipe.epochs * self.steps)
        # Drawn for all and then shared, so that any number of processes sees the same photos.
        drawn = draw(recipe, self.axes, len(rows), chance, noise=noise_is_on(recipe, done))
        mix = draw_mix(recipe, drawn.side, len(rows), chance)
        photos, count, share = self.photos, len(rows), 1.0
        if self.processes.count > 1:
            own = self.processes.share(count)
            share = len(own) / count
            own = own if len(own) else np.zeros(1, dtype=np.int64)
            rows, drawn, mix = rows[own], drawn.of(own), mix and mix.of(own)
        return lambda: Batch(
            cut(photos.pixels, rows, drawn), photos.labels[rows], drawn, mix, count, share, done
        )
