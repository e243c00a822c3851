"""``alexnet-server index check``, ``repair`` and ``backup``."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from alexnet_server.commands.flags import FAULTY, Verbs, add_command, index_file, tell
from alexnet_server.index.backup import back_up
from alexnet_server.index.checking import check, count_pictures
from alexnet_server.index.repairing import repair
from alexnet_server.settings import Settings


def add_commands(verbs: Verbs) -> None:
    """The three commands."""
    add_command(
        verbs,
        "check",
        _check,
        "read all of an index file, beside a running server too, and tell its faults",
        ("index", "originals"),
    )
    add_command(
        verbs,
        "repair",
        _repair,
        "keep of a damaged index file what is sound, and tell which pictures are lost; the server "
        "must be stopped",
    )
    backup = add_command(
        verbs, "backup", _backup, "copy an index file whole, beside a running server too"
    )
    backup.add_argument("out", type=Path, metavar="OUT", help="the copy, which must not be there")


def _check(_options: argparse.Namespace, given: Settings) -> int:
    path = index_file(given)
    with tqdm(total=count_pictures(path), desc="check", unit="picture", disable=None) as progress:
        findings = check(path, given.originals, progress.update)
    tell(findings.as_json())
    return FAULTY if findings.counts else 0


def _repair(_options: argparse.Namespace, given: Settings) -> int:
    path = index_file(given)
    with tqdm(desc="repair", unit="picture", disable=None) as progress:
        repaired = repair(path, progress.update)
    tell(repaired.as_json())
    return 0


def _backup(options: argparse.Namespace, given: Settings) -> int:
    path = index_file(given)
    with tqdm(desc="backup", unit="page", disable=None) as progress:

        def show(done: int, pages: int) -> None:
            progress.total = pages
            progress.update(done - progress.n)

        size_bytes = back_up(path, options.out, show)
    tell({"backup": str(options.out), "bytes": size_bytes})
    return 0
