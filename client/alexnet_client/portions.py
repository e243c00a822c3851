"""Many pictures asked about a portion at a time, each small enough for the server's time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from alexnet_client.errors import Overloaded
from alexnet_client.folder import FolderPicture
from alexnet_client.progress import Progress
from alexnet_client.report import Report
from alexnet_client.results import PictureResult

R = TypeVar("R", bound=PictureResult)
Ask = Callable[[Sequence[FolderPicture]], Sequence[R]]

PORTION_VIEWS = 16  # pictures times views: a slow server too answers that in its time


def good(
    pictures: Sequence[FolderPicture], ask: Ask[R], report: Report, *, views: int = 1
) -> Iterator[tuple[FolderPicture, R]]:
    """Yield the pictures that have a result, in order; the report names and counts the others.

    Of a server that stays overloaded through all repeats less is asked at a time, down to one
    picture: which ones are left out must not depend on the load.

    Raises:
        ClientError: a request failed for any other reason.
    """
    report.progress = Progress(len(pictures))
    report.progress.advance(0)
    step = max(1, PORTION_VIEWS // views)
    for start in range(0, len(pictures), step):
        portion = pictures[start : start + step]
        yield from _halved(portion, ask, report)
        report.progress.advance(len(portion))


def _halved(
    portion: Sequence[FolderPicture], ask: Ask[R], report: Report
) -> Iterator[tuple[FolderPicture, R]]:
    try:
        results = ask(portion)
    except Overloaded as error:
        if len(portion) == 1:
            report.fail(str(portion[0].path), error)
            return
        middle = len(portion) // 2
        yield from _halved(portion[:middle], ask, report)
        yield from _halved(portion[middle:], ask, report)
        return
    for picture, result in zip(portion, results, strict=True):
        if result.error is not None:
            report.fail(result.filename, result.error)
        else:
            yield picture, result
