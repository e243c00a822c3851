"""``alexnet-export show``: what is deployed."""

from __future__ import annotations

import argparse
import json
from typing import Any

from alexnet_repository.files import read_manifest


def add(commands: Any) -> None:  # noqa: ANN401 (argparse does not name the type)
    """Add the subcommand and its flags."""
    parser = commands.add_parser("show", help="print what is deployed, as JSON", allow_abbrev=False)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    print(json.dumps(read_manifest(options.repository), indent=2, sort_keys=True))
    return 0
