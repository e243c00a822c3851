r"""Our server against others over HTTP: real JPEGs in, labels out, at 1, 8 and 32 clients.

    python3 -m venv /tmp/peers
    /tmp/peers/bin/pip install -r benchmarks/requirements.txt
    .venv/bin/python -m benchmarks.serve --pictures photos/validation \
        --peers-python /tmp/peers/bin/python

Each server is a process of its own and stays up; one at a time is loaded, by a generator that is
another process on the same cores and whose CPU seconds are stated.  Rounds are in turn, every
second one the other way.  The ceiling is what decoding and the network alone would allow.
Triton decodes nothing: its clients do, and that work is in the generator's CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from alexnet_repository.repository import open_repository
from benchmarks.arguments import add_out, parser_of
from benchmarks.engines.deployed import deployed
from benchmarks.engines.rows import order, spread
from benchmarks.result import RESULTS, keep, measured_on
from benchmarks.serving.ceiling import ceiling
from benchmarks.serving.servers import Served, ours, peer, triton
from benchmarks.serving.table import text
from benchmarks.serving.torchserve import torchserve
from benchmarks.serving.tree import Peak, cpu_s

CLIENTS = (1, 8, 32)
OURS = "ours fp32"
_PICTURES = 128
_MOST = 64  # requests that our server lets in: more than there are clients
_WARM_S = 1.0
_RESULTS = RESULTS / "serve.json"


def main() -> None:
    """Measure, print the table and write it as JSON."""
    arguments = _arguments()
    result = measured(arguments)
    sys.stdout.write(text(result))
    keep(result, arguments.out)


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--pictures", type=Path, required=True, help="folder of photos")
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/clothing"))
    parser.add_argument("--calibration", type=Path, help="photos to calibrate int8 on")
    parser.add_argument("--peers-python", type=Path, help="with Flask and LitServe (none: without)")
    parser.add_argument("--no-triton", action="store_true", help="leave the local Triton out")
    parser.add_argument("--repositories", type=Path, help="folder that keeps what is deployed")
    parser.add_argument("--rounds", type=int, default=5, help="of each server and load (5)")
    parser.add_argument("--seconds", type=float, default=5.0, help="a round (5)")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS, help="(1 8 32)")
    add_out(parser, _RESULTS)
    return parser.parse_args()


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """The whole result."""
    pictures = pictures_below(arguments.pictures)
    with tempfile.TemporaryDirectory(prefix="alexnet-serve-") as name, ExitStack() as stack:
        folder = Path(name)
        repositories = _deployed(arguments, folder)
        side = open_repository(repositories["fp32"]).view_side
        limits = {name: ceiling(root, pictures) for name, root in repositories.items()}
        servers, missing = _started(stack, arguments, repositories, folder)
        labels: dict[str, dict[str, int]] = {name: {} for name in servers}
        rows = [
            _row(servers, (pictures, side), clients, arguments, labels)
            for clients in arguments.clients
        ]
    return {
        **measured_on("openvino", "waitress", "flask"),
        "pictures": len(pictures),
        "rounds": arguments.rounds,
        "seconds_a_round": arguments.seconds,
        "missing": missing,
        "precision": {name: server.precision for name, server in servers.items()},
        "same_top1": {name: _same(found, labels[OURS]) for name, found in labels.items()},
        "ceiling": limits,
        "clients": rows,
        "ratios": _ratios(rows, {name: one["pictures_per_s"] for name, one in limits.items()}),
    }


def pictures_below(folder: Path) -> list[str]:
    """Up to 128 JPEGs, spread over the folder."""
    found = sorted(
        str(path) for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg")
    )
    if not found:
        sys.exit(f"there is no JPEG below {folder}: name a folder of photos with --pictures")
    return found[:: max(1, len(found) // _PICTURES)][:_PICTURES]


def _deployed(arguments: argparse.Namespace, folder: Path) -> dict[str, Path]:
    place = arguments.repositories or folder
    place.mkdir(parents=True, exist_ok=True)
    roots = deployed(arguments.checkpoint, place, arguments.calibration, ("towers",))
    return {name.split()[0]: root for name, root in roots.items()}


def _started(
    stack: ExitStack, arguments: argparse.Namespace, roots: dict[str, Path], folder: Path
) -> tuple[dict[str, Served], dict[str, str]]:
    """The servers by name, and why those that are missing are."""
    python = arguments.peers_python
    wanted: dict[str, Any] = {
        f"ours {precision}": ours(root, folder, precision, _MOST)
        for precision, root in roots.items()
    }
    missing = {}
    if python is None:
        missing = dict.fromkeys(
            ("Flask, PyTorch", "LitServe", "TorchServe"), "no --peers-python was given"
        )
    else:
        wanted["Flask, PyTorch"] = peer(python, "flask", arguments.checkpoint, folder)
        wanted["LitServe"] = peer(python, "litserve", arguments.checkpoint, folder)
        wanted["TorchServe"] = torchserve(python, arguments.checkpoint, folder)
    if not arguments.no_triton:
        wanted["Triton"] = triton(roots["fp32"], folder)
    servers = {}
    for name, starting in wanted.items():
        try:
            servers[name] = stack.enter_context(starting)
        except RuntimeError as error:
            missing[name] = str(error)
    return servers, missing


def _row(
    servers: dict[str, Served],
    asked: tuple[list[str], int],
    clients: int,
    arguments: argparse.Namespace,
    labels: dict[str, dict[str, int]],
) -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in servers}
    for number in tqdm(range(arguments.rounds), f"{clients} clients", disable=None):
        for name in order(list(servers), number):
            one = load(servers[name], asked, clients, arguments.seconds)
            labels[name] |= one.pop("labels")
            found[name].append(one)
    return {"clients": clients, "servers": {name: _summary(parts) for name, parts in found.items()}}


def load(
    server: Served, asked: tuple[list[str], int], clients: int, seconds: float
) -> dict[str, Any]:
    """One round: what the generator found, and what the server used meanwhile."""
    pictures, side = asked
    job = {
        "kind": server.kind,
        "port": server.port,
        "path": server.path,
        "side": side,
        "pictures": pictures,
        "clients": clients,
        "seconds": seconds,
        "warm_s": _WARM_S,
    }
    with (
        Peak(server.pid) as peak,
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.serving.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as generator,
    ):
        assert generator.stdin and generator.stdout and generator.stderr
        generator.stdin.write(json.dumps(job))
        generator.stdin.close()
        said = generator.stderr.readline()
        before = cpu_s(server.pid)
        found = generator.stdout.read()
        used = cpu_s(server.pid) - before
        said += generator.stderr.read()
    if generator.returncode != 0:
        raise RuntimeError(f"the load generator failed: {said[-2000:]}")
    return {**json.loads(found), "server_cpu_s": used, "rss_mb": peak.mb}


def _summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    waits_ms = 1000 * np.concatenate([np.array(one["waits_s"]) for one in rounds])
    rates = [len(one["waits_s"]) / one["seconds"] for one in rounds]
    errors = [error for one in rounds for error in one["errors"]]
    answers, seconds = (sum(one[part] for one in rounds) for part in ("answers", "whole_s"))
    if not len(waits_ms):
        sys.exit(f"a server gave no answer: {errors[:3]}")
    return {
        "n": len(waits_ms),
        "pictures_per_s": {part: round(rate, 1) for part, rate in spread(rates).items()},
        "p50_ms": round(float(np.quantile(waits_ms, 0.5)), 2),
        "p99_ms": round(float(np.quantile(waits_ms, 0.99)), 2),
        "cpu_s_a_thousand": round(1000 * sum(one["server_cpu_s"] for one in rounds) / answers, 2),
        "generator_cores": round(sum(one["cpu_s"] for one in rounds) / seconds, 3),
        "peak_rss_mb": round(max(one["rss_mb"] for one in rounds)),
        "errors": len(errors),
        "first_error": errors[0] if errors else None,
    }


def _same(found: dict[str, int], wanted: dict[str, int]) -> float:
    """The share of the pictures that both named, whose likeliest class is the same."""
    both = found.keys() & wanted.keys()
    return round(sum(found[key] == wanted[key] for key in both) / max(1, len(both)), 4)


def _ratios(rows: list[dict[str, Any]], limits: dict[str, float]) -> dict[str, float]:
    """Ours, in each precision, over its ceiling and over each other server, at the most clients."""
    row = max(rows, key=lambda one: one["clients"])
    rates = {name: part["pictures_per_s"]["median"] for name, part in row["servers"].items()}
    others = {name: rate for name, rate in rates.items() if not name.startswith("ours")}
    ratios = {}
    for precision, limit in limits.items():
        mine = rates[f"ours {precision}"]
        for name, rate in {"the ceiling": limit, **others}.items():
            ratios[f"ours {precision} over {name} at {row['clients']}"] = round(mine / rate, 3)
    return ratios


if __name__ == "__main__":
    main()
