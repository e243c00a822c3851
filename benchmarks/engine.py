"""Our engine against other runtimes: the same checkpoint, pictures and cores, in one process.

    .venv/bin/python -m benchmarks.engine --pictures photos/validation --calibration photos/train
    .venv/bin/python -m benchmarks.engine --rounds 9 --batches 1 32

Ours is the repository as deployed (two towers and one graph, fp32 and int8) by the server's own
engine.  The others run the same network unsplit: PyTorch, and PyTorch's ONNX export on ONNX
Runtime and OpenVINO.  Each must give our answers before it is timed; rounds are in turn, every
second one the other way.  With --pictures, int8's loss is measured on them by the server's engine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from alexnet_export.checkpoint import Checkpoint, load_checkpoint
from alexnet_export.parity import Answers
from alexnet_export.pictures import measured_pictures
from alexnet_export.precision import measure
from alexnet_repository.repository import open_repository
from alexnet_server.engine.local import LocalNetwork
from benchmarks.arguments import add_out, parser_of
from benchmarks.engines.deployed import deployed
from benchmarks.engines.peers import peers
from benchmarks.engines.rows import (
    Images,
    Way,
    agreement,
    interleaved,
    is_same,
    ratio,
    spread,
)
from benchmarks.result import RESULTS, heading, keep, measured_on

BATCHES = (1, 8, 32)
OURS = "ours fp32 towers"
_CHECKED = 4  # pictures whose answers are compared
_LOSS_BATCH = 32
_RESULTS = RESULTS / "engine.json"


def main() -> None:
    """Measure, print the table and write it as JSON."""
    arguments = _arguments()
    result = measured(arguments)
    sys.stdout.write(_text(result))
    keep(result, arguments.out)


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__, "exit codes: 0 measured, 1 answers differ, 2 wrong arguments")
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/clothing"))
    parser.add_argument("--pictures", type=Path, help="labelled photos to measure the loss on")
    parser.add_argument("--calibration", type=Path, help="photos to calibrate int8 on")
    parser.add_argument("--repositories", type=Path, help="folder that keeps what is deployed")
    parser.add_argument("--rounds", type=int, default=9, help="of each batch (9)")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="(1 8 32)")
    add_out(parser, _RESULTS)
    return parser.parse_args()


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """The whole result; SystemExit where a peer does not give our answers."""
    checkpoint, digest = load_checkpoint(arguments.checkpoint)
    pictures = measured_pictures(
        arguments.checkpoint,
        arguments.pictures,
        checkpoint.classes,
        checkpoint.dialect.image_side,
    )
    images = _images(checkpoint, max(arguments.batches), None if pictures is None else pictures)
    with tempfile.TemporaryDirectory(prefix="alexnet-engine-") as name:
        folder = Path(name)
        networks = _ours(arguments, folder)
        ours = {name: Way(name.split()[1], _features(one)) for name, one in networks.items()}
        ways = ours | peers(checkpoint, folder)
        agreed = _agreed(ways, images[:_CHECKED])
        rows = [_row(ways, images[:size], arguments.rounds) for size in arguments.batches]
        loss = None if pictures is None else _loss(networks, pictures)
    return {
        **measured_on("openvino", "onnxruntime", "torch", "numpy"),
        "checkpoint": digest,
        "pictures": "random" if pictures is None else "photos",
        "ways": {
            name: {"precision": way.precision, "note": way.note, **agreed[name]}
            for name, way in ways.items()
        },
        "batches": rows,
        "int8_loss": loss,
        "ratios": _ratios(rows),
    }


def _images(checkpoint: Checkpoint, count: int, pictures: Any) -> Images:  # noqa: ANN401
    side = checkpoint.dialect.image_side
    if pictures is not None:
        return np.ascontiguousarray(np.resize(pictures.images, (count, side, side, 3)))
    random = np.random.default_rng(2012)
    return random.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def _ours(arguments: argparse.Namespace, folder: Path) -> dict[str, LocalNetwork]:
    place = arguments.repositories or folder
    place.mkdir(parents=True, exist_ok=True)
    roots = deployed(arguments.checkpoint, place, arguments.calibration)
    return {f"ours {name}": LocalNetwork(open_repository(root)) for name, root in roots.items()}


def _features(network: LocalNetwork) -> Any:  # noqa: ANN401 (a closure)
    return lambda images: network.run(images).features


def _agreed(ways: dict[str, Way], images: Images) -> dict[str, dict[str, float]]:
    wanted = np.array(ways[OURS].run(images))
    found = {name: agreement(np.array(way.run(images)), wanted) for name, way in ways.items()}
    for name, way in ways.items():
        if not is_same(found[name], way.precision):
            sys.exit(f"{name} ({way.precision}) does not give our answers: {found[name]}")
    return found


def _row(ways: dict[str, Way], images: Images, rounds: int) -> dict[str, Any]:
    found = interleaved(ways, images, rounds)
    size = len(images)
    return {
        "size": size,
        "n": rounds,
        "ms": {
            name: {part: round(1000 * value, 3) for part, value in spread(times).items()}
            for name, times in found.items()
        },
        "pictures_per_s": {
            name: round(size / statistics.median(times), 1) for name, times in found.items()
        },
    }


def _loss(networks: dict[str, LocalNetwork], pictures: Any) -> dict[str, Any]:  # noqa: ANN401
    answers = {}
    for name in (OURS, "ours int8 towers"):
        parts = [
            networks[name].run(np.ascontiguousarray(pictures.images[at : at + _LOSS_BATCH]))
            for at in tqdm(range(0, len(pictures), _LOSS_BATCH), name, disable=None)
        ]
        answers[name] = Answers(
            features=np.concatenate([part.features for part in parts]),
            probabilities=np.concatenate([part.probabilities for part in parts]),
        )
    return measure(answers["ours int8 towers"], answers[OURS], pictures.labels).as_json()


def _ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """How many times as fast as its peer ours is, by what is compared."""
    medians = {
        row["size"]: {name: part["median"] for name, part in row["ms"].items()} for row in rows
    }
    asked = {
        "fp32 over ONNX Runtime at 32": (32, "ONNX Runtime", OURS),
        "int8 over PyTorch eager at 1": (1, "PyTorch eager", "ours int8 towers"),
        "int8 over PyTorch eager at 32": (32, "PyTorch eager", "ours int8 towers"),
    }
    found = {
        name: ratio(medians.get(size, {}), slower, faster)
        for name, (size, slower, faster) in asked.items()
    }
    return {name: value for name, value in found.items() if value is not None}


def _text(result: dict[str, Any]) -> str:
    lines = [heading(result), ""]
    for row in result["batches"]:
        lines.append(f"batch {row['size']}, n {row['n']}  median ms  [min, max]  pictures/s")
        for name, ms in row["ms"].items():
            about = result["ways"][name]
            lines.append(
                f"  {name:<20} {about['precision']:<5} {ms['median']:>9.2f}  "
                f"[{ms['min']:.2f}, {ms['max']:.2f}]  {row['pictures_per_s'][name]:>7.1f}  "
                f"{about['note']}"
            )
    lines += ["", "answers against ours in fp32: largest difference, cosine"]
    lines += [
        f"  {name:<20} {way['largest_difference']:.1e}  {way['cosine']:.5f}"
        for name, way in result["ways"].items()
    ]
    if result["int8_loss"] is not None:
        lines.append(f"int8's loss: {result['int8_loss']}")
    lines += [f"{name}: {value:.2f}" for name, value in result["ratios"].items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
