"""What search costs at 10,000 to a million pictures, beside other engines on the same features.

    .venv/bin/python -m benchmarks.search --pictures 10000 --peers ../peers/bin/python
    .venv/bin/python -m benchmarks.search --pictures 200000 --peers ../peers/bin/python --folder ..
    .venv/bin/python -m benchmarks.search --pictures 1000000 --engines ours --folder ..
    .venv/bin/python -m benchmarks.features_like --photos photos --keep photos.npy
    .venv/bin/python -m benchmarks.search --features photos.npy --peers ../peers/bin/python

LanceDB, Qdrant Edge and USearch are in an environment of their own:

    python3 -m venv ../peers && ../peers/bin/pip install -r benchmarks/requirements.txt

The features are made once (``benchmarks.features_like``; the last example takes those of photos)
and written to a file; what is really nearest is found by computing every distance.  Each engine
then builds in a process of its own, is opened in a second one after its files were dropped from the
page cache, and searched in a third, which holds nothing else: its memory is the engine's, the
interpreter and NumPy included (``before_opening`` in the JSON).  Latency, searches a second and
recall@10 are of queries asked before, with what they read in the page cache; ``cold`` drops the
files before each search.

``ours`` stores whole pictures (thumbnail, label, metadata) and answers with label and metadata;
the others are given keys and features and answer with keys.  Only ours and Qdrant Edge have synced
what they acknowledge.  Inserts are of 256 at a time from one thread; beside 8 clients that search,
without a pause or with half a second after each search, 4 threads store 64 at a time.  Settings are
those the engine's own guide recommends for long features by L2, and stand in the JSON.

A million take 16.4 GB of disk for the features and up to 36 GB more for one engine, whose files are
removed before the next.

Left out above 500,000: FAISS flat, HNSW and refined IVF-PQ, which hold 16.4 GB a million in memory,
more while they grow; USearch, 8.2 GB and hours to build its graph on few cores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from alexnet_pixels.thumbnail import thumbnail
from benchmarks.arguments import parser_of
from benchmarks.features_like import STATISTICS, features_like
from benchmarks.result import machine
from benchmarks.searching.alone import Job
from benchmarks.searching.engine import ENGINES
from benchmarks.searching.features import (
    UNITS,
    Features,
    Refused,
    Values,
    described,
    require_space,
    write_features,
)
from benchmarks.searching.load import forget
from benchmarks.searching.table import table
from tests.photos import crops

MANY = 500_000
_LEFT_OUT = {
    "faiss-flat": "left out: holds 16.4 GB a million in memory, more while it grows",
    "faiss-hnsw": "left out: holds 16.4 GB a million in memory, hours to build",
    "faiss-ivfpq-refined": "left out: holds 16.4 GB a million in memory, more while it grows",
    "usearch": "left out: holds 8.2 GB a million in memory, hours to build",
}
_PEERS = {"lancedb", "qdrant-edge", "usearch"}
_THUMBNAILS = 64
# Times the features: codes, thumbnails, and what an engine writes before it drops the old.
_ENGINE_SPACE = 2.2
_SEED = 2012
_RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Measure, print the table and write it as JSON."""
    arguments = _arguments()
    if arguments.folder is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="alexnet-search-", dir=arguments.folder) as folder:
        try:
            features = _features(arguments, Path(folder))
        except Refused as error:
            sys.stderr.write(f"{error}: --folder takes another disk\n")
            return 1
        _write_thumbnails(Path(folder) / "thumbnails")
        result: dict[str, Any] = {
            "machine": machine() | {"memory_gb": _memory_gb(), "load_before": os.getloadavg()[0]},
            "versions": {"numpy": version("numpy")},
            "pictures": features.pictures,
            "queries": len(features.queries()),
            "features": _source(arguments) | described(features),
            "engines": {},
        }
        out = arguments.out or _RESULTS / f"search_{features.pictures}.json"
        out.parent.mkdir(parents=True, exist_ok=True)
        for name in tqdm(arguments.engines, "engines", disable=None):
            row = _measure(name, features, Path(folder), arguments)
            result["versions"] |= row.pop("versions", {})
            result["engines"][name] = row
            out.write_text(json.dumps(result, indent=2) + "\n")  # a night's work is not lost
    sys.stdout.write(table(result))
    return 0


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__, "exit codes: 0 measured, 1 no room on the disk, 2 wrong arguments")
    parser.add_argument("--pictures", type=int, default=10_000, help="in the index (10000)")
    parser.add_argument(
        "--engines", type=_names, default=list(ENGINES), help="all, or some of " + ",".join(ENGINES)
    )
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON", help="of the peers")
    parser.add_argument("--folder", type=Path, help="what is measured lies in here, for the time")
    parser.add_argument("--features", type=Path, help=".npy float32 [n, 4096], not made ones")
    parser.add_argument("--statistics", type=Path, default=STATISTICS, help="of features_like")
    parser.add_argument(
        "--queries", type=int, default=200, help="that none of the pictures is (200)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of the queries, one client (3)")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="of each number of clients (10)"
    )
    parser.add_argument("--limit-s", type=float, default=7_200.0, help="a step of an engine (7200)")
    parser.add_argument("--out", type=Path, help="the JSON file (results/search_<pictures>.json)")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(ENGINES):
        raise argparse.ArgumentTypeError(f"no engine {', '.join(unknown)}: {', '.join(ENGINES)}")
    return names


def _features(arguments: argparse.Namespace, folder: Path) -> Features:
    """The features, written to ``folder``, and what is nearest to each query."""
    if arguments.features is None:
        pictures = arguments.pictures
        need_bytes = int((1 + _ENGINE_SPACE) * pictures * UNITS * 4)
        require_space(folder, need_bytes, f"{pictures:,} pictures, features and an engine's files,")
        made = features_like(arguments.statistics, pictures + arguments.queries, _SEED)
        return write_features(folder, made, pictures, arguments.queries)
    given = np.load(arguments.features, mmap_mode="r")
    order = np.random.default_rng(_SEED).permutation(len(given))
    return write_features(
        folder, _rows(given, order), len(given) - arguments.queries, arguments.queries
    )


def _rows(given: Values, order: np.ndarray) -> Iterator[Values]:
    for start in range(0, len(order), 1_024):
        yield given[order[start : start + 1_024]]


def _source(arguments: argparse.Namespace) -> dict[str, Any]:
    path = arguments.features or arguments.statistics
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    how = "as they are in" if arguments.features else "made by the statistics in"
    return {"source": f"{how} {path.name}", "sha256": digest, "seed": _SEED}


def _write_thumbnails(folder: Path) -> None:
    """Thumbnails as the server makes them, of photos that come with a package."""
    folder.mkdir()
    for number, pixels in enumerate(crops(_THUMBNAILS)):
        (folder / f"{number:03d}.jpg").write_bytes(thumbnail(pixels))


def _measure(
    name: str, features: Features, folder: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Build, reopen and search in one process each; ``failed`` and why where one does not."""
    if features.pictures > MANY and name in _LEFT_OUT:
        return {"failed": _LEFT_OUT[name]}
    place = folder / name
    try:
        need_bytes = int(_ENGINE_SPACE * features.pictures * UNITS * 4)
        require_space(folder, need_bytes, f"{name} with {features.pictures:,} pictures")
        place.mkdir()
        row: dict[str, Any] = {"load_before": os.getloadavg()[0]}
        row |= _step("build", name, features, place, arguments)
        files = [path for path in place.rglob("*") if path.is_file()]
        row["disk_mb"] = round(sum(path.stat().st_blocks * 512 for path in files) / 1e6)
        # Opened as after a start of the machine; the features would push the engine's files out.
        forget(features.folder)
        row |= _step("open", name, features, place, arguments)
        return row | _step("search", name, features, place, arguments)
    except Refused as error:
        return {"failed": str(error)}
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _step(
    step: str, name: str, features: Features, place: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """What one step in a process of its own found.  Raises Refused where it did not get there."""
    path = features.folder / f"{name}.{step}.json"
    seconds, rounds = arguments.seconds, arguments.rounds
    pictures, at = features.pictures, str(features.folder)
    Job(name, step, at, pictures, str(place), seconds, rounds, name == "ours").write(path)
    python = arguments.peers if name in _PEERS else sys.executable
    command = [python, "-m", "benchmarks.searching.alone", str(path)]
    try:
        done = subprocess.run(command, check=False, timeout=arguments.limit_s, cwd=_root())  # noqa: S603
    except subprocess.TimeoutExpired:
        raise Refused(f"{step} took more than {arguments.limit_s:.0f} s") from None
    except OSError as error:
        raise Refused(f"{python} cannot be run: {error.strerror}") from None
    answer = path.with_suffix(".answer.json")
    if not answer.exists():
        raise Refused(f"{step} ended with status {done.returncode}")
    found: dict[str, Any] = json.loads(answer.read_text())
    if "failed" in found:
        raise Refused(found["failed"])
    return found


def _root() -> Path:
    return Path(__file__).parents[1]


def _memory_gb() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)


if __name__ == "__main__":
    sys.exit(main())
