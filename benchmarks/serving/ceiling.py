"""What a server could do at most: decoding alone and the network alone, each on all the cores."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_pixels.decode import decode
from alexnet_pixels.views import views
from alexnet_repository.repository import open_repository
from alexnet_server.engine.local import LocalNetwork
from benchmarks.engines.rows import spread

_BATCH = 32
_ROUNDS = 5
_SECONDS = 1.5  # a round of each


def ceiling(repository: Path, pictures: list[str]) -> dict[str, Any]:
    """Pictures a second of each alone, and of both one after the other on all the cores."""
    network = LocalNetwork(open_repository(repository))
    contents = [Path(name).read_bytes() for name in pictures]
    images = np.concatenate(
        [
            views(decode(contents[number % len(contents)]), 1, network.view_side)
            for number in range(_BATCH)
        ]
    )  # [32, side, side, 3]
    cores = len(os.sched_getaffinity(0))
    found: dict[str, list[float]] = {"decode": [], "infer": []}
    with ThreadPoolExecutor(cores) as pool:

        def decode_all() -> int:
            return len(list(pool.map(decode, contents)))

        def infer() -> int:
            return len(network.run(images).features)

        for _ in range(_ROUNDS):
            found["decode"].append(_rate(decode_all))
            found["infer"].append(_rate(infer))
    alone = {
        f"{name}_per_s": {part: round(rate, 1) for part, rate in spread(rates).items()}
        for name, rates in found.items()
    }
    both = together(alone["decode_per_s"]["median"], alone["infer_per_s"]["median"])
    return {**alone, "pictures_per_s": round(both, 1)}


def together(first_per_s: float, second_per_s: float) -> float:
    """The rate of two kinds of work that share the cores: 1 / (1 / first + 1 / second)."""
    return 1 / (1 / first_per_s + 1 / second_per_s)


def _rate(work: Callable[[], int]) -> float:
    work()  # not counted
    done, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < _SECONDS:
        done += work()
    return done / spent
