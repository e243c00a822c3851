"""``alexnet-export reload``: bring a running Triton to the deployed version."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from alexnet_export.reload import LOAD_TIMEOUT_S, Reload, reload


def add(commands: Any) -> None:  # noqa: ANN401 (argparse does not name the type)
    """Add the subcommand and its flags."""
    parser = commands.add_parser(
        "reload",
        help="bring a running Triton to the deployed version, without a failed request",
        description="Bring a running Triton (--model-control-mode=explicit) to the deployed "
        "version. The version in service goes on until every part of the new one is loaded.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--triton", required=True, metavar="HOST:PORT", help="its gRPC address (port 8001)"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=LOAD_TIMEOUT_S,
        metavar="S",
        help="seconds that one load may take (default: %(default)g)",
    )
    parser.add_argument(
        "--interrupt",
        action="store_true",
        help="let requests fail meanwhile, where both versions cannot be loaded at once",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    wanted = Reload(options.triton, options.repository, options.timeout, options.interrupt)
    version = reload(wanted, tell=lambda line: print(f"{line} ...", file=sys.stderr))
    print(f"Triton at {options.triton} serves version {version}", file=sys.stderr)
    return 0
