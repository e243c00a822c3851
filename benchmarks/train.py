"""What training takes: our steps against a plain loop, on the same photos.

    .venv/bin/python -m benchmarks.train --pictures photos

The plain loop is a DataLoader that decodes with Pillow, the same network in the usual grouped way
with torch's own normalization, and SGD.  Ours is the step of ``alexnet-train fit``, whose photos
were decoded before.  The device's ceiling is its own rate in large products of matrices, and what a
step needs of it its convolutions and products.  All rows take turns, some steps each; the median
over the rounds is kept.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from alexnet_repository.memory import keep_memory
from alexnet_training.device import ResolvedPrecision, choose_device, choose_precision
from benchmarks.arguments import add_out, parser_of
from benchmarks.result import RESULTS, heading, keep, measured_on
from benchmarks.training.ceiling import operations, product
from benchmarks.training.our_loop import made_a_second, material_of, our_step
from benchmarks.training.plain_loop import plain_step

# A call, and how many photos (of the ceilings: floating point operations) it is.
Step = tuple[Callable[[], object], float]

_RESULTS = RESULTS / "train.json"
_PLAIN = "plain loop, fp32"
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def main() -> None:
    """Measure, print the table and write it as JSON."""
    arguments = _arguments()
    keep_memory()
    device = choose_device(arguments.device)
    with tempfile.TemporaryDirectory(prefix="alexnet-train-") as folder:
        began = time.perf_counter()
        material = material_of(arguments.pictures, Path(folder) / "photos")
        preparing_s = time.perf_counter() - began
        steps = _steps(arguments, material, device)
        needed = {name: operations(steps[name][0]) / steps[name][1] for name in steps}
        ceilings = {name: product(device, _DTYPES[name]) for name in _precisions(device)}
        rates = _rates(steps | ceilings, arguments)
        made = {
            preset: round(made_a_second(material, preset, arguments.batch_size, device), 1)
            for preset in ("paper", "modern")
        }
    count = len(material.training.labels) + len(material.validation.labels)
    medians = {name: statistics.median(found) for name, found in rates.items()}
    shares = {name: medians[name] * needed[name] / medians[name[-4:]] for name in steps}
    result = {
        **measured_on("torch", "pillow", "numpy"),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "processor",
        "batch_size": arguments.batch_size,
        "n": arguments.rounds,
        "prepared_a_second": round(count / preparing_s, 1),
        "batches_made_alone_a_second": made,
        "ceiling_gflop_a_second": {name: round(medians[name] / 1e9) for name in ceilings},
        "photos_a_second": {
            name: {
                "median": round(medians[name], 1),
                "least": round(min(rates[name]), 1),
                "most": round(max(rates[name]), 1),
                "over_plain": round(medians[name] / medians[_PLAIN], 2),
                "gflop_a_photo": round(needed[name] / 1e9, 2),
                "share_of_ceiling": round(shares[name], 3),
            }
            for name in steps
        },
    }
    sys.stdout.write(_text(result))
    keep(result, arguments.out)


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--pictures", type=Path, required=True, help="photos/train/<class>/*")
    parser.add_argument("--rounds", type=int, default=9, help="rounds over all rows (9)")
    parser.add_argument("--steps", type=int, default=3, help="steps of a row in a round (3)")
    parser.add_argument("--batch-size", type=int, default=64, help="photos a step (64)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:0 (auto)")
    add_out(parser, _RESULTS)
    return parser.parse_args()


def _precisions(device: torch.device) -> tuple[ResolvedPrecision, ...]:
    return ("fp32", "bf16") if choose_precision("auto", device) == "bf16" else ("fp32",)


def _steps(arguments: argparse.Namespace, material: Any, device: torch.device) -> dict[str, Step]:  # noqa: ANN401
    size, cores = arguments.batch_size, os.cpu_count() or 1
    train = arguments.pictures / "train"
    found: dict[str, Callable[[], object]] = {
        _PLAIN: plain_step(train, size, cores, device, bf16=False),
        "plain loop, bf16": plain_step(train, size, cores, device, bf16=True),
        "paper, fp32": our_step(material, "paper", size, device, "fp32"),
    }
    if "bf16" in _precisions(device):
        for preset in ("paper", "modern"):
            found[f"{preset}, bf16"] = our_step(material, preset, size, device, "bf16")
    else:
        del found["plain loop, bf16"]
    return {name: (step, size) for name, step in found.items()}


def _rates(steps: dict[str, Step], arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Photos, or operations, a second of each round, after one that is not counted."""
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for number in tqdm(range(arguments.rounds + 1), "rounds", disable=None):
        for name in list(steps) if number % 2 else list(reversed(steps)):
            step, size = steps[name]
            began = time.perf_counter()
            for _ in range(arguments.steps):
                step()  # gives the loss as a number, or waits: a GPU has finished then
            taken_s = time.perf_counter() - began
            if number:
                rates[name].append(arguments.steps * size / taken_s)
    return rates


def _text(result: dict[str, Any]) -> str:
    rows = "".join(
        f"{name:>34}  {one['median']:8.1f} a second ({one['least']:.1f} to {one['most']:.1f})"
        f"  {one['over_plain']:6.2f}x  {one['share_of_ceiling']:6.1%} of the ceiling\n"
        for name, one in result["photos_a_second"].items()
    )
    made = ", ".join(
        f"{preset} {rate:.0f}" for preset, rate in result["batches_made_alone_a_second"].items()
    )
    ceilings = ", ".join(
        f"{name} {rate:,}" for name, rate in result["ceiling_gflop_a_second"].items()
    )
    return (
        f"{heading(result)}, {result['device']}\nbatches of {result['batch_size']}, "
        f"n {result['n']}; prepared before: {result['prepared_a_second']:.0f} a second\n{rows}"
        f"crops and colours alone, photos a second: {made}\n"
        f"ceiling, GFLOP a second: {ceilings}\n"
    )


if __name__ == "__main__":
    main()
