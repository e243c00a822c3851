"""What the split costs in process: the two towers against the single graph, on the same machine.

    .venv/bin/python -m benchmarks.towers
    .venv/bin/python -m benchmarks.towers --checkpoint runs/mine --repeats 31

Both layouts of one checkpoint are deployed to a temporary folder and run by the embedded engine
in turn, so that both see the same disturbances; medians are compared.  The second table has several
threads calling at once with one picture each, as a server does.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from alexnet_export.deploy import Deployment, deploy
from alexnet_export.proof import LAYOUTS
from alexnet_repository.repository import open_repository
from alexnet_server.engine.local import LocalNetwork
from benchmarks.arguments import add_out, parser_of
from benchmarks.result import RESULTS, heading, keep, measured_on

Engines = dict[str, LocalNetwork]
Images = npt.NDArray[np.uint8]

BATCHES = (1, 8, 32)
CALLERS = (1, 2, 8)
# A short measurement sees the scheduler more than the network: repeat inside it.
_MEASURE_S = 0.1
# ONNX Runtime's idle threads spin on for some 25 ms, on the cores of whoever is measured next.
_SETTLE_S = 0.1
_CALLING_S = 2.0
_CALLING_ROUNDS = 5
_RESULTS = RESULTS / "towers.json"


def main() -> None:
    """Measure, print the tables and write them as JSON."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="alexnet-towers-") as folder:
        engines = _engines(arguments.checkpoint, Path(folder))
        result = {
            **measured_on("openvino", "numpy"),
            "layouts": {layout: engine.describe() for layout, engine in engines.items()},
            "batches": [_batch(engines, size, arguments.repeats) for size in BATCHES],
            "callers": [_callers(engines, count) for count in CALLERS],
        }
    sys.stdout.write(_text(result))
    keep(result, arguments.out)


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/clothing"))
    parser.add_argument("--repeats", type=int, default=15, help="rounds of each batch (15)")
    add_out(parser, _RESULTS)
    return parser.parse_args()


def _engines(checkpoint: Path, folder: Path) -> Engines:
    engines = {}
    for layout in LAYOUTS:
        root = folder / layout
        deploy(checkpoint, Deployment(root, layout=layout))
        engines[layout] = LocalNetwork(open_repository(root))
    return engines


def images_of(count: int, network: LocalNetwork) -> Images:
    """Random pixels, uint8 [count, side, side, 3], of the side that ``network`` takes."""
    random = np.random.default_rng(2012)
    side = network.view_side
    return random.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def _batch(engines: Engines, size: int, repeats: int) -> dict[str, Any]:
    """Median milliseconds of one ``infer`` by layout, and their ratio."""
    images = images_of(size, engines["single"])
    calls = max(
        1, round(_MEASURE_S / min(seconds(engine, images, 2) for engine in engines.values()))
    )
    found: dict[str, list[float]] = {layout: [] for layout in engines}
    busy_before, began = _busy_s(), time.perf_counter()
    for number in tqdm(range(repeats), f"batch {size}", disable=None):
        for layout in order(engines, number):
            found[layout].append(seconds(engines[layout], images, calls))
    elsewhere = (_busy_s() - busy_before) / (time.perf_counter() - began)
    medians = {layout: statistics.median(times) for layout, times in found.items()}
    return {
        "size": size,
        "n": repeats,
        "calls_each": calls,
        "median_ms": {layout: round(1000 * median, 2) for layout, median in medians.items()},
        "fastest_ms": {layout: round(1000 * min(times), 2) for layout, times in found.items()},
        "towers_over_single": round(medians["towers"] / medians["single"], 3),
        "cores_busy_with_others": round(elsewhere, 2),
    }


def _callers(engines: Engines, count: int) -> dict[str, Any]:
    """Median pictures a second by layout, ``count`` threads calling at once, and their ratio."""
    images = images_of(1, engines["single"])
    found: dict[str, list[float]] = {layout: [] for layout in engines}
    for number in tqdm(range(_CALLING_ROUNDS), f"{count} callers", disable=None):
        for layout in order(engines, number):
            found[layout].append(_pictures_per_s(engines[layout], images, count))
    medians = {layout: statistics.median(rates) for layout, rates in found.items()}
    return {
        "callers": count,
        "n": _CALLING_ROUNDS,
        "pictures_per_s": {layout: round(median, 1) for layout, median in medians.items()},
        "towers_over_single": round(medians["towers"] / medians["single"], 3),
    }


def order(engines: Engines, number: int) -> list[str]:
    """Whose turn it is in round ``number``."""
    # Every second round the other way: neither layout always follows the other.
    return list(engines) if number % 2 else list(reversed(engines))


def seconds(engine: LocalNetwork, images: Images, calls: int) -> float:
    """Seconds of one ``infer``, over ``calls`` of them after one that is not counted."""
    time.sleep(_SETTLE_S)
    engine.run(images)
    began = time.perf_counter()
    for _ in range(calls):
        engine.run(images)
    return (time.perf_counter() - began) / calls


def _pictures_per_s(engine: LocalNetwork, images: Images, callers: int) -> float:
    answered = itertools.count()
    time.sleep(_SETTLE_S)
    began = time.perf_counter()

    def call() -> None:
        while time.perf_counter() - began < _CALLING_S:
            engine.run(images)
            next(answered)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return next(answered) / (time.perf_counter() - began)


def _busy_s() -> float:
    """Seconds that the machine's cores were busy with other processes since it started."""
    user, nice, system, _, _, *interrupts = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    )
    busy = (user + nice + system + sum(interrupts[:3])) / os.sysconf("SC_CLK_TCK")
    own = os.times()
    return busy - own.user - own.system


def _text(result: dict[str, Any]) -> str:
    lines = [
        heading(result),
        "",
        f"{'batch':>7}  {'n':>3}  {'single ms':>9}  {'towers ms':>9}  {'towers/single':>13}  "
        f"{'fastest':>7}  others",
    ]
    for row in result["batches"]:
        median, fastest = row["median_ms"], row["fastest_ms"]
        lines.append(
            f"{row['size']:>7}  {row['n']:>3}  {median['single']:>9.1f}  {median['towers']:>9.1f}  "
            f"{row['towers_over_single']:>13.2f}  {fastest['towers'] / fastest['single']:>7.2f}  "
            f"{row['cores_busy_with_others']:.2f} cores"
        )
    lines += ["", f"{'callers':>7}  {'n':>3}  {'single/s':>9}  {'towers/s':>9}  towers/single"]
    for row in result["callers"]:
        rate = row["pictures_per_s"]
        lines.append(
            f"{row['callers']:>7}  {row['n']:>3}  {rate['single']:>9.1f}  {rate['towers']:>9.1f}  "
            f"{row['towers_over_single']:>13.2f}"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
