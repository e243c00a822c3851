"""Stored features -> the graph of a short binary code, with its recall on pictures kept apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from alexnet_export.checkpoint import write_whole
from alexnet_training.codes.autoencoder import learn_autoencoder
from alexnet_training.codes.graph import Codes, Encoder, Values, code_graph, in_metric
from alexnet_training.codes.itq import learn_itq
from alexnet_training.errors import FeaturesError

Method = Literal["autoencoder", "itq"]

_FEATURES_FILE = "features.npy"  # of a folder that `alexnet-server index export` wrote
_BINDING_FILE = "binding.json"
_ONE_IN = 10  # pictures is kept apart, at most _QUERIES of them
_QUERIES = 200
_NEIGHBORS = 10
_CANDIDATES = 200  # as many as the server ranks again by their features
_LEAST = 2  # pictures a bit: principal components cannot be more than pictures


@dataclass(frozen=True)
class Order:
    """What to make; ``bits`` a multiple of 8, ``metric`` None for the one of the features."""

    features: Path
    out: Path
    bits: int = 256
    method: Method = "autoencoder"
    metric: str | None = None
    epochs: int = 40
    seed: int = 0


@dataclass(frozen=True)
class Stored:
    """``features`` float32 [n, units], the model that made them ("" where nobody says)."""

    features: Values
    model_digest: str
    metric: str


def make_codes(
    order: Order, device: torch.device, between: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Learn, measure and write ``order.out``, whole or not at all; returns what it says of itself.

    Raises FeaturesError, DivergedError, what ``between`` raises, OSError.
    """
    stored = read_features(order.features)
    metric = order.metric or stored.metric
    count = len(stored.features)
    if count < _LEAST * order.bits:
        raise FeaturesError(
            f"{order.features} has {count:,} pictures; {order.bits} bits need "
            f"{_LEAST * order.bits:,}: add pictures or give fewer --bits"
        )
    shuffled = np.random.default_rng(order.seed).permutation(count)
    kept = min(_QUERIES, count // _ONE_IN)
    queries, known = stored.features[shuffled[:kept]], stored.features[shuffled[kept:]]
    encoder = _learn(order, metric, known, device, between)
    mean = known.mean(axis=0)
    between()
    found = {
        "bits": order.bits,
        "units": encoder.units,
        "method": order.method,
        "metric": metric,
        "model_digest": stored.model_digest,
        "learned_from": len(known),
        "queries": kept,
        "recall": round(recall(queries, known, encoder.encode, metric), 4),
    }
    content = code_graph(encoder, {name: str(value) for name, value in found.items()})
    write_whole(order.out, content.SerializeToString(deterministic=True))
    plain = recall(queries, known, lambda values: np.packbits(values > mean, axis=1), metric)
    return {**found, "recall_of_the_mean_code": round(plain, 4)}


def _learn(
    order: Order, metric: str, known: Values, device: torch.device, between: Callable[[], None]
) -> Encoder:
    if order.method == "itq":
        return learn_itq(known, order.bits, metric, seed=order.seed, between=between)
    return learn_autoencoder(
        known,
        order.bits,
        metric,
        epochs=order.epochs,
        seed=order.seed,
        device=device,
        between=between,
    )


def read_features(place: Path) -> Stored:
    """Features of an exported index, or of a .npy file: float32 [n, units], finite.

    Raises FeaturesError.
    """
    path = place / _FEATURES_FILE if place.is_dir() else place
    try:
        features = np.load(path, allow_pickle=False)
        binding = json.loads((place / _BINDING_FILE).read_bytes()) if place.is_dir() else {}
    except (OSError, ValueError) as error:
        raise FeaturesError(
            f"{place} holds no features ({error}): give a folder that `alexnet-server index "
            "export` wrote, or a .npy file"
        ) from error
    if not isinstance(features, np.ndarray) or features.ndim != 2 or features.dtype != np.float32:
        raise FeaturesError(f"{path} must hold float32 [pictures, units]")
    if not np.isfinite(features).all():
        raise FeaturesError(f"{path} holds NaN or infinity")
    return Stored(features, binding.get("model_digest", ""), binding.get("metric", "l2"))


def recall(queries: Values, known: Values, encode: Callable[[Values], Codes], metric: str) -> float:
    """How many of the 10 nearest of ``known`` are among the 200 nearest by their codes, 0 to 1.

    Both float32 [n, units], of at least 10 pictures.
    """
    codes = encode(known)  # [known, bytes]
    distances = _squared_distances(in_metric(queries, metric), in_metric(known, metric))
    kept = 0
    for row, code in zip(distances, encode(queries), strict=True):
        nearest = np.argpartition(row, _NEIGHBORS - 1)[:_NEIGHBORS]
        apart = np.bitwise_count(codes ^ code).sum(axis=1, dtype=np.int32)
        best = np.argsort(apart, kind="stable")[:_CANDIDATES]
        kept += len(np.intersect1d(nearest, best))
    return kept / (_NEIGHBORS * len(queries))


def _squared_distances(queries: Values, known: Values) -> Values:
    """``[queries, known]``, each less its query's own square, which changes no order."""
    squares: Values = (known * known).sum(axis=1)
    return squares - 2 * queries @ known.T
