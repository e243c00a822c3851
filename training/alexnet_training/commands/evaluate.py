"""``alexnet-train evaluate``: a checkpoint's accuracy on photos."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from alexnet_training.commands.flags import Commands, add_command, add_photo_flags
from alexnet_training.interrupt import deferred_interrupts


def add(commands: Commands) -> None:
    """Add the subcommand and its flags."""
    parser = add_command(commands, "evaluate", _run, "a checkpoint's top-1 and top-5 on photos")
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a run or its weights")
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="DATA/validation/<class>/*, or DATA/<class>/*"
    )
    parser.add_argument(
        "--views", type=int, choices=(1, 10), default=1, help="centre, or the ten of section 4.1"
    )
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="fp32", help=" ")
    add_photo_flags(parser)


def _run(options: argparse.Namespace) -> None:
    with deferred_interrupts("stopped") as between:
        from alexnet_export.checkpoint import load_checkpoint  # noqa: PLC0415
        from alexnet_training.device import choose_device, choose_precision  # noqa: PLC0415
        from alexnet_training.evaluation import evaluate  # noqa: PLC0415

        checkpoint, _ = load_checkpoint(options.checkpoint)
        device = choose_device(options.device)
        accuracy, skipped = evaluate(
            checkpoint,
            options.data,
            device,
            choose_precision(options.precision, device),
            view_count=options.views,
            strict=options.strict,
            between=between,
        )
    print(json.dumps({**asdict(accuracy), "views": options.views, "skipped": len(skipped)}))
