"""Which weights are left: the largest of each layer, fewer at each step (Han et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from alexnet_export.layers import Dialect

Weights = Mapping[str, npt.NDArray[np.float32]]
Masks = dict[str, npt.NDArray[np.bool_]]

# Shares of the weights that layers keep, relative to the first fully connected layer's, which has
# the most.  Convolutions use a weight at every place of a map, so each of theirs counts for more;
# with these a unit of the second hidden layer keeps two thirds of the inputs that one of the first
# does, and at 8 MB the convolutions keep everything.
_CONVOLUTION, _NEXT_HIDDEN, _CLASSIFIER = 10.0, 1.5, 10.0
ALL = 1.0


def densities(dialect: Dialect, density: float) -> dict[str, float]:
    """The share of its weights that each layer keeps, by that of the first hidden one."""
    factors = [
        *((layer.name, _CONVOLUTION) for layer in dialect.convolutions),
        *(
            (layer.name, _NEXT_HIDDEN if depth else 1.0)
            for depth, layer in enumerate(dialect.fully_connected)
        ),
        (dialect.classifier, _CLASSIFIER),
    ]
    return {name: min(ALL, factor * density) for name, factor in factors}


def density_at(final: float, step: int, steps: int) -> float:
    """The density of ``step`` (1 to ``steps``): most goes at first, when most is superfluous.

    The cubic of Zhu and Gupta 2017, "To prune, or not to prune", equation 1.
    """
    left = 1 - step / steps
    return final + (ALL - final) * left**3


def masks(weights: Weights, kept: Mapping[str, float]) -> Masks:
    """True for the largest weights: of ``<layer>.weight`` the share ``kept[layer]``."""
    return {layer: _largest(weights[f"{layer}.weight"], share) for layer, share in kept.items()}


def _largest(weight: npt.NDArray[np.float32], share: float) -> npt.NDArray[np.bool_]:
    if share >= ALL:
        return np.ones(weight.shape, dtype=np.bool_)
    sizes = np.abs(weight).ravel()
    count = max(1, round(share * sizes.size))
    # Exactly so many, whatever ties there are.
    places = np.argpartition(sizes, sizes.size - count)[sizes.size - count :]
    chosen = np.zeros(sizes.size, dtype=np.bool_)
    chosen[places] = True
    return chosen.reshape(weight.shape)
