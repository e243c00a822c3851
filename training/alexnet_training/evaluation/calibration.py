"""How far a network's sureness can be believed: of what it is 80 % sure of, is 80 % right?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Photos whose first answer had a probability above ``low`` and up to ``high``.

    ``sureness``: its mean; ``right``: the share that is right.
    """

    low: float
    high: float
    n: int
    sureness: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """``bins``: those that are not empty.

    ``expected_error``: the mean over the photos of how far sureness and share of their bin are
    apart (Guo et al. 2017, section 2).  ``negative_log_likelihood``: the mean of minus the natural
    logarithm of the right class's probability.
    """

    bins: tuple[Bin, ...]
    expected_error: float
    negative_log_likelihood: float

    def as_json(self) -> dict[str, Any]:
        """Every figure by its name."""
        return asdict(self)


def calibration(
    probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> Calibration:
    """Compare the sureness of probabilities [n, classes] with what class numbers [n] make right."""
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    # A probability of 1/BINS belongs to the first bin, of 1 to the last.
    places = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    bins = tuple(
        Bin(
            place / BINS,
            (place + 1) / BINS,
            int((places == place).sum()),
            float(sure[places == place].mean()),
            float(right[places == place].mean()),
        )
        for place in np.unique(places).tolist()
    )
    error = sum(one.n * abs(one.sureness - one.right) for one in bins) / len(labels)
    smallest = np.finfo(np.float32).tiny
    own = np.maximum(probabilities[np.arange(len(labels)), labels], smallest)
    return Calibration(bins, error, float(-np.log(own.astype(np.float64)).mean()))
