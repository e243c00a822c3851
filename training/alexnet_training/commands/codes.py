"""``alexnet-train codes``: stored features -> the graph of a short code."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from alexnet_training.commands.flags import Commands, add_command, add_device_flag
from alexnet_training.errors import RecipeError
from alexnet_training.interrupt import deferred_interrupts


def add(commands: Commands) -> None:
    """Add the subcommand and its flags."""
    parser = add_command(commands, "codes", _run, "stored features -> the graph of a short code")
    parser.add_argument(
        "features",
        type=Path,
        metavar="FEATURES",
        help="what `alexnet-server index export` wrote, or a .npy file: float32 [pictures, units]",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the ONNX graph")
    parser.add_argument(
        "--bits", type=int, choices=(256, 512, 1024), default=256, help="of a picture's code (256)"
    )
    parser.add_argument(
        "--method",
        choices=("autoencoder", "itq"),
        default="autoencoder",
        help="section 6.1's autoencoder, or turned principal components (autoencoder)",
    )
    parser.add_argument(
        "--metric", choices=("l2", "cosine"), help="what is near (default: as in the index, l2)"
    )
    parser.add_argument("--epochs", type=int, default=40, help="of the autoencoder (40)")
    parser.add_argument("--seed", type=int, default=0, help="(0)")
    add_device_flag(parser)


def _run(options: argparse.Namespace) -> None:
    if options.epochs < 1:
        raise RecipeError(f"--epochs is {options.epochs}; it must be 1 or more")
    with deferred_interrupts("stopped; nothing was written") as between:
        from alexnet_training.codes.make import Order, make_codes  # noqa: PLC0415
        from alexnet_training.device import choose_device  # noqa: PLC0415

        order = Order(
            features=options.features,
            out=options.out,
            bits=options.bits,
            method=options.method,
            metric=options.metric,
            epochs=options.epochs,
            seed=options.seed,
        )
        made = make_codes(order, choose_device(options.device), between)
    print(json.dumps({"codes": str(options.out), **made}))
