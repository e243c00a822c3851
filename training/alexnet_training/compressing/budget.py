"""How many weights may stay for a file of so many bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from alexnet_export.checkpoint import Checkpoint
from alexnet_export.shared_values import SharedValues, coded
from alexnet_training.compressing.codebooks import shared
from alexnet_training.compressing.pruning import Masks, densities, masks
from alexnet_training.errors import BudgetError

# Deep Compression's numbers for AlexNet (section 3 and table 4), but for the convolutions' 256:
# with a fourth of it they lose nothing that can be measured here (docs/compressed.md).
_OF_HIDDEN, _OF_OTHERS = 16, 64
_LEAST, _MOST = 1e-3, 1.0
_AIM, _NEAR = 0.995, 0.99  # shares of the budget: what is aimed at, and what is near enough
_TRIES = 14
_BESIDE = 32 * 1024  # bytes for the description
_BYTES_OF_FP32 = 4

Tensors = Mapping[str, npt.NDArray[np.float32]]


def share_all(checkpoint: Checkpoint, kept: Masks, tensors: Tensors) -> dict[str, SharedValues]:
    """The weights of ``tensors`` and the mean image with shared values; biases stay as they are."""
    hidden = {layer.name for layer in checkpoint.dialect.fully_connected}
    found = {"mean": shared(checkpoint.tensors["mean"], None, _OF_OTHERS)}
    for layer, mask in kept.items():
        count = _OF_HIDDEN if layer in hidden else _OF_OTHERS
        found[f"{layer}.weight"] = shared(tensors[f"{layer}.weight"], mask, count)
    return found


def density_within(
    checkpoint: Checkpoint,
    tensors: Tensors,
    max_bytes: int,
    between: Callable[[], None],
) -> float:
    """The largest density (pruning.densities) with which ``tensors`` fit ``max_bytes``.

    Raises BudgetError where none does.
    """
    low, high = _LEAST, _MOST
    least = _size(checkpoint, tensors, low)
    if least > max_bytes:
        raise BudgetError(
            f"--max-bytes {max_bytes:,} is too little: with {low:.1%} of the first hidden layer's "
            f"weights left the file still has {least:,} bytes"
        )
    if _size(checkpoint, tensors, high) <= max_bytes:
        return high
    tried, size = low, least
    with tqdm(total=_TRIES, desc="how many weights fit", disable=None, leave=False) as bar:
        for _ in range(_TRIES):
            between()
            bar.update()
            # What is there at the least density aside, bytes are nearly as many as weights.
            guess = tried * (_AIM * max_bytes - 0.9 * least) / (size - 0.9 * least)
            tried = guess if low < guess < high else math.sqrt(low * high)
            size = _size(checkpoint, tensors, tried)
            low, high = (tried, high) if size <= max_bytes else (low, tried)
            if _NEAR * max_bytes <= size <= max_bytes:
                break
    return low


def _size(checkpoint: Checkpoint, tensors: Tensors, density: float) -> int:
    """Bytes of a file, near enough: without a description but for what it may have at most."""
    kept = masks(tensors, densities(checkpoint.dialect, density))
    shared = share_all(checkpoint, kept, tensors)
    whole = sum(_BYTES_OF_FP32 * tensors[name].size for name in tensors.keys() - shared.keys())
    return _BESIDE + whole + sum(coded(one).size for one in shared.values())
