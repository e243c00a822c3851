"""What an engine is: uint8 views in, features and probabilities out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from alexnet_server.call import Call
from alexnet_server.errors import BadModelOutput

Images = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Inference:
    """``features`` float32 [n, 4096] (fc7 after ReLU), ``probabilities`` float32 [n, classes]."""

    features: Values
    probabilities: Values

    def require_finite(self) -> None:
        """Raise BadModelOutput on NaN or infinity."""
        if not (np.isfinite(self.features).all() and np.isfinite(self.probabilities).all()):
            raise BadModelOutput("the model gave NaN or infinity; nothing was stored")


class Engine(Protocol):
    """Answers requests with the network; safe to call from many threads."""

    @property
    def view_side(self) -> int:
        """Pixels a side of the views it takes; of this deploy, whatever is deployed later."""

    def infer(self, images: Images, call: Call) -> Inference:
        """``images`` uint8 [n, side, side, 3], 1 <= n <= 64, within the time ``call`` has left.

        ``side`` is ``view_side``.  Counts the spans ``queue`` and ``infer``.  Raises RequestError.
        """

    def describe(self) -> dict[str, Any]:
        """What runs where and on views of which side, as JSON values."""

    def ready(self) -> bool:
        """Whether a request would be answered now."""

    def close(self) -> None:
        """End its threads; no request may be under way."""
