"""``alexnet-export rollback``: switch back to a version that is kept beside the repository."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from alexnet_export.kept import kept_versions
from alexnet_export.rollback import rollback


def add(commands: Any) -> None:  # noqa: ANN401 (argparse does not name the type)
    """Add the subcommand and its flags."""
    parser = commands.add_parser(
        "rollback", help="switch back to a version that is kept", allow_abbrev=False
    )
    parser.add_argument(
        "--to", type=int, metavar="VERSION", help="default: the highest kept below the present one"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    manifest, left = rollback(options.repository, options.to)
    model = manifest["model"]
    kept = ", ".join(map(str, kept_versions(options.repository.resolve()))) or "none"
    print(
        f"rolled back from version {left or '(none)'} to {model['version']} "
        f"({model['digest'][:12]}), {manifest['layout']} on {', '.join(manifest['devices'])}, "
        f"in {options.repository}; kept: {kept}",
        file=sys.stderr,
    )
    return 0
