"""``alexnet-export``: checkpoints into a served model repository."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from alexnet_export.deploy import LAYOUTS, Deployment, deploy
from alexnet_export.errors import ExportError
from alexnet_export.repository import read_manifest

_EPILOG = """examples:
  alexnet-export deploy runs/flowers --repository model_repository
  alexnet-export deploy runs/flowers --devices cuda:0,cuda:1     two GPUs, a tower each
  alexnet-export show --repository model_repository

exit codes: 0 done, 1 refused or failed (the message says why), 2 usage, 130 Ctrl-C
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (ExportError, OSError) as error:
        print(f"alexnet-export: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("alexnet-export: interrupted; nothing was deployed", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alexnet-export",
        description="Turn checkpoints into ONNX and a Triton model repository.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    deploying = commands.add_parser(
        "deploy", help="prove a checkpoint's split and deploy it", allow_abbrev=False
    )
    deploying.add_argument("checkpoint", type=Path, help="a run folder or a weights.safetensors")
    deploying.add_argument(
        "--layout", choices=LAYOUTS, default="towers", help="cut as in the paper, or one graph"
    )
    deploying.add_argument(
        "--devices", default="cpu", metavar="LIST", help="cpu | cuda:0 | cuda:0,cuda:1"
    )
    deploying.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="photos to prove the split on"
    )
    deploying.set_defaults(run=_deploy)
    showing = commands.add_parser(
        "show", help="print what is deployed, as JSON", allow_abbrev=False
    )
    showing.set_defaults(run=_show)
    for command in (deploying, showing):
        command.add_argument(
            "--repository", type=Path, default=Path("model_repository"), metavar="FOLDER"
        )
    return parser


def _deploy(options: argparse.Namespace) -> int:
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


def _show(options: argparse.Namespace) -> int:
    manifest = read_manifest(options.repository)
    if manifest is None:
        raise ExportError(f"nothing is deployed in {options.repository}")
    print(json.dumps(manifest, indent=2, sort_keys=True))
    return 0
