"""``alexnet-export deploy``: prove a checkpoint's split and deploy it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from alexnet_export.deploy import Deployment, deploy
from alexnet_export.errors import ExportError
from alexnet_export.precision import MAX_TOP1_LOSS, PRECISIONS
from alexnet_export.proof import LAYOUTS


def add(commands: Any) -> None:  # noqa: ANN401 (argparse does not name the type)
    """Add the subcommand and its flags."""
    parser = commands.add_parser(
        "deploy", help="prove a checkpoint's split and deploy it", allow_abbrev=False
    )
    parser.add_argument(
        "checkpoints",
        type=Path,
        nargs="+",
        metavar="CHECKPOINT",
        help="a run folder or a weights.safetensors; the predictions of several are averaged",
    )
    parser.add_argument(
        "--layout", choices=LAYOUTS, default="towers", help="cut as in the paper, or one graph"
    )
    parser.add_argument(
        "--devices", default="cpu", metavar="LIST", help="cpu | cuda:0 | cuda:0,cuda:1"
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="photos to prove the split on and to measure a precision's loss on (those beside the "
        "checkpoint); folders named after classes make it a loss of top-1",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="fp16 for GPUs, int8 for cpu; their loss against fp32 is measured (int8 on cpu where "
        "the checkpoint holds what it needs, else fp32)",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FOLDER",
        help="photos like those to come, for int8's ranges (every second of the proof's)",
    )
    parser.add_argument(
        "--max-top1-loss",
        type=_points,
        default=MAX_TOP1_LOSS,
        metavar="POINTS",
        help=f"deploy nothing that loses more than this of top-1, in points ({MAX_TOP1_LOSS})",
    )
    parser.add_argument(
        "--keep", type=_count, default=2, metavar="N", help="former versions to keep (2)"
    )
    parser.set_defaults(run=_run)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up")
    return int(text)


def _points(text: str) -> float:
    try:
        points = float(text)
    except ValueError:
        points = -1.0
    if not 0 <= points <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of points from 0 to 100")
    return points


def _run(options: argparse.Namespace) -> int:
    wanted = Deployment(
        repository=options.repository,
        layout=options.layout,
        devices=tuple(options.devices.split(",")),
        pictures=options.pictures,
        keep=options.keep,
        precision=options.precision,
        calibration=options.calibration,
        max_top1_loss=options.max_top1_loss,
    )
    if options.calibration is not None and options.precision != "int8":
        raise ExportError("--calibration is for --precision int8 alone")
    if options.precision == "fp16" and "cpu" in wanted.devices:
        print(
            "alexnet-export: fp16 on cpu computes in fp32 between roundings, so it is slower than "
            "fp32; it is meant for GPUs",
            file=sys.stderr,
        )
    manifest, is_new = deploy(options.checkpoints[0], wanted, options.checkpoints[1:])
    model, parity, loss = manifest["model"], manifest["parity"], manifest.get("precision_loss")
    print(
        f"{'deployed' if is_new else 'already deployed'}: version {model['version']} "
        f"({model['digest'][:12]}) as {manifest['layout']} in {manifest['precision']} on "
        f"{', '.join(manifest['devices'])} in {options.repository}\n"
        f"split proven on {parity['pictures']} pictures: features differ by "
        f"{parity['features_difference']:.1e} of the largest, "
        f"{parity['top5_agreement']:.0%} of the top-5 agree",
        file=sys.stderr,
    )
    if loss:
        print(_told(loss, manifest["precision"], manifest["calibration"]), file=sys.stderr)
    elif manifest["precision"] != "fp32":
        print(
            f"what {manifest['precision']} loses was not measured: the pictures beside the "
            "checkpoint are drawn, no photos; --pictures FOLDER measures it on yours",
            file=sys.stderr,
        )
    return 0


def _told(loss: dict[str, Any], precision: str, calibration: dict[str, Any] | None) -> str:
    """What the precision costs, in a line."""
    top1 = (
        f"top-1 {loss['top1']:.1%}, in fp32 {loss['top1_fp32']:.1%}"
        if loss["top1"] is not None
        else "the pictures' classes are not known"
    )
    apart = f", none of the {calibration['pictures']} calibrated on" if calibration else ""
    return (
        f"{precision} measured on {loss['pictures']} pictures{apart}: {top1}; same likeliest class "
        f"{loss['top1_agreement']:.1%}, mean feature cosine {loss['features_cosine']:.5f}"
    )
