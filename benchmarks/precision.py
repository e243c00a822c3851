"""What int8 gains on this processor: fp32 against int8, the single graph in process.

    .venv/bin/python -m benchmarks.precision --calibration photos/train

Both are deployed to a temporary folder and run by the embedded engine in turn; medians are
compared.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from alexnet_export.deploy import Deployment, deploy
from alexnet_export.precision import Precision
from alexnet_repository.repository import open_repository
from alexnet_server.engine.local import LocalNetwork
from benchmarks.arguments import add_out, parser_of
from benchmarks.result import RESULTS, keep, measured_on
from benchmarks.towers import BATCHES, images_of, order, seconds

_RESULTS = RESULTS / "precision.json"
_CALLS = {1: 6, 8: 2, 32: 1}


def main() -> None:
    """Measure, print the table and write it as JSON."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="alexnet-precision-") as folder:
        engines, losses = {}, {}
        for precision in ("fp32", "int8"):
            root = Path(folder, precision)
            manifest, _ = deploy(
                arguments.checkpoint,
                Deployment(
                    root,
                    layout="single",
                    precision=_precision(precision),
                    pictures=arguments.pictures,
                    calibration=arguments.calibration,
                ),
            )
            engines[precision] = LocalNetwork(open_repository(root))
            losses[precision] = manifest["precision_loss"]
        rows = [_batch(engines, size, arguments.repeats) for size in BATCHES]
    result = {
        **measured_on("openvino", "numpy"),
        "loss": losses["int8"],
        "batches": rows,
    }
    for row in rows:
        rates = row["pictures_per_s"]
        sys.stdout.write(
            f"batch {row['size']:>2}, n {row['n']}: fp32 {rates['fp32']:.0f}, int8 "
            f"{rates['int8']:.0f} pictures/s, {row['int8_over_fp32']:.2f}x\n"
        )
    keep(result, arguments.out)


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/clothing"))
    parser.add_argument("--calibration", type=Path, help="photos to calibrate int8 on")
    parser.add_argument("--pictures", type=Path, help="photos to measure the loss on")
    parser.add_argument("--repeats", type=int, default=15, help="rounds of each batch (15)")
    add_out(parser, _RESULTS)
    return parser.parse_args()


def _precision(name: str) -> Precision:
    return "int8" if name == "int8" else "fp32"


def _batch(engines: dict[str, LocalNetwork], size: int, repeats: int) -> dict[str, Any]:
    images = images_of(size, engines["fp32"])
    found: dict[str, list[float]] = {precision: [] for precision in engines}
    for number in tqdm(range(repeats), f"batch {size}", disable=None):
        for precision in order(engines, number):
            found[precision].append(seconds(engines[precision], images, _CALLS[size]))
    rates = {name: size / statistics.median(times) for name, times in found.items()}
    return {
        "size": size,
        "n": repeats,
        "pictures_per_s": {name: round(rate, 1) for name, rate in rates.items()},
        "int8_over_fp32": round(rates["int8"] / rates["fp32"], 3),
    }


if __name__ == "__main__":
    main()
