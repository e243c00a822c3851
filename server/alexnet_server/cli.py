"""``alexnet-server``: serve a model repository over HTTP."""

from __future__ import annotations

import argparse
import os
import sys

from alexnet_repository.errors import RepositoryError
from alexnet_server import settings
from alexnet_server.errors import ServerError
from alexnet_server.serve import serve

_EPILOG = """examples:
  alexnet-server serve --repository model_repository
  alexnet-server serve --port 9000 --index sqlite:////var/lib/alexnet/index.sqlite
  alexnet-server serve --engine triton://127.0.0.1:8001

Every flag is also a variable (--request-timeout-s: ALEXNET_REQUEST_TIMEOUT_S); the flag wins, an
unknown variable is refused.
exit codes: 0 stopped, what had come answered, 1 could not start (the message says why), 2 usage,
3 stopped, but not all was answered in time, 130 stopped by Ctrl-C while starting, 143 or 130 at a
second SIGTERM or Ctrl-C while stopping
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="alexnet-server",
        description="Classify pictures, extract features and search by them over HTTP.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    settings.add_flags(
        commands.add_parser("serve", help="listen until Ctrl-C or SIGTERM", allow_abbrev=False)
    )
    options = parser.parse_args(arguments)
    try:
        serve(settings.parse(options, os.environ))
    except (ServerError, RepositoryError, OSError) as error:
        print(f"alexnet-server: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
