"""A compressed file of a narrow network with random weights."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from alexnet_export.calibration import Calibration
from alexnet_export.checkpoint import Checkpoint, Compression, compressed_bytes
from alexnet_export.loss import Loss
from alexnet_export.shared_values import SharedValues

DIGEST_BYTES = 32


def some_shared(shape: tuple[int, ...], density: float, count: int, seed: int = 1) -> SharedValues:
    """Random values at random places, of which at least the last but one is kept."""
    random = np.random.default_rng(seed)
    size = int(np.prod(shape))
    codebook = np.sort(random.standard_normal(count)).astype(np.float32)
    places = None
    if density < 1:
        kept = random.random(size) < density
        kept[-2] = True
        places = np.flatnonzero(kept)
    indices = random.integers(0, count, size if places is None else len(places)).astype(np.uint8)
    return SharedValues(shape, codebook, indices, places)


def some_compression() -> Compression:
    """Figures and ranges that nobody measured."""
    ranges = {"conv1_sums": (np.float32(-1.5), np.float32(2.25))}
    loss = Loss(12, 0.5, 0.5, 1.0, 1.0, 1.0, 0.0, 0.999)
    metrics = {"top1": 0.5, "top5": 1.0, "n": 12}
    return Compression({"sha256": "0" * 64}, metrics, Calibration(ranges, 12, "1" * 64), loss)


def narrow_file(checkpoint: Checkpoint) -> tuple[bytes, dict[str, SharedValues]]:
    """A file of ``checkpoint`` with other weights, and these: whole, shared and pruned ones."""
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    shared = {
        "conv1.weight": some_shared(shapes["conv1.weight"], 1.0, 64),
        "conv2.weight": some_shared(shapes["conv2.weight"], 0.4, 1),
        "fc6.weight": some_shared(shapes["fc6.weight"], 0.002, 16),
        "fc7.weight": some_shared(shapes["fc7.weight"], 0.1, 256),
        "mean": some_shared((256, 256, 3), 1.0, 2),
    }
    whole = replace(checkpoint, compression=some_compression())
    return compressed_bytes(whole, shared), shared


def sealed(body: bytes) -> bytes:
    """``body`` with its sha256 behind it, so that what is wrong with it is looked for."""
    return body + hashlib.sha256(body).digest()
