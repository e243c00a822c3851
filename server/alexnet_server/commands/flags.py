"""What the commands of ``alexnet-server index`` share: flags, and the form of an answer."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alexnet_server import variables
from alexnet_server.errors import SettingsError
from alexnet_server.settings import Settings

# Takes the parsed flags and the settings they and ``ALEXNET_*`` make; returns the exit code.
Run = Callable[[argparse.Namespace, Settings], int]
Verbs = Any  # argparse has no public name for it: what add_subparsers returns
FAULTY = 1  # exit code


def add_command(
    verbs: Verbs, name: str, run: Run, help_text: str, chosen: tuple[str, ...] = ("index",)
) -> argparse.ArgumentParser:
    """A command that ``run`` answers, with a flag for each of the settings ``chosen``."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=help_text, description=help_text, allow_abbrev=False
    )
    variables.add_flags(parser, chosen)
    parser.set_defaults(run=run)
    return parser


def index_file(given: Settings) -> Path:
    """The index file.  Raises SettingsError where there is none, or the index is in a Milvus."""
    path = given.index_path
    if path is None:
        raise SettingsError(
            "this is for an index file: a Milvus is checked and backed up by its own tools"
        )
    if not path.is_file():
        raise SettingsError(f"there is no index file {path}: give --index sqlite:///PATH")
    return path


def tell(result: dict[str, Any]) -> None:
    """Print what came of a command, as JSON."""
    sys.stdout.write(json.dumps(result, indent=2, allow_nan=False) + "\n")
