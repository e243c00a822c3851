"""The commands about pictures here: each takes the client, its arguments and the report."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from alexnet_client import portions
from alexnet_client.client import Client
from alexnet_client.commands.index import filters
from alexnet_client.errors import BadPicture
from alexnet_client.folder import FolderPicture, walk
from alexnet_client.names import printable
from alexnet_client.report import (
    Report,
    card_lines,
    classification_lines,
    features_line,
    result_json,
    search_lines,
)
from alexnet_client.results import Added, Classification, Features, PictureResult, SearchResult
from alexnet_client.whole_file import whole_file

R = TypeVar("R", bound=PictureResult)


def classify(client: Client, options: argparse.Namespace, report: Report) -> None:
    """Write the likeliest labels of each picture."""

    def ask(some: Sequence[FolderPicture]) -> list[Classification]:
        return client.classify(_paths(some), top_k=options.top_k, views=options.views)

    results = _answers(options, ask, report)
    model = None
    for result in results:
        model = result.model
        report.write(*classification_lines(result))
    _write_json(report, model=model and vars(model))


def search(client: Client, options: argparse.Namespace, report: Report) -> None:
    """Write the stored pictures nearest to each picture."""
    chosen = filters(options)

    def ask(some: Sequence[FolderPicture]) -> list[SearchResult]:
        return client.search(
            _paths(some),
            k=options.k,
            exact=options.exact,
            max_distance=options.max_distance,
            views=options.views,
            **chosen,
        )

    model = None
    for result in _answers(options, ask, report):
        model = result.model
        report.write(*search_lines(result))
    _write_json(report, model=model and vars(model))


def features(client: Client, options: argparse.Namespace, report: Report) -> None:
    """Write the features of each picture as a matrix (--out), as JSON, or summed up."""

    def ask(some: Sequence[FolderPicture]) -> list[Features]:
        return client.features_each(_paths(some), views=options.views)

    rows: list[NDArray[np.float32]] = []
    for result in _answers(options, ask, report):
        if options.out is None or result.vector is None:
            report.write(features_line(result))
            continue
        if report.as_json:
            report.results[-1] = {"filename": result.filename, "row": len(rows)}
        report.write(f"row {len(rows)}  {printable(result.filename)}")
        rows.append(result.vector)
    if rows:
        with whole_file(options.out) as file:
            np.save(file, np.stack(rows), allow_pickle=False)
        report.say(f"wrote {printable(str(options.out))}: float32 {list(np.shape(rows))}")
    elif options.out is None and not report.as_json:
        report.say("for the numbers themselves: --out features.npy, or --json")
    _write_json(report)


def add(client: Client, options: argparse.Namespace, report: Report) -> None:
    """Put pictures into the index, each under its class folder's name."""

    def ask(some: Sequence[FolderPicture]) -> list[Added]:
        return client.add_many(
            _paths(some),
            labels=options.label or [picture.label for picture in some],
            metadata=[picture.metadata for picture in some],
        )

    new = replaced = 0
    model = None
    try:
        for result in _answers(options, ask, report):
            new, replaced = new + result.created, replaced + (not result.created)
            model = result.model
    finally:
        # Also when the server goes away half-way: what was added until then is safely stored.
        report.write(f"{new} added, {replaced} already there, {report.failed} failed")
    _write_json(report, model=model and vars(model))


def model(client: Client, options: argparse.Namespace, report: Report) -> None:
    """Write what the server says of its model."""
    del options
    card = client.model()
    report.write(*card_lines(card))
    if report.as_json:
        report.write_json(card.raw)


def _answers(
    options: argparse.Namespace,
    ask: Callable[[Sequence[FolderPicture]], list[R]],
    report: Report,
) -> Iterator[R]:
    """Yield the good results; the report names and counts the others."""
    pictures = list(pictures_of(options.pictures, report))
    views = getattr(options, "views", None) or 1
    for _, result in portions.good(pictures, ask, report, views=views):
        if report.as_json:
            report.results.append(result_json(result))
        yield result


def pictures_of(arguments: Sequence[str], report: Report) -> Iterator[FolderPicture]:
    """Yield the pictures named, and those of the folders named; the report has the others."""

    def unlisted(error: OSError) -> None:
        name = str(error.filename)
        reason = f"the folder cannot be listed: {error.strerror}"
        report.fail(name, BadPicture(reason, code="unreadable_folder", filename=name))

    for argument in arguments:
        path = Path(argument)
        if not _is_folder(path):
            yield FolderPicture(path, None, {"path": printable(path.name)})
            continue
        count = 0
        for picture in walk(path, unreadable=unlisted):
            count += 1
            yield picture
        if not count:
            reason = "no jpg, jpeg, png or webp files in this folder"
            report.fail(argument, BadPicture(reason, code="no_pictures", filename=argument))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # such as a name longer than names may be: told where it is read
        return False


def _paths(pictures: Sequence[FolderPicture]) -> list[str]:
    return [str(picture.path) for picture in pictures]


def _write_json(report: Report, **about: Any) -> None:  # noqa: ANN401  any JSON
    if report.as_json:
        report.write_json({**about, "results": report.results})
