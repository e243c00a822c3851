"""Durable inserts a second: writes that wait share a commit, against a commit for each.

    .venv/bin/python -m benchmarks.inserts
    .venv/bin/python -m benchmarks.inserts --seconds 10 --folder /where/the/disk/is

Pictures of 4,096 float32 features and a thumbnail of 6 kB; each write returns once it is synced.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from alexnet_server.engine import Values
from alexnet_server.index.database import Database
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.records import Binding, NewPicture
from alexnet_server.index.writer import BATCH, Writer
from benchmarks.arguments import parser_of
from benchmarks.result import RESULTS, heading, keep, measured_on

UNITS = 4096
THUMBNAIL_BYTES = 6_000
WRITERS = (1, 4, 16)
AT_ONCE = (1, 64)
_RESULTS = RESULTS / "inserts.json"


def main() -> None:
    """Measure, print the table and write it as JSON."""
    arguments = _arguments()
    cells = [(writers, at_once) for writers in WRITERS for at_once in AT_ONCE]
    rows: list[dict[str, Any]] = []
    for writers, at_once in tqdm(cells, disable=None):
        one, shared = (
            _inserts_per_s(arguments.folder, writers, at_once, batch, arguments.seconds)
            for batch in (1, BATCH)  # one after the other, so that the machine is the same
        )
        rows.append({"writers": writers, "at_once": at_once, "each": one, "shared": shared})
    result = {
        **measured_on("apsw", "numpy"),
        "seconds": arguments.seconds,
        "rows": rows,
    }
    keep(result, _RESULTS)
    sys.stdout.write(_text(result))


def _inserts_per_s(folder: Path, writers: int, at_once: int, batch: int, seconds: float) -> float:
    with tempfile.TemporaryDirectory(dir=folder, prefix="alexnet-inserts-") as place:
        database = Database(Path(place) / "index.sqlite")
        writer = Writer(database, batch=batch)
        # Everything exact: what codes cost is measured in benchmarks.search.
        index = PictureIndex(database, writer, Binding("digest", UNITS), exact_up_to=10**9)
        features = np.random.default_rng(1).gamma(0.1, 1, (at_once, UNITS)).astype(np.float32)
        is_over = threading.Event()
        with ThreadPoolExecutor(writers) as pool:
            began = time.monotonic()
            writing = [
                pool.submit(_write, index, f"w{number}", features, is_over)
                for number in range(writers)
            ]
            is_over.wait(seconds)
            is_over.set()
            written = sum(one.result() for one in writing)
            lasted = time.monotonic() - began
        index.close()
        writer.close()
        database.close()
    return written / lasted


def _write(index: PictureIndex, name: str, features: Values, is_over: threading.Event) -> int:
    thumbnail = bytes(THUMBNAIL_BYTES)
    written = 0
    while not is_over.is_set():
        index.upsert(
            [
                NewPicture(
                    f"{name}-{written + i}", f"{name}-{written + i}", None, {}, thumbnail, row
                )
                for i, row in enumerate(features)
            ]
        )
        written += len(features)
    return written


def _text(result: dict[str, Any]) -> str:
    lines = [
        heading(result),
        "",
        "pictures stored a second, each durable",
        f"{'writers':>7}  {'a write':>7}  {'commit each':>11}  {'shared':>7}",
    ]
    lines += [
        f"{one['writers']:>7}  {one['at_once']:>7}  {one['each']:>11.0f}  {one['shared']:>7.0f}"
        for one in result["rows"]
    ]
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each of twelve (default 4)")
    parser.add_argument("--folder", type=Path, help="whose disk is measured (default: temporary)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
