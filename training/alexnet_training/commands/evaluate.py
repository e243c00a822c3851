"""``alexnet-train evaluate``: how right a checkpoint is on photos."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from alexnet_training.commands.flags import Commands, add_command, add_photo_flags
from alexnet_training.interrupt import deferred_interrupts


def add(commands: Commands) -> None:
    """Add the subcommand and its flags."""
    parser = add_command(commands, "evaluate", _run, "how right a checkpoint is on photos")
    parser.add_argument(
        "checkpoints",
        type=Path,
        nargs="+",
        metavar="CHECKPOINT",
        help="a run or its weights; the predictions of several are averaged (section 6)",
    )
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="DATA/validation/<class>/*, or DATA/<class>/*"
    )
    parser.add_argument(
        "--views", type=int, choices=(1, 10), default=1, help="centre, or the ten of section 4.1"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write every figure as HTML")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="fp32", help=" ")
    add_photo_flags(parser)


def _run(options: argparse.Namespace) -> None:
    with deferred_interrupts("stopped") as between:
        from alexnet_client.page import document, facts, write  # noqa: PLC0415
        from alexnet_export.checkpoint import load_checkpoint, write_whole  # noqa: PLC0415
        from alexnet_training.device import choose_device, choose_precision  # noqa: PLC0415
        from alexnet_training.evaluation.answers import accuracy, labelled_photos  # noqa: PLC0415
        from alexnet_training.evaluation.averaging import answers_of, averaged  # noqa: PLC0415
        from alexnet_training.evaluation.scores import scores  # noqa: PLC0415

        loaded = [load_checkpoint(place) for place in options.checkpoints]
        checkpoints = [checkpoint for checkpoint, _ in loaded]
        classes = checkpoints[0].classes
        device = choose_device(options.device)
        precision = choose_precision(options.precision, device)
        with labelled_photos(
            options.data, classes, strict=options.strict, between=between
        ) as photos:
            each = answers_of(
                checkpoints,
                photos.pixels,
                device,
                precision,
                view_count=options.views,
                between=between,
            )
        found = scores(averaged(each), photos.labels, photos.names, classes)
        line: dict[str, Any] = found.summary()
        line |= {"views": options.views, "skipped": len(photos.skipped)}
        if len(each) > 1:
            alone = [accuracy(one.probabilities, photos.labels) for one in each]
            line["each"] = [
                {"checkpoint": str(place), "top1": one.top1, "top5": one.top5}
                for place, one in zip(options.checkpoints, alone, strict=True)
            ]
        about = {
            "data": str(options.data),
            "checkpoints": [
                {"place": str(place), "sha256": digest}
                for place, (_, digest) in zip(options.checkpoints, loaded, strict=True)
            ],
        }
        if options.json:
            whole = {**about, **line, **found.as_json()}
            write_whole(options.json, json.dumps(whole, indent=1).encode())
        if options.page:
            named = [
                ("photos", options.data),
                *(("checkpoint", place) for place in options.checkpoints),
                ("views", options.views),
                ("skipped", len(photos.skipped)),
            ]
            body = [facts(named), *found.sections()]
            write(options.page, document(f"Evaluation on {options.data}", body))
    print(json.dumps(line))
