"""Pictures whose answers are known: what a model must say before it is believed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float32]

# Another processor rounds an int8 or fp16 graph's sums at other places.
_COSINES = {"fp32": 0.9999}
_COSINE_REDUCED = 0.99
# Known probabilities that are closer than this may change places: rounding decides between them.
_TIES = {"fp32": 1e-6, "fp16": 1e-3}
_TIE_REDUCED = 1e-2


class Golden(NamedTuple):
    """``images`` uint8 [n, s, s, 3], ``features`` float32 [n, 4096], ``probabilities`` [n, C].

    ``precision`` is that of the graphs that gave the answers.
    """

    images: npt.NDArray[np.uint8]
    features: Values
    probabilities: Values
    precision: str

    def difference(self, features: Values, probabilities: Values) -> str:
        """How given answers differ from the known ones, for a person; empty where they do not."""
        if features.shape != self.features.shape or probabilities.shape != self.probabilities.shape:
            return (
                f"answers of shapes {features.shape} and {probabilities.shape} instead of "
                f"{self.features.shape} and {self.probabilities.shape}"
            )
        least = _COSINES.get(self.precision, _COSINE_REDUCED)
        found = float(cosines(features, self.features).min())
        if not found >= least:
            return f"a feature cosine of {found:.6f} (at least {least} is needed)"
        known = self.probabilities.max(axis=1)  # [n]
        likeliest = probabilities.argmax(axis=1)[:, np.newaxis]  # [n, 1]
        lead = known - np.take_along_axis(self.probabilities, likeliest, axis=1)[:, 0]  # [n]
        tie = _TIES.get(self.precision, _TIE_REDUCED)
        if (lead >= tie).any():
            return f"another likeliest class, known to be {lead.max():.2g} less likely"
        return ""


def cosines(given: Values, known: Values) -> npt.NDArray[Any]:
    """Cosine of each row of ``given`` with its row of ``known``, [n]; 1 where both are zero."""
    lengths = np.linalg.norm(given, axis=1) * np.linalg.norm(known, axis=1)
    dots = np.einsum("nf,nf->n", given, known)
    same = (given == known).all(axis=1)
    return np.where(same, 1.0, dots / np.where(lengths > 0, lengths, 1.0))
