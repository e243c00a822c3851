"""The commands about stored pictures, which need no picture here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from alexnet_client import duplicates_page, page
from alexnet_client.client import Client
from alexnet_client.conditions import from_texts
from alexnet_client.duplicates import DuplicateGroup
from alexnet_client.errors import NotFound
from alexnet_client.names import printable
from alexnet_client.progress import Progress
from alexnet_client.report import (
    Report,
    duplicate_lines,
    neighbor_lines,
    stored_json,
    stored_line,
)
from alexnet_client.results import StoredPicture
from alexnet_client.whole_file import whole_file


def filters(options: argparse.Namespace) -> dict[str, Any]:
    """Return ``label`` and ``where`` as the options have them."""
    where = from_texts(options.where) if options.where else None
    return {"label": options.label, "where": where}


def similar(client: Client, options: argparse.Namespace, report: Report) -> None:
    """Write the stored pictures nearest to a stored one."""
    neighbors = client.similar(
        options.id,
        k=options.k,
        exact=options.exact,
        max_distance=options.max_distance,
        **filters(options),
    )
    report.write(*neighbor_lines(neighbors))
    if report.as_json:
        report.write_json({"neighbors": [vars(neighbor) for neighbor in neighbors]})


def list_pictures(client: Client, options: argparse.Namespace, report: Report) -> None:
    """Write a line for each stored picture, or how many there are."""
    chosen = filters(options)
    if options.count:
        count = client.count(**chosen)
        report.write(str(count))
        if report.as_json:
            report.write_json({"count": count})
        return
    images = []
    for picture in client.list(page_size=1000, **chosen):
        report.write(stored_line(picture))
        if report.as_json:
            images.append(stored_json(picture))
    if report.as_json:
        report.write_json({"images": images})


def delete(client: Client, options: argparse.Namespace, report: Report) -> None:
    """Delete pictures by id, or all that pass the filters."""
    chosen = {"ids": options.ids} if options.ids else filters(options)
    deleted = client.delete_where(**chosen)
    report.write(f"{deleted} deleted")
    if report.as_json:
        report.write_json({"deleted": deleted})


def thumbnail(client: Client, options: argparse.Namespace, report: Report) -> None:
    """Write the small JPEG of a stored picture into a file."""
    out: Path = options.out
    small = client.thumbnail(options.id)
    with whole_file(out) as file:
        file.write(small)
    report.write(f"wrote {printable(str(out))}")
    if report.as_json:
        report.write_json({"id": options.id, "out": str(out)})


def duplicates(client: Client, options: argparse.Namespace, report: Report) -> None:
    """Write the groups of nearly the same pictures; with --delete keep one of each."""
    told = 0

    def on_page(done: int, total: int) -> None:
        nonlocal told
        if not told:
            report.progress = Progress(total)
        report.progress.advance(done - told)
        told = done

    groups = client.duplicates(options.max_distance, on_page=on_page)
    report.progress.clear()
    if options.out is not None:
        _write_page(client, options, groups, report)
    for group in groups:
        report.write(*duplicate_lines(group))
    others = [picture.id for group in groups for picture in group.others]
    report.write(f"{len(groups)} groups, {len(others)} pictures besides the ones to keep")
    deleted = client.delete_where(ids=others) if options.delete and others else 0
    if options.delete:
        report.write(f"{deleted} deleted")
    if report.as_json:
        report.write_json({"groups": [_group_json(group) for group in groups], "deleted": deleted})


def _write_page(
    client: Client, options: argparse.Namespace, groups: list[DuplicateGroup], report: Report
) -> None:
    shown = groups[: duplicates_page.MAX_GROUPS]
    report.progress = Progress(sum(1 + len(group.others) for group in shown))

    def thumbnail(picture: StoredPicture) -> bytes | None:
        report.progress.advance(1)
        try:
            return client.thumbnail(picture.id)
        except NotFound:  # deleted meanwhile
            return None

    pieces = duplicates_page.duplicates_page(groups, options.max_distance, thumbnail)
    page.write(options.out, pieces)
    report.say(f"wrote {printable(str(options.out))}")


def _group_json(group: DuplicateGroup) -> dict[str, Any]:
    return {
        "keep": stored_json(group.keep),
        "others": [stored_json(picture) for picture in group.others],
    }
