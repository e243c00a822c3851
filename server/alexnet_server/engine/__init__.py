"""What an engine is: uint8 views in, features and probabilities out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Inference:
    """``features`` float32 [n, 4096] (fc7 after ReLU), ``probabilities`` float32 [n, classes]."""

    features: Values
    probabilities: Values


class Engine(Protocol):
    """Runs the network; safe to call from many threads."""

    def infer(self, images: Images) -> Inference:
        """``images`` uint8 [n, 224, 224, 3], 1 <= n <= 64.  Raises RequestError."""

    def describe(self) -> dict[str, Any]:
        """What runs where, as JSON values."""

    def ready(self) -> bool:
        """Whether a request would be answered now."""
