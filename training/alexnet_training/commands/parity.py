"""``alexnet-train parity``: PyTorch, ONNX Runtime and Triton on the same pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from alexnet_training.commands.flags import Commands, add_command
from alexnet_training.interrupt import deferred_interrupts


def add(commands: Commands) -> None:
    """Add the subcommand and its flags."""
    parser = add_command(
        commands, "parity", _run, "PyTorch, ONNX Runtime and Triton on the same pictures"
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a run or its weights")
    parser.add_argument(
        "--repository",
        type=Path,
        default=Path("model_repository"),
        metavar="FOLDER",
        help="where it is deployed; its manifest keeps the table",
    )
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="photos to compare on")
    parser.add_argument("--triton", metavar="HOST:PORT", help="a Triton that serves the repository")


def _run(options: argparse.Namespace) -> None:
    with deferred_interrupts("stopped; nothing was noted") as between:
        from alexnet_export.parity_table import markdown  # noqa: PLC0415
        from alexnet_training.parity import measure  # noqa: PLC0415

        table = measure(
            options.checkpoint, options.repository, options.pictures, options.triton, between
        )
    print(markdown(table))
