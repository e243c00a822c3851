"""``alexnet-train compare``: where two networks say something else of the same photos."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from alexnet_training.commands.flags import Commands, add_command, add_photo_flags
from alexnet_training.interrupt import deferred_interrupts


def add(commands: Commands) -> None:
    """Add the subcommand and its flags."""
    parser = add_command(
        commands, "compare", _run, "where two networks say something else of the same photos"
    )
    parser.add_argument("first", type=Path, metavar="CHECKPOINT", help="a run, its weights or file")
    parser.add_argument("second", type=Path, metavar="OTHER", help="one of the same classes")
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="DATA/validation/<class>/*, or DATA/<class>/*"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    add_photo_flags(parser)


def _run(options: argparse.Namespace) -> None:
    with deferred_interrupts("stopped") as between:
        from alexnet_export.checkpoint import load_checkpoint, write_whole  # noqa: PLC0415
        from alexnet_training.device import choose_device  # noqa: PLC0415
        from alexnet_training.evaluation.answers import labelled_photos  # noqa: PLC0415
        from alexnet_training.evaluation.averaging import answers_of  # noqa: PLC0415
        from alexnet_training.evaluation.comparison import compare  # noqa: PLC0415

        checkpoints = [load_checkpoint(place)[0] for place in (options.first, options.second)]
        classes = checkpoints[0].classes
        with labelled_photos(
            options.data, classes, strict=options.strict, between=between
        ) as photos:
            first, second = answers_of(
                checkpoints, photos.pixels, choose_device(options.device), "fp32", between=between
            )
        names = [os.path.relpath(name, options.data) for name in photos.names]
        found = compare((first, second), photos.labels, names, classes)
        if options.json:
            places = {"first": str(options.first), "second": str(options.second)}
            whole = {"data": str(options.data), **places, **found.as_json()}
            write_whole(options.json, json.dumps(whole, indent=1).encode())
    print("\n".join(found.markdown()))
