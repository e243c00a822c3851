"""How cost grows with cores, batch, picture size and clients, as JSON and drawn.

    .venv/bin/python -m benchmarks.serving.growth --pictures photos/validation \
        --repository model_repository --peers-python /tmp/peers/bin/python

Cores: the network on batches of 32, in a process held to 1, 2, ... of this machine's cores.  Batch:
the network on all of them.  Picture size: decoding one photo, resized, on one core.  Clients: our
server over HTTP.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from alexnet_pixels.decode import decode
from alexnet_repository.repository import open_repository
from alexnet_server.engine.local import LocalNetwork
from benchmarks.arguments import add_out, parser_of
from benchmarks.engines.rows import spread
from benchmarks.result import RESULTS, keep, measured_on
from benchmarks.serve import load, pictures_below
from benchmarks.serving.servers import ours

_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_SIDES = (256, 512, 1024, 2048, 4096)
_CLIENTS = (1, 2, 4, 8, 16, 32)
_MOST = 64
_SECONDS = 0.5  # a round of one point
_RESULTS = RESULTS / "growth.json"


def main() -> None:
    """Measure, keep the JSON, and draw it where a Python with matplotlib is named."""
    arguments = _arguments()
    if arguments.cores is not None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
        json.dump(_network(arguments.repository, 32, arguments.rounds), sys.stdout)
        return
    pictures = pictures_below(arguments.pictures)
    growth = {
        "cores": [_on_cores(count) for count in range(1, len(os.sched_getaffinity(0)) + 1)],
        "batch": [
            {"at": size, "pictures_per_s": _network(arguments.repository, size, arguments.rounds)}
            for size in _BATCHES
        ],
        "photo's side": _sizes(Path(pictures[0]), arguments.rounds),
        "clients": _clients(arguments, pictures),
    }
    result = {**measured_on("openvino", "numpy"), "rounds": arguments.rounds, "growth": growth}
    keep(result, arguments.out)
    for name, points in growth.items():
        for point in points:
            sys.stdout.write(f"{name} {point['at']}: {point['pictures_per_s']}\n")
    if arguments.peers_python:
        drawing = Path(__file__).with_name("drawing.py")
        command = [
            arguments.peers_python,
            drawing,
            arguments.out,
            arguments.out.with_suffix(".png"),
        ]
        subprocess.run(command, check=True)  # noqa: S603


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--pictures", type=Path, required=True, help="folder of photos")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--peers-python", type=Path, help="with matplotlib (none: not drawn)")
    parser.add_argument("--rounds", type=int, default=5, help="of each point (5)")
    parser.add_argument("--cores", type=int, help="measure on that many and print it, nothing else")
    add_out(parser, _RESULTS)
    return parser.parse_args()


def _on_cores(count: int) -> dict[str, Any]:
    """The network in a process of its own: threads are made when it is loaded."""
    command = [sys.executable, "-m", "benchmarks.serving.growth", *sys.argv[1:]]
    done = subprocess.run(  # noqa: S603  this module
        [*command, "--cores", str(count)], check=True, stdout=subprocess.PIPE
    )
    return {"at": count, "pictures_per_s": json.loads(done.stdout)}


def _network(repository: Path, size: int, rounds: int) -> dict[str, float]:
    network = LocalNetwork(open_repository(repository))
    side = network.view_side
    images = np.random.default_rng(2012).integers(0, 256, (size, side, side, 3), dtype=np.uint8)
    return _rates(lambda: len(network.run(images).features), rounds)


def _sizes(photo: Path, rounds: int) -> list[dict[str, Any]]:
    points = []
    with Image.open(photo) as picture:
        for side in _SIDES:
            content = io.BytesIO()
            picture.convert("RGB").resize((side, side)).save(content, "JPEG", quality=90)
            one = content.getvalue()
            points.append({"at": side, "pictures_per_s": _rates(_decoding(one), rounds)})
    return points


def _decoding(content: bytes) -> Callable[[], int]:
    def work() -> int:
        decode(content)
        return 1

    return work


def _clients(arguments: argparse.Namespace, pictures: list[str]) -> list[dict[str, Any]]:
    points = []
    with (
        tempfile.TemporaryDirectory(prefix="alexnet-growth-") as folder,
        ours(arguments.repository, Path(folder), "fp32", _MOST) as server,
    ):
        for clients in _CLIENTS:
            rounds = [load(server, (pictures, 224), clients, 2.0) for _ in range(arguments.rounds)]
            rates = [len(one["waits_s"]) / one["seconds"] for one in rounds]
            points.append({"at": clients, "pictures_per_s": spread(rates)})
    return points


def _rates(work: Callable[[], int], rounds: int) -> dict[str, float]:
    work()  # not counted
    rates = []
    for _ in range(rounds):
        done, began = 0, time.perf_counter()
        while (spent := time.perf_counter() - began) < _SECONDS:
            done += work()
        rates.append(done / spent)
    return spread(rates)


if __name__ == "__main__":
    main()
