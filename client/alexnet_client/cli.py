"""The command ``alexnet``."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from alexnet_client import command_options, commands, index_commands, keys
from alexnet_client.client import DEFAULT_TIMEOUT_S, Client
from alexnet_client.connection import DEFAULT_URL, URL_VARIABLE
from alexnet_client.errors import ClientError, ServerUnreachable
from alexnet_client.report import Report, error_json

DONE, FAILED, USAGE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130

Command = Callable[[Client, argparse.Namespace, Report], None]

_EXIT_CODES = """
exit codes:
  0    all done
  1    some or all pictures failed, or the server refused
  2    the command line cannot be meant
  3    no server can be reached
  130  interrupted
"""
_EPILOG = f"""
examples:
  alexnet classify cat.jpg
  alexnet add photos/                  photos/<class>/*.jpg, the folder's name is the label
  alexnet search cat.jpg --k 5
  alexnet delete --label shoe --where 'price<5'
  alexnet duplicates --max-distance 4
  alexnet features photos/ --out features.npy
  alexnet --server http://gpu-box:8080 model
  alexnet --key-file ~/.alexnet-key add photos/       a server that asks for a key
{_EXIT_CODES}"""
_HELP = {
    "classify": ("say what is in pictures", "alexnet classify cat.jpg dog.png --top-k 3"),
    "features": (
        "turn pictures into the 4096 numbers of the last hidden layer",
        "alexnet features photos/ --out features.npy",
    ),
    "search": ("find stored pictures like these", "alexnet search cat.jpg --k 5 --label cat"),
    "add": ("put pictures, or folders of them, into the index", "alexnet add photos/"),
    "similar": ("find stored pictures like a stored one", "alexnet similar ID --k 5"),
    "list": ("show what is stored", "alexnet list --label shoe --where 'price>=10'"),
    "delete": (
        "delete stored pictures by id, by label or by their metadata",
        "alexnet delete --label shoe --where 'price<5'",
    ),
    "thumbnail": ("fetch the small copy of a stored picture", "alexnet thumbnail ID --out a.jpg"),
    "duplicates": (
        "find stored pictures that are nearly the same, and say which to keep",
        "alexnet duplicates --max-distance 4",
    ),
    "model": ("show the model that is served", "alexnet model --json"),
}
_RUN: dict[str, Command] = {
    "classify": commands.classify,
    "features": commands.features,
    "search": commands.search,
    "add": commands.add,
    "similar": index_commands.similar,
    "list": index_commands.list_pictures,
    "delete": index_commands.delete,
    "thumbnail": index_commands.thumbnail,
    "duplicates": index_commands.duplicates,
    "model": commands.model,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code (see ``alexnet --help``)."""
    for stream in (sys.stdout, sys.stderr):
        # A label or a file name the terminal has no letters for is escaped, not fatal.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    options = parser.parse_args(arguments)
    if (problem := command_options.conflict(options)) is not None:
        parser.error(problem)
    try:
        key = None if options.key_file is None else keys.from_file(options.key_file)
        client = Client(options.server, key=key, timeout_s=options.timeout)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    report = Report(as_json=options.json)
    try:
        with client:
            return _run(options.run, client, options, report)
    except KeyboardInterrupt:
        report.say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (a pager, head); Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _run(run: Command, client: Client, options: argparse.Namespace, report: Report) -> int:
    try:
        run(client, options, report)
        sys.stdout.flush()
    except ClientError as error:
        report.say(str(error))
        if report.as_json:
            report.write_json({"error": error_json(error), "results": report.results})
        return UNREACHABLE if isinstance(error, ServerUnreachable) else FAILED
    except BrokenPipeError:
        raise
    except OSError as error:
        report.say(str(error))
        return FAILED
    return FAILED if report.failed else DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alexnet",
        description="Classify pictures, and find similar ones, with an AlexNet Server.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_common(parser, server=None, key_file=None, timeout=DEFAULT_TIMEOUT_S, json=False)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (help_text, example) in _HELP.items():
        command = subparsers.add_parser(
            name,
            help=help_text,
            description=f"{help_text[0].upper()}{help_text[1:]}.",
            epilog=f"example:\n  {example}\n{_EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.set_defaults(run=_RUN[name])
        # Suppressed: a default here would overwrite what was given before the command's name.
        suppress = argparse.SUPPRESS
        _add_common(command, server=suppress, key_file=suppress, timeout=suppress, json=suppress)
        if name in ("classify", "features", "search", "add"):
            command.add_argument(
                "pictures", nargs="+", metavar="PICTURE", help="a picture, or a folder of them"
            )
        if name in ("classify", "features", "search"):
            views = "1: the centre; 10: corners and mirrored too, slower, a little better"
            usual = None if name == "search" else 1  # the index knows what it was made with
            command.add_argument("--views", type=int, choices=(1, 10), default=usual, help=views)
    command_options.add_to(subparsers.choices)
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
