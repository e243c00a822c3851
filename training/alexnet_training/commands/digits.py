"""``alexnet-train digits``: scikit-learn's digits as photos."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from alexnet_training.commands.flags import Commands, add_command
from alexnet_training.interrupt import deferred_interrupts


def add(commands: Commands) -> None:
    """Add the subcommand and its flags."""
    parser = add_command(commands, "digits", _run, "write scikit-learn's 1,797 digits as photos")
    parser.add_argument("out", type=Path, metavar="OUT", help="nothing is done where it exists")


def _run(options: argparse.Namespace) -> None:
    with deferred_interrupts("stopped; nothing was written") as between:
        from alexnet_training.digits import write_digits  # noqa: PLC0415

        if not write_digits(options.out, between):
            print(f"{options.out} is there already: nothing to do", file=sys.stderr)
    print(options.out)
