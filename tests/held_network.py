"""A network whose passes wait at a gate, for tests of what happens meanwhile."""

from __future__ import annotations

import threading

import numpy as np

from alexnet_server.engine import Inference
from tests.waiting import WAIT_S

BROKEN, FALLEN, CUT = 251, 252, 253  # first values of pictures that it stumbles over


class HeldNetwork:
    """A picture's features are its first value, 4 times; ``passes`` lists them, pass by pass."""

    view_side = 224

    def __init__(self) -> None:
        self.passes: list[list[int]] = []
        self.gate = threading.Event()

    def run(self, images: np.ndarray) -> Inference:
        numbers = images[:, 0, 0, 0].astype(np.float32)
        self.passes.append(images[:, 0, 0, 0].tolist())
        assert self.gate.wait(WAIT_S)
        if FALLEN in numbers:
            raise RuntimeError("the network fell over")
        if CUT in numbers:
            numbers = numbers[:-1]
        features = np.repeat(numbers[:, None], 4, axis=1)
        features[numbers == BROKEN, 1] = np.nan
        return Inference(features, numbers[:, None])

    def describe(self) -> dict[str, str]:
        return {"engine": "held"}
