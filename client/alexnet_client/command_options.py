"""The options that single commands of ``alexnet`` have, and what they may hold."""

from __future__ import annotations

import argparse
from pathlib import Path

from alexnet_client.conditions import from_texts
from alexnet_client.ids import checked


def add_to(choices: dict[str, argparse.ArgumentParser]) -> None:
    """Give each command, by its name, the options of its own."""
    choices["classify"].add_argument(
        "--top-k", type=_positive, default=5, help="labels a picture (default: 5)"
    )
    choices["features"].add_argument(
        "--out", type=_writable, metavar="FILE.npy", help="write float32 [pictures, 4096] here"
    )
    choices["add"].add_argument(
        "--label", help="for all (default: the name of the class folder a picture lies in)"
    )
    for name in ("similar", "thumbnail"):
        choices[name].add_argument("id", type=_id, metavar="ID", help="the picture's id")
    choices["delete"].add_argument(
        "ids", nargs="*", type=_id, metavar="ID", help="the pictures' ids; no filters then"
    )
    choices["thumbnail"].add_argument(
        "--out", type=_writable, metavar="FILE.jpg", required=True, help="write it here"
    )
    choices["list"].add_argument("--count", action="store_true", help="say only how many there are")
    for name in ("search", "similar"):
        _add_search(choices[name])
    for name in ("search", "similar", "list", "delete"):
        _add_filters(choices[name])
    choices["duplicates"].add_argument(
        "--max-distance",
        type=_distance,
        required=True,
        metavar="NUMBER",
        help="how far apart two pictures of one group may be; it depends on the model: with the "
        "metric l2 a sixth of the mean length of its features (4 where that is 23), with cosine "
        "0.012, find nearly all that was only compressed again or scaled",
    )
    choices["duplicates"].add_argument(
        "--delete", action="store_true", help="delete all of each group but the one to keep"
    )


def conflict(options: argparse.Namespace) -> str | None:
    """Say which options cannot be meant together; None where all can."""
    try:
        is_filtered = bool(from_texts(getattr(options, "where", None) or ()))
    except ValueError as error:
        return str(error)
    is_filtered = is_filtered or getattr(options, "label", None) is not None
    if options.command == "delete" and is_filtered == bool(options.ids):
        return "delete takes either ids, or --label or --where"
    return None


def _add_search(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--k", type=_positive, default=10, help="neighbours a picture (default: 10)"
    )
    command.add_argument(
        "--max-distance", type=_distance, metavar="NUMBER", help="leave out what is farther away"
    )
    command.add_argument(
        "--exact", action="store_true", help="compare with every stored picture, however many"
    )


def _add_filters(command: argparse.ArgumentParser) -> None:
    command.add_argument("--label", help="only stored pictures of this label")
    command.add_argument(
        "--where",
        action="append",
        type=_condition,
        metavar="CONDITION",
        help="only those whose metadata has KEY=VALUE, KEY>VALUE, KEY>=VALUE, ...; several must "
        "all hold, but several KEY= of one key mean any of them",
    )


def _condition(text: str) -> str:
    try:
        from_texts([text])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _id(text: str) -> str:
    try:
        return checked(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _distance(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no distance: a number from 0 on")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def _writable(text: str) -> Path:
    path = Path(text)
    if not path.parent.is_dir() or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no file in a folder that is there")
    return path
