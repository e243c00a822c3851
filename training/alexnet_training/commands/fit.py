"""``alexnet-train fit``: photos in folders -> a checkpoint."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from alexnet_training.commands.flags import Commands, add_command, add_photo_flags
from alexnet_training.commands.recipe_flags import add_recipe_flags, recipe_from_flags
from alexnet_training.interrupt import deferred_interrupts
from alexnet_training.recipe import Recipe


def add(commands: Commands) -> None:
    """Add the subcommand and its flags."""
    parser = add_command(commands, "fit", _run, "photos in folders -> a checkpoint")
    parser.add_argument(
        "data",
        type=Path,
        metavar="DATA",
        help="DATA/train/<class>/* and DATA/validation/<class>/*, or DATA/<class>/*, of which one "
        "in five is kept for validation",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder")
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="CHECKPOINT",
        help="fine-tune these weights, with their dialect, mean image and scale: a new classifier "
        "where the classes differ, and --learn-last K layers, all others kept as they are",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="keep decoded photos here, for other runs too (RUN/cache, while the run goes on)",
    )
    parser.add_argument(
        "--leave-out-duplicates",
        action="store_true",
        help="train without photos that are in the validation half too; else they are refused",
    )
    parser.add_argument(
        "--report",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="draw RUN/report.html and RUN/figures/*.png at the end",
    )
    parser.add_argument("--about", metavar="TEXT", help="one sentence on what the model knows")
    add_photo_flags(parser)
    add_recipe_flags(parser)


def _run(options: argparse.Namespace) -> None:
    recipe: Recipe = recipe_from_flags(options, starts_from=options.start is not None)
    with deferred_interrupts(
        f"stopped; {options.out} keeps the last whole epoch: the same command again goes on from it"
    ) as between:
        from alexnet_training.device import choose_devices  # noqa: PLC0415
        from alexnet_training.fit import Order, fit  # noqa: PLC0415
        from alexnet_training.processes import joined  # noqa: PLC0415

        with joined(choose_devices(options.device)) as (processes, devices):
            order = Order(
                data=options.data,
                out=options.out,
                recipe=recipe,
                devices=devices,
                processes=processes,
                start=options.start,
                dialect=options.dialect,
                about=options.about,
                strict=options.strict,
                is_drawn=options.report,
                cache=options.cache,
                leave_out_duplicates=options.leave_out_duplicates,
            )
            metrics = fit(order, between)
    if processes.is_first:
        found = {name: metrics[name] for name in ("top1", "top5", "n", "digest")}
        print(json.dumps({"checkpoint": str(options.out), **found}))
