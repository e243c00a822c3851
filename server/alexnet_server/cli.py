"""``alexnet-server``: serve a model repository over HTTP, and look after its index."""

from __future__ import annotations

import argparse
import os
import sys

from alexnet_repository.errors import RepositoryError
from alexnet_repository.silence import keep_silent
from alexnet_server import variables
from alexnet_server.commands import maintain, move, reindex
from alexnet_server.commands.flags import Verbs
from alexnet_server.errors import ServerError
from alexnet_server.serve import serve

_EPILOG = """examples:
  alexnet-server serve --repository model_repository
  alexnet-server serve --port 9000 --index sqlite:////var/lib/alexnet/index.sqlite
  alexnet-server serve --engine triton://127.0.0.1:8001
  alexnet-server index check

Every flag is also a variable (--request-timeout-s: ALEXNET_REQUEST_TIMEOUT_S); the flag wins, an
unknown variable is refused.
exit codes: 0 stopped, what had come answered, 1 could not start (the message says why), 2 usage,
3 stopped, but not all was answered in time, 130 stopped by Ctrl-C while starting, 143 or 130 at a
second SIGTERM or Ctrl-C while stopping
"""
_INDEX_EPILOG = """examples:
  alexnet-server index check --index sqlite:////var/lib/alexnet/index.sqlite
  alexnet-server index backup /backup/index.sqlite
  alexnet-server index export /backup/pictures
  alexnet-server index copy sqlite:///data/index.sqlite milvus://10.0.0.7:19530/shop
  alexnet-server index reindex --repository staging --originals originals

What came of it is printed as JSON.
exit codes: 0 done, 1 it failed or found faults (the message says which), 2 usage, 130 stopped by
Ctrl-C
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    keep_silent()
    try:
        if options.command == "serve":
            serve(variables.parse(options, os.environ))
            return 0
        code: int = options.run(options, variables.parse(options, os.environ))
    except (ServerError, RepositoryError, OSError) as error:
        print(f"alexnet-server: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alexnet-server",
        description="Classify pictures, extract features and search by them over HTTP.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    variables.add_flags(
        commands.add_parser("serve", help="listen until Ctrl-C or SIGTERM", allow_abbrev=False)
    )
    index = commands.add_parser(
        "index",
        help="check, repair, back up, move or remake an index",
        epilog=_INDEX_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs: Verbs = index.add_subparsers(required=True, metavar="VERB")
    for commands_of in (maintain, move, reindex):
        commands_of.add_commands(verbs)
    return parser
