"""What a command of ``alexnet`` is: everything said of it in one place."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from alexnet_client.client import Client
from alexnet_client.report import Report

Option: TypeAlias = Callable[[argparse.ArgumentParser], None]
Run: TypeAlias = Callable[[Client, argparse.Namespace, Report], None]


def _nothing_conflicts(options: argparse.Namespace) -> str | None:
    del options
    return None


@dataclass(frozen=True)
class Command:
    """A command, as `alexnet_client.commands.listed` declares it.

    Attributes:
        name: the word on the command line.
        help: what it does, as a clause without a full stop.
        example: a whole command line.
        run: does it, with a client that has not connected yet, the options and the report.
        options: each adds an argument, or several, to the command's parser (see `option`).
        conflict: says which options cannot be meant together; None where all can.
    """

    name: str
    help: str
    example: str
    run: Run
    options: tuple[Option, ...] = ()
    conflict: Callable[[argparse.Namespace], str | None] = _nothing_conflicts


def option(
    *names: str,
    completes: Literal["file", "directory"] | None = None,
    **about: Any,  # noqa: ANN401  what argparse takes
) -> Option:
    """Return what adds this argument; the other parameters are those of ``add_argument``.

    ``completes`` is what a shell offers for its value.
    """

    def add(parser: argparse.ArgumentParser) -> None:
        action = parser.add_argument(*names, **about)
        if completes is not None:
            vars(action)["complete"] = completes  # where shtab looks

    return add
