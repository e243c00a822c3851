"""Recall against bytes a picture: which code to search by.

    .venv/bin/python -m benchmarks.features_like --photos photos --keep features.npy
    .venv/bin/python -m benchmarks.codes --features features.npy
    .venv/bin/python -m benchmarks.codes --pictures 30000 --learned-from 6000 --epochs 8

A code is asked for the R pictures nearest to a query, and recall@10 is how many of the query's 10
nearest by all features are among them: what ranking those R again by their features would find.
``mean`` and ``active`` are a bit a unit; ``itq`` and ``autoencoder`` are learned by
``alexnet-train codes``; ``pq`` is FAISS's product quantization, whose codes are compared with the
query's own features.

The first: codes are learned from one half of the photos, and each photo of the other half is
searched among all others.  The second: features like theirs (benchmarks.features_like), codes
learned from others, and 200 queries that are others again.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from alexnet_training.codes.autoencoder import learn_autoencoder
from alexnet_training.codes.graph import Codes, Values, in_metric
from alexnet_training.codes.itq import learn_itq
from benchmarks.arguments import add_out, parser_of
from benchmarks.features_like import STATISTICS, features_like
from benchmarks.result import RESULTS, heading, keep, measured_on

RANKED_AGAIN = (50, 100, 200, 500)
_NEIGHBORS = 10
_QUERIES = 200
_TIMED = 15  # queries, one by one
Rows = npt.NDArray[np.int64]


class Code(Protocol):
    """Codes of many pictures, and what is near by them."""

    name: str
    size: int  # bytes a picture

    def add(self, features: Values) -> None:
        """Keep the codes of features float32 [n, units]."""

    def nearest(self, queries: Values, most: int) -> Rows:
        """Rows int64 [queries, most], nearest first, in order of adding."""


class Bits:
    """Codes compared bit by bit."""

    def __init__(self, name: str, encode: Callable[[Values], Codes], bits: int) -> None:
        self.name, self.size, self._encode = name, bits // 8, encode
        self._codes: Codes = np.empty((0, self.size), np.uint8)

    def add(self, features: Values) -> None:
        """Keep the codes of features float32 [n, units]."""
        self._codes = np.concatenate([self._codes, self._encode(features)])

    def nearest(self, queries: Values, most: int) -> Rows:
        """Rows int64 [queries, most], nearest first."""
        codes = np.ascontiguousarray(self._encode(queries))
        _, rows = faiss.knn_hamming(codes, self._codes, most, variant="hc")
        return np.asarray(rows)


class Products:
    """FAISS's product quantization: a part of the features for each byte."""

    name = "pq"

    def __init__(self, known: Values, size: int) -> None:
        self.size = size
        self._index = faiss.IndexPQ(known.shape[1], size, 8)
        self._index.pq.cp.min_points_per_centroid = 1  # else it warns of few photos
        self._index.train(known)

    def add(self, features: Values) -> None:
        """Keep the codes of features float32 [n, units]."""
        self._index.add(features)

    def nearest(self, queries: Values, most: int) -> Rows:
        """Rows int64 [queries, most], nearest first."""
        return np.asarray(self._index.search(queries, most)[1])


@dataclass(frozen=True)
class Data:
    """``known`` and ``queries`` float32 [n, units]; ``own`` is the row of each query, or -1."""

    name: str
    known: Values
    pictures: Iterable[Values]
    queries: Values
    own: Rows
    epochs: int


def main() -> None:
    """Measure, print the table and write it as JSON."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    faiss.omp_set_num_threads(arguments.threads)
    data = _like(arguments) if arguments.features is None else _photos(arguments)
    result = {
        **measured_on("faiss-cpu", "numpy", "torch"),
        "threads": arguments.threads,
        "metric": arguments.metric,
        "epochs": arguments.epochs,
        **_table(data, arguments.bits),
    }
    sys.stdout.write(_text(result))
    out = arguments.out or RESULTS / f"codes_{data.name}_{arguments.metric}.json"
    keep(result, out)


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--features", type=Path, help=".npy of photos' features")
    parser.add_argument("--pictures", type=int, default=100_000, help="without --features (100000)")
    parser.add_argument("--learned-from", type=int, default=10_000, help="others (10000)")
    parser.add_argument("--epochs", type=int, default=40, help="of the autoencoder (40)")
    parser.add_argument("--metric", choices=("l2", "cosine"), default="l2", help="(l2)")
    parser.add_argument("--bits", type=int, nargs="*", default=[256, 512, 1024], help="learned")
    parser.add_argument("--statistics", type=Path, default=STATISTICS, help="of features_like")
    parser.add_argument("--threads", type=int, default=1, help="(1)")
    add_out(parser, None)
    return parser.parse_args()


def _photos(arguments: argparse.Namespace) -> Data:
    features = in_metric(np.load(arguments.features), arguments.metric)
    shuffled = np.random.default_rng(0).permutation(len(features))
    known, asked = np.split(shuffled, [len(features) // 2])
    return Data("photos", features[known], [features], features[asked], asked, arguments.epochs)


def _like(arguments: argparse.Namespace) -> Data:
    def stream(count: int, seed: int) -> Iterable[Values]:
        chunks = features_like(arguments.statistics, count, seed)
        return (in_metric(chunk, arguments.metric) for chunk in chunks)

    known = np.concatenate(list(stream(arguments.learned_from, 1)))
    queries = np.concatenate(list(stream(_QUERIES, 2)))
    nobody = np.full(len(queries), -1)
    pictures = stream(arguments.pictures, 3)
    return Data("like_photos", known, pictures, queries, nobody, arguments.epochs)


def _table(data: Data, bits: Sequence[int]) -> dict[str, Any]:
    codes = list(_codes(data, bits))
    distances = []
    for chunk in tqdm(data.pictures, f"{data.name}: codes", unit="chunk", disable=None):
        distances.append((chunk * chunk).sum(axis=1) - 2 * data.queries @ chunk.T)
        for code in codes:
            code.add(chunk)
    apart = np.concatenate(distances, axis=1)  # [queries, pictures]
    asked = np.flatnonzero(data.own >= 0)
    apart[asked, data.own[asked]] = np.inf
    nearest = np.argpartition(apart, _NEIGHBORS, axis=1)[:, :_NEIGHBORS]
    rows = [
        {
            "code": code.name,
            "bytes": code.size,
            "recall_at_10": _recall(code, data, nearest),
            "ms_a_query": round(_query_ms(code, data), 2),
        }
        for code in tqdm(codes, f"{data.name}: search", unit="code", disable=None)
    ]
    return {
        "data": data.name,
        "pictures": apart.shape[1],
        "learned_from": len(data.known),
        "queries": len(data.queries),
        "rows": rows,
    }


def _codes(data: Data, sizes: Sequence[int]) -> Iterable[Code]:
    known, units = data.known, data.known.shape[1]
    mean = known.mean(axis=0)
    yield Bits("mean", lambda features: np.packbits(features > mean, axis=1), units)
    yield Bits("active", lambda features: np.packbits(features > 0, axis=1), units)
    # Features are in the metric's own form already, so that all distances here are Euclidean.
    for bits in sizes:
        yield Bits("itq", learn_itq(known, bits, "l2").encode, bits)
        learned = learn_autoencoder(known, bits, "l2", epochs=data.epochs)
        yield Bits("autoencoder", learned.encode, bits)
    for size in (32, 64, 128, 512):
        yield Products(known, size)


def _recall(code: Code, data: Data, nearest: Rows) -> dict[str, float]:
    found = code.nearest(data.queries, max(RANKED_AGAIN) + 1)
    kept = dict.fromkeys(RANKED_AGAIN, 0)
    for rows, own, wanted in zip(found, data.own, nearest, strict=True):
        others = rows[rows != own]
        for most in RANKED_AGAIN:
            kept[most] += len(np.intersect1d(others[:most], wanted))
    asked = _NEIGHBORS * len(data.queries)
    return {str(most): round(count / asked, 4) for most, count in kept.items()}


def _query_ms(code: Code, data: Data) -> float:
    """Median milliseconds of one query: its own code, and the scan of all."""
    times = []
    for number in range(_TIMED):
        began = time.perf_counter()
        code.nearest(data.queries[number : number + 1], max(RANKED_AGAIN))
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def _text(result: dict[str, Any]) -> str:
    lines = [
        heading(result, f"{result['threads']} used"),
        "",
        f"{result['data']}, {result['metric']}: {result['pictures']:,} pictures, "
        f"{result['queries']:,} queries, learned from {result['learned_from']:,}",
        f"{'bytes':>5}  {'code':<12}"
        + "".join(f"{f'R={most}':>8}" for most in RANKED_AGAIN)
        + f"{'ms':>7}",
    ]
    for row in sorted(result["rows"], key=lambda row: (row["bytes"], row["code"])):
        lines.append(
            f"{row['bytes']:>5}  {row['code']:<12}"
            + "".join(f"{row['recall_at_10'][str(most)]:>8.3f}" for most in RANKED_AGAIN)
            + f"{row['ms_a_query']:>7.2f}"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
