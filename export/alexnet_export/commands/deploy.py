"""``alexnet-export deploy``: prove a checkpoint's split and deploy it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from alexnet_export.deploy import LAYOUTS, Deployment, deploy


def add(commands: Any) -> None:  # noqa: ANN401 (argparse does not name the type)
    """Add the subcommand and its flags."""
    parser = commands.add_parser(
        "deploy", help="prove a checkpoint's split and deploy it", allow_abbrev=False
    )
    parser.add_argument("checkpoint", type=Path, help="a run folder or a weights.safetensors")
    parser.add_argument(
        "--layout", choices=LAYOUTS, default="towers", help="cut as in the paper, or one graph"
    )
    parser.add_argument(
        "--devices", default="cpu", metavar="LIST", help="cpu | cuda:0 | cuda:0,cuda:1"
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="photos to prove the split on"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    wanted = Deployment(
        repository=options.repository,
        layout=options.layout,
        devices=tuple(options.devices.split(",")),
        pictures=options.pictures,
    )
    manifest, is_new = deploy(options.checkpoint, wanted)
    model, parity = manifest["model"], manifest["parity"]
    print(
        f"{'deployed' if is_new else 'already deployed'}: version {model['version']} "
        f"({model['digest'][:12]}) as {manifest['layout']} on {', '.join(manifest['devices'])} "
        f"in {options.repository}\n"
        f"split proven on {parity['pictures']} pictures: features differ by "
        f"{parity['features_difference']:.1e} of the largest, "
        f"{parity['top5_agreement']:.0%} of the top-5 agree",
        file=sys.stderr,
    )
    return 0
