"""The options that several commands share, and what options may hold."""

from __future__ import annotations

import argparse
from pathlib import Path

from alexnet_client.commands.declaration import option
from alexnet_client.conditions import from_texts
from alexnet_client.ids import checked


def condition(text: str) -> str:
    """Take a ``--where`` that can be meant."""
    try:
        from_texts([encodable(text)])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def encodable(text: str) -> str:
    """Take text that UTF-8 can carry: bytes of another encoding arrive as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError(
            f"{text!a} is no text in the terminal's encoding"
        ) from error
    return text


def picture_id(text: str) -> str:
    """Take the id of a stored picture."""
    try:
        return checked(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def distance(text: str) -> float:
    """Take a number from 0 on."""
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no distance: a number from 0 on")
    return number


def positive(text: str) -> int:
    """Take a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def writable(text: str) -> Path:
    """Take the path of a file that could be there: in a folder that is."""
    path = Path(text)
    if not path.parent.is_dir() or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!a} is no file in a folder that is there")
    return path


def folder(text: str) -> Path:
    """Take a folder that is there."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!a} is no folder")
    return path


PICTURES = option(
    "pictures",
    nargs="+",
    metavar="PICTURE",
    help="a picture, or a folder of them",
    completes="file",
)
ID = option("id", type=picture_id, metavar="ID", help="the picture's id")

_VIEWS = "1: the centre; 10: corners and mirrored too, slower, a little better"
VIEWS = option("--views", type=int, choices=(1, 10), default=1, help=f"{_VIEWS} (default: 1)")
INDEX_VIEWS = option(
    "--views", type=int, choices=(1, 10), help=f"{_VIEWS} (default: what the index was made with)"
)


def add_search(parser: argparse.ArgumentParser) -> None:
    """Add what says how to search."""
    parser.add_argument("--k", type=positive, default=10, help="neighbours a picture (default: 10)")
    parser.add_argument(
        "--max-distance", type=distance, metavar="NUMBER", help="leave out what is farther away"
    )
    parser.add_argument(
        "--exact", action="store_true", help="compare with every stored picture, however many"
    )


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Add what says which stored pictures are meant."""
    parser.add_argument("--label", type=encodable, help="only stored pictures of this label")
    parser.add_argument(
        "--where",
        action="append",
        type=condition,
        metavar="CONDITION",
        help="only those whose metadata has KEY=VALUE, KEY>VALUE, KEY>=VALUE, ...; several must "
        "all hold, but several KEY= of one key mean any of them",
    )


def filters_conflict(options: argparse.Namespace) -> str | None:
    """Say which conditions contradict each other by their form."""
    try:
        from_texts(options.where or ())
    except ValueError as error:
        return str(error)
    return None


def delete_conflict(options: argparse.Namespace) -> str | None:
    """Say what is unclear about what to delete."""
    is_filtered = bool(options.where) or options.label is not None
    if is_filtered == bool(options.ids):
        return "delete takes either ids, or --label or --where"
    return filters_conflict(options)
