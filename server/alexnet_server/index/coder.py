"""Codes: a few hundred bytes a picture, near where its features are near.

The paper suggests them (section 6.1: an autoencoder to short binary codes, Krizhevsky and Hinton
2011); ``onnx`` is such a one, made by ``alexnet-train codes``.  ``mean`` and ``active`` need no
training: a bit a unit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from alexnet_server.engine import Values
from alexnet_server.errors import IndexMismatch
from alexnet_server.index.blocks import Codes
from alexnet_server.index.records import Binding
from alexnet_server.index.rows import FEATURES, damaged

_AT_ONCE = 1_024  # rows through a graph
_log = logging.getLogger(__name__)


class Coder(Protocol):
    """Makes codes; frozen with the index, because codes of two coders cannot be compared."""

    kind: str
    code_bytes: int

    def encode(self, features: Values) -> Codes:
        """Features float32 [n, units] to codes uint8 [n, code_bytes]."""
        ...

    def parameters(self) -> bytes:
        """What ``load_coder`` makes the same coder from."""
        ...


class MeanCoder:
    """A bit says whether a unit is above its mean: for Euclidean distance."""

    kind = "mean"

    def __init__(self, mean: Values) -> None:
        """``mean`` float32 [units]."""
        self._mean = mean
        self.code_bytes = -(-len(mean) // 8)

    def encode(self, features: Values) -> Codes:
        """Codes uint8 [n, units / 8]."""
        return np.packbits(features > self._mean, axis=1)

    def parameters(self) -> bytes:
        """The mean."""
        return self._mean.astype(FEATURES).tobytes()


class ActiveCoder:
    """A bit says whether a unit is active: for the cosine, which no scale changes."""

    kind = "active"

    def __init__(self, units: int) -> None:
        self.code_bytes = -(-units // 8)

    def encode(self, features: Values) -> Codes:
        """Codes uint8 [n, units / 8]."""
        return np.packbits(features > 0, axis=1)

    def parameters(self) -> bytes:
        """Nothing."""
        return b""


class GraphCoder:
    """An ONNX graph from ``features`` float32 [N, units] to ``code`` uint8 [N, code_bytes]."""

    kind = "onnx"

    def __init__(self, graph: bytes, units: int) -> None:
        """Raises IndexMismatch where it is not such a graph, or cannot be run here."""
        from alexnet_server.index.code_graph import open_code_graph  # noqa: PLC0415 - onnx

        self._graph = graph
        self._loaded, self.code_bytes = open_code_graph(graph, units)

    def encode(self, features: Values) -> Codes:
        """Codes uint8 [n, code_bytes]."""
        codes = np.empty((len(features), self.code_bytes), np.uint8)
        for start in range(0, len(features), _AT_ONCE):
            rows = features[start : start + _AT_ONCE]
            found = self._loaded.run({"features": rows}, ["code"])
            codes[start : start + _AT_ONCE] = found["code"]
        return codes

    def parameters(self) -> bytes:
        """The graph."""
        return self._graph


def fit_coder(metric: str, sample: Iterable[Values], units: int) -> Coder:
    """The coder that needs no training, for pictures like ``sample``: chunks float32 [n, units]."""
    if metric == "cosine":
        return ActiveCoder(units)
    total, count = np.zeros(units, np.float64), 0
    for chunk in sample:
        total += chunk.sum(axis=0, dtype=np.float64)
        count += len(chunk)
    return MeanCoder((total / max(count, 1)).astype(np.float32))


def coder_of(path: Path, binding: Binding) -> Coder | None:
    """The coder of a graph file, None where it was made for features of another model or metric.

    A server goes from one model to the next by itself, its flags do not.  Raises SettingsError
    where the file cannot be read, IndexMismatch where its graph cannot be used here.
    """
    from alexnet_server.index.code_graph import code_notes, read_code_graph  # noqa: PLC0415 - ONNX

    graph = read_code_graph(path)
    notes = code_notes(graph)
    made_for = (notes.get("model_digest") or binding.model_digest, notes.get("metric"))
    if made_for not in ((binding.model_digest, binding.metric), (binding.model_digest, None)):
        _log.warning("--codes %s is for %s, not for this model: not used", path, made_for)
        return None
    return GraphCoder(graph, binding.units)


def load_coder(kind: str, units: int, parameters: bytes) -> Coder:
    """The coder that an index keeps.

    Raises IndexMismatch where it is none of ours, StorageFailed where it is damaged.
    """
    makers: dict[str, Any] = {"mean": _mean, "active": _active, "onnx": GraphCoder}
    if kind not in makers:
        raise IndexMismatch(f"the index has codes of kind {kind!r}: a newer server made it")
    coder: Coder = makers[kind](parameters, units)
    return coder


def _mean(parameters: bytes, units: int) -> MeanCoder:
    if len(parameters) != units * FEATURES.itemsize:
        raise damaged(f"the mean of the codes: {len(parameters)} bytes for {units} units")
    return MeanCoder(np.frombuffer(parameters, FEATURES).astype(np.float32))


def _active(parameters: bytes, units: int) -> ActiveCoder:
    del parameters
    return ActiveCoder(units)
