"""What the commands of ``alexnet-train`` share: their form, and flags."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

Commands = Any  # argparse has no public name for it: what add_subparsers returns
EPILOG = """\
examples:
  alexnet-train digits data/digits
  alexnet-train fit data/digits --out runs/digits --preset digits
  alexnet-train fit photos --out runs/photos --epochs 60 --batch-size 128
  alexnet-train fit photos --from runs/imagenet --out runs/mine      a new fc8, all else kept
  alexnet-train evaluate runs/digits data/digits --views 10 --page evaluation.html
  alexnet-train evaluate runs/one runs/other photos               their predictions averaged
  alexnet-train compare runs/photos runs/photos/compressed.alexnet photos
  alexnet-train report runs/photos --data photos
  alexnet-train compress runs/photos --max-bytes 8000000
  alexnet-train parity runs/photos --repository model_repository --triton localhost:8001
  alexnet-train codes exported --out codes.onnx --bits 512

The same fit command again resumes an interrupted run.  Results go to stdout, messages to stderr.

exit codes:
  0    done (also where the run was complete already)
  1    an error, told in one line
  2    wrong usage
  130  stopped by Ctrl-C; the last whole checkpoint is kept
"""


def add_command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    """A command that ``run`` does."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


def add_device_flag(parser: argparse.ArgumentParser) -> None:
    """Where torch works."""
    parser.add_argument(
        "--device",
        default="auto",
        help="auto, cpu or cuda:0; fit: or cuda:0,cuda:1, a tower on each (default: auto)",
    )


def add_photo_flags(parser: argparse.ArgumentParser) -> None:
    """Where torch works, and what an unreadable photo means."""
    add_device_flag(parser)
    parser.add_argument("--strict", action="store_true", help="refuse unreadable photos")
