"""What each part of the paper's network is worth: the same short training without one of them.

    .venv/bin/python -m benchmarks.ablations --pictures photos --runs runs/ablations --seeds 3

Every variant is trained with every seed by the same recipe (``modern`` without batch normalization,
which makes up for much of what is left out), on photos that are decoded once.  A run that is
complete is not trained again, so the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.arguments import add_out, parser_of
from benchmarks.result import RESULTS, heading, keep, measured_on

_RESULTS = RESULTS / "ablations.json"
_TRAIN = (sys.executable, "-m", "alexnet_training.cli", "fit")
_RECIPE = ("--no-batch-norm", "--learning-rate", "3e-4", "--no-report")
VARIANTS = {
    "the paper's network": (),
    "no normalization": ("--dialect", "no-norm"),
    "no overlapping pools": ("--dialect", "no-overlap"),
    "one tower": ("--dialect", "onetower"),
    "no exchange between towers": ("--dialect", "no-exchange"),
    "no colour noise": ("--colour-noise", "0"),
    "tanh": ("--dialect", "tanh"),
}


def main() -> None:
    """Train what is missing, print the table and write it as JSON."""
    arguments = _arguments()
    rows = []
    for seed in range(arguments.seeds):
        for number, flags in enumerate(VARIANTS.values()):
            _train(arguments, number, flags, seed)
    for number, name in enumerate(VARIANTS):
        found = [_metrics(arguments.runs, number, seed) for seed in range(arguments.seeds)]
        rows.append({"variant": name, **_spread(found)})
    result = {
        **measured_on("torch", "numpy"),
        "epochs": arguments.epochs,
        "n": arguments.seeds,
        "validation_photos": _metrics(arguments.runs, 0, 0)["n"],
        "rows": rows,
    }
    sys.stdout.write(_text(result))
    keep(result, arguments.out)


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__, "exit codes: 0 measured, 1 a run failed, 2 wrong arguments")
    parser.add_argument("--pictures", type=Path, required=True, help="photos/train/<class>/*, ...")
    parser.add_argument("--runs", type=Path, required=True, help="where the runs are kept")
    parser.add_argument("--epochs", type=int, default=6, help="epochs of a run (6)")
    parser.add_argument("--seeds", type=int, default=3, help="runs of a variant (3)")
    add_out(parser, _RESULTS)
    return parser.parse_args()


def _place(runs: Path, number: int, seed: int) -> Path:
    return runs / f"{number}-seed{seed}"


def _train(arguments: argparse.Namespace, number: int, flags: tuple[str, ...], seed: int) -> None:
    out = _place(arguments.runs, number, seed)
    command = [*_TRAIN, arguments.pictures, "--out", out, "--cache", arguments.runs / "cache"]
    command += [*_RECIPE, "--epochs", str(arguments.epochs), "--seed", str(seed), *flags]
    if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:  # noqa: S603
        sys.exit(1)  # it has said why


def _metrics(runs: Path, number: int, seed: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_place(runs, number, seed) / "metrics.json").read_bytes())
    return found


def _spread(found: list[dict[str, Any]]) -> dict[str, Any]:
    top1 = [one["top1"] for one in found]
    loss = [one["history"][-1]["loss"] for one in found]
    return {
        "top1": {"mean": statistics.mean(top1), "least": min(top1), "most": max(top1)},
        "loss": {"mean": statistics.mean(loss), "least": min(loss), "most": max(loss)},
    }


def _text(result: dict[str, Any]) -> str:
    rows = "".join(
        f"{row['variant']:>28}  top-1 {row['top1']['mean']:.1%} "
        f"({row['top1']['least']:.1%} to {row['top1']['most']:.1%})  "
        f"loss {row['loss']['mean']:.3f}\n"
        for row in result["rows"]
    )
    return (
        f"{heading(result)}\n{result['epochs']} epochs, {result['n']} seeds, "
        f"{result['validation_photos']} validation photos\n{rows}"
    )


if __name__ == "__main__":
    main()
