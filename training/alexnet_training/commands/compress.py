"""``alexnet-train compress``: a run -> one small file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from alexnet_training.commands.flags import Commands, add_command, add_photo_flags
from alexnet_training.errors import RecipeError
from alexnet_training.interrupt import deferred_interrupts

_MAX_BYTES = 8_000_000


def add(commands: Commands) -> None:
    """Add the subcommand and its flags."""
    parser = add_command(
        commands, "compress", _run, "a run -> one small file, RUN/compressed.alexnet"
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DATA",
        help="the photos to learn from and to measure on, as for fit (those of the run)",
    )
    parser.add_argument(
        "--max-bytes",
        type=int,
        default=_MAX_BYTES,
        metavar="N",
        help=f"of the file ({_MAX_BYTES:,})",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="the file; beside it FILE.json and FILE.png have every step (RUN/compressed.alexnet)",
    )
    parser.add_argument(
        "--about", metavar="TEXT", help="one sentence on what the model knows (that of the run)"
    )
    parser.add_argument("--epochs", type=int, default=8, help="to learn in (8)")
    parser.add_argument("--learning-rate", type=float, default=1e-4, help="the highest (1e-4)")
    parser.add_argument("--seed", type=int, default=0, help="(0)")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="keep decoded photos here, for other runs too"
    )
    add_photo_flags(parser)


def _run(options: argparse.Namespace) -> None:
    if options.max_bytes < 1:
        raise RecipeError(f"--max-bytes is {options.max_bytes}; it must be 1 or more")
    with deferred_interrupts("stopped; nothing was written") as between:
        from alexnet_training.compressing.run import Order, compress_run  # noqa: PLC0415
        from alexnet_training.device import choose_device  # noqa: PLC0415

        order = Order(
            run_folder=options.run_folder,
            data=options.data,
            out=options.out,
            about=options.about,
            max_bytes=options.max_bytes,
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            seed=options.seed,
            cache=options.cache,
            strict=options.strict,
            device=choose_device(options.device),
        )
        line = compress_run(order, between)
    print(json.dumps(line))
