"""The command ``alexnet``; what it can do is declared in `alexnet_client.commands.listed`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from alexnet_client import keys
from alexnet_client.client import DEFAULT_TIMEOUT_S, Client
from alexnet_client.commands.declaration import Command
from alexnet_client.commands.listed import COMMANDS
from alexnet_client.connection import DEFAULT_URL, URL_VARIABLE
from alexnet_client.errors import ClientError, ServerUnreachable
from alexnet_client.report import Report

DONE, FAILED, USAGE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130

_EXIT_CODES = """
exit codes:
  0    all done
  1    some or all pictures failed, or the server refused
  2    the command line cannot be meant
  3    no server can be reached
  130  interrupted
"""
_EXAMPLES = "".join(f"  {command.example}\n" for command in COMMANDS)
_EPILOG = f"""
examples:
{_EXAMPLES}  alexnet --server http://gpu-box:8080 model
  alexnet --key-file ~/.alexnet-key add photos/       a server that asks for a key
{_EXIT_CODES}"""


class _UsageError(Exception):
    """A command line that cannot be meant, and the parser that says so."""

    def __init__(self, parser: argparse.ArgumentParser, message: str) -> None:
        super().__init__(message)
        self.parser = parser


class _Parser(argparse.ArgumentParser):
    """A parser that leaves it to `main` to tell what is wrong, which may be as JSON."""

    def error(self, message: str) -> NoReturn:
        raise _UsageError(self, message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code (see ``alexnet --help``).

    Raises:
        SystemExit: with code 2 for a command line that cannot be meant, 0 after ``--help``.
    """
    for stream in (sys.stdout, sys.stderr):
        # A label or a file name the terminal has no letters for is escaped, not fatal.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    given = sys.argv[1:] if arguments is None else arguments
    try:
        options, client = _meant(given)
    except _UsageError as error:
        report = Report(as_json="--json" in given)
        report.end_with("bad_command_line", str(error))
        error.parser.print_usage(sys.stderr)
        error.parser.exit(USAGE, f"{error.parser.prog}: error: {error}\n")
    report = Report(as_json=options.json)
    try:
        with client:
            return _run(options.declared, client, options, report)
    except BrokenPipeError:
        # The reader of our output has gone (a pager, head); Python would complain at exit.
        _discard_output()
        return FAILED


def _discard_output() -> None:
    """Send what is left in the stream's buffer nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _meant(given: Sequence[str]) -> tuple[argparse.Namespace, Client]:
    parser = parser_of(COMMANDS)
    try:
        options = parser.parse_args(given)
        problem = options.declared.conflict(options)
    except OSError as error:  # a name longer than names may be, a folder that may not be looked at
        parser.error(str(error))
    if problem is not None:
        parser.error(problem)
    try:
        key = None if options.key_file is None else keys.from_file(options.key_file)
        return options, Client(options.server, key=key, timeout_s=options.timeout)
    except (ValueError, OSError) as error:
        parser.error(str(error))


def _run(command: Command, client: Client, options: argparse.Namespace, report: Report) -> int:
    try:
        command.run(client, options, report)
        sys.stdout.flush()
    except ClientError as error:
        report.say(str(error))
        report.end_with(error.code, error.detail, error.title)
        return UNREACHABLE if isinstance(error, ServerUnreachable) else FAILED
    except BrokenPipeError:
        raise
    except OSError as error:
        report.say(str(error))
        try:
            report.end_with("file_failed", str(error))
            sys.stdout.flush()
        except OSError:  # it is the output itself that cannot be written
            _discard_output()
        return FAILED
    except KeyboardInterrupt:
        report.say("interrupted")
        report.end_with("interrupted", "interrupted from the keyboard")
        return INTERRUPTED
    return FAILED if report.failed else DONE


def parser_of(commands: Sequence[Command]) -> argparse.ArgumentParser:
    """Return the parser of these commands; the one chosen is ``declared`` in what it parses."""
    parser = _Parser(
        prog="alexnet",
        description="Classify pictures, and find similar ones, with an AlexNet Server.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_common(parser, server=None, key_file=None, timeout=DEFAULT_TIMEOUT_S, json=False)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in commands:
        added = subparsers.add_parser(
            command.name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=f"example:\n  {command.example}\n{_EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        added.set_defaults(declared=command, parser=parser)
        # Suppressed: a default here would overwrite what was given before the command's name.
        suppress = argparse.SUPPRESS
        _add_common(added, server=suppress, key_file=suppress, timeout=suppress, json=suppress)
        for add in command.options:
            add(added)
    return parser


def _add_common(
    parser: argparse.ArgumentParser, server: object, key_file: object, timeout: object, json: object
) -> None:
    parser.add_argument(
        "--server",
        metavar="URL",
        default=server,
        help=f"the server (default: the environment's {URL_VARIABLE}, else {DEFAULT_URL})",
    )
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        type=Path,
        default=key_file,
        help="file that holds the key the server asks for (default: the environment's "
        f"{keys.KEY_VARIABLE}); never the key itself, which a list of processes would show",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=timeout,
        help=f"for one request, its repeats included (default: {DEFAULT_TIMEOUT_S:g})",
    )
    parser.add_argument("--json", action="store_true", default=json, help="write JSON")
