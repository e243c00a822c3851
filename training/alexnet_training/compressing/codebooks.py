"""Weights that share a few values: what is nearest (Han et al. 2016, section 3)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alexnet_export.shared_values import SharedValues

_BINS = 4096  # of a tensor's range: its values are told apart by less than a thousandth of it
_ROUNDS = 40


def shared(
    tensor: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_] | None, count: int
) -> SharedValues:
    """``tensor`` with at most ``count`` values where ``mask`` is true, found by k-means."""
    places = None if mask is None or mask.all() else np.flatnonzero(mask)
    values = tensor.ravel() if places is None else tensor.ravel()[places]
    codebook = _means(values, count)
    indices = np.searchsorted((codebook[1:] + codebook[:-1]) / 2, values).astype(np.uint8)
    return SharedValues(tensor.shape, means(values, indices, codebook), indices, places)


def means(
    values: npt.NDArray[np.float32],
    indices: npt.NDArray[np.uint8],
    codebook: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """The mean of the ``values`` [n] of each index, float32; ``codebook``'s where there is none."""
    count = np.bincount(indices, minlength=len(codebook))
    total = np.bincount(indices, weights=values, minlength=len(codebook))
    found = np.where(count > 0, total / np.maximum(count, 1), codebook)
    return np.asarray(found, dtype=np.float32)


def _means(values: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    """Up to ``count`` values, ascending, near which those of ``values`` lie.

    The first ones lie at even distances: large weights are few and matter most (section 3.2), and
    of values whose indices are Huffman coded even ones are the nearest for their bits (Gish and
    Pierce 1968).
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.array([low], dtype=np.float32)
    held, edges = np.histogram(values, _BINS, (low, high))
    middles = (edges[1:] + edges[:-1]) / 2
    codebook = np.linspace(low, high, count)
    for _ in range(_ROUNDS):
        nearest = np.searchsorted((codebook[1:] + codebook[:-1]) / 2, middles)
        weight = np.bincount(nearest, weights=held, minlength=count)
        total = np.bincount(nearest, weights=held * middles, minlength=count)
        codebook = np.where(weight > 0, total / np.maximum(weight, 1), codebook)
    return np.unique(codebook.astype(np.float32))
