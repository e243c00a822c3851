"""What sharing passes costs one client alone and gives many, on the engine in process.

    .venv/bin/python -m benchmarks.batching
    .venv/bin/python -m benchmarks.batching --repository model_repository --rounds 9

``alone`` is the network called by each client's own thread, as without batching; ``shared`` is the
engine that gathers what comes during a pass.  Both run the same network in turn, so that they see
the same disturbances; the medians of the rounds are compared.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from alexnet_repository.repository import open_repository
from alexnet_server.call import Call
from alexnet_server.engine import Inference
from alexnet_server.engine.batching import Batch, BatchingEngine
from alexnet_server.engine.local import LocalNetwork
from benchmarks.arguments import add_out, parser_of
from benchmarks.result import RESULTS, heading, keep, measured_on
from benchmarks.towers import images_of

Images = npt.NDArray[np.uint8]
Ask = Callable[[Images], Inference]

CLIENTS = (1, 8, 32)
_PATIENCE_S = 60.0
_RESULTS = RESULTS / "batching.json"


def main() -> None:
    """Measure, print the table and write it as JSON."""
    arguments = _arguments()
    network = LocalNetwork(open_repository(arguments.repository))
    passes: list[int] = []
    engine = BatchingEngine(network, Batch(), lambda views, seconds: passes.append(views))
    ways: dict[str, Ask] = {
        "alone": network.run,
        "shared": lambda images: engine.infer(images, Call(_PATIENCE_S)),
    }
    images = images_of(1, network)
    rows = []
    for clients in CLIENTS:
        passes.clear()
        row = _row(ways, images, clients, arguments)
        rows.append(row | {"views_a_pass": round(statistics.mean(passes), 1)})
    engine.close()
    result = {
        **measured_on("openvino", "numpy"),
        "engine": network.describe(),
        "rounds": arguments.rounds,
        "seconds_a_round": arguments.seconds,
        "clients": rows,
    }
    sys.stdout.write(_text(result))
    keep(result, arguments.out)


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--rounds", type=int, default=9, help="of each number of clients (9)")
    parser.add_argument("--seconds", type=float, default=3.0, help="a round of each way (3)")
    add_out(parser, _RESULTS)
    return parser.parse_args()


def _row(
    ways: dict[str, Ask], images: Images, clients: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Medians over the rounds: pictures a second, and a client's median and p99 wait."""
    rates: dict[str, list[float]] = {way: [] for way in ways}
    waits_ms: dict[str, list[float]] = {way: [] for way in ways}
    late_ms: dict[str, list[float]] = {way: [] for way in ways}
    answers = 0
    for number in tqdm(range(arguments.rounds), f"{clients} clients", disable=None):
        # Every second round the other way: neither always follows the other.
        for way in list(ways) if number % 2 else reversed(ways):
            seconds, waits = _ask_at_once(ways[way], images, clients, arguments.seconds)
            rates[way].append(len(waits) / seconds)
            waits_ms[way].append(1000 * statistics.median(waits))
            late_ms[way].append(1000 * float(np.quantile(waits, 0.99)))
            answers += len(waits)
    median = {way: statistics.median(found) for way, found in waits_ms.items()}
    rate = {way: statistics.median(found) for way, found in rates.items()}
    return {
        "clients": clients,
        "n": answers,
        "pictures_per_s": {way: round(found, 1) for way, found in rate.items()},
        "median_ms": {way: round(found, 2) for way, found in median.items()},
        "p99_ms": {way: round(statistics.median(found), 2) for way, found in late_ms.items()},
        "shared_over_alone": {
            "pictures_per_s": round(rate["shared"] / rate["alone"], 3),
            "median_ms": round(median["shared"] / median["alone"], 3),
        },
    }


def _ask_at_once(
    ask: Ask, images: Images, clients: int, seconds: float
) -> tuple[float, list[float]]:
    """How long it took, and how long each answer, with ``clients`` that ask again at once."""
    waits: list[float] = []
    began = time.perf_counter()

    def keep_asking() -> None:
        while (sent := time.perf_counter()) < began + seconds:
            ask(images)
            waits.append(time.perf_counter() - sent)

    threads = [threading.Thread(target=keep_asking) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, waits


def _text(result: dict[str, Any]) -> str:
    lines = [
        heading(result),
        "",
        f"{'clients':>7}  {'n':>6}  {'alone/s':>8}  {'shared/s':>8}  {'ratio':>6}  "
        f"{'alone ms':>8}  {'shared ms':>9}  {'ratio':>6}  {'p99 ms':>15}  views a pass",
    ]
    for row in result["clients"]:
        rate, wait, p99 = row["pictures_per_s"], row["median_ms"], row["p99_ms"]
        ratio = row["shared_over_alone"]
        lines.append(
            f"{row['clients']:>7}  {row['n']:>6}  {rate['alone']:>8.1f}  {rate['shared']:>8.1f}  "
            f"{ratio['pictures_per_s']:>6.2f}  {wait['alone']:>8.1f}  {wait['shared']:>9.1f}  "
            f"{ratio['median_ms']:>6.2f}  {p99['alone']:>7.1f} {p99['shared']:>7.1f}  "
            f"{row['views_a_pass']:>12.1f}"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
