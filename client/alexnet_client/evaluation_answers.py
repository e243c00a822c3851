"""What the server says of labelled pictures: labels, features, or why it says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from alexnet_client.client import Client
from alexnet_client.errors import ClientError, Overloaded
from alexnet_client.evaluation import TOP
from alexnet_client.folder import FolderPicture
from alexnet_client.progress import Progress
from alexnet_client.report import Report
from alexnet_client.results import Classification, Features, PictureResult, Prediction

R = TypeVar("R", bound=PictureResult)

REQUEST_VIEWS = 16  # pictures times views: a slow server too answers that in its time


@dataclass(frozen=True, eq=False)
class Answered:
    """A picture that has an answer to everything asked.

    Attributes:
        picture: the file.
        predictions: the five likeliest labels; none where they were not asked for.
        vector: float32 [4096]; None where it was not asked for.
    """

    picture: FolderPicture
    predictions: tuple[Prediction, ...]
    vector: NDArray[np.float32] | None


@dataclass(frozen=True)
class Wanted:
    """What to ask of each picture: labels, features or both, over 1 or 10 views."""

    labels: bool
    features: bool
    views: int


def answered(
    client: Client, pictures: Sequence[FolderPicture], wanted: Wanted, report: Report
) -> Iterator[Answered]:
    """Yield the pictures that have all answers, in order; the report names and counts the others.

    Of a server that stays overloaded through all repeats less is asked at a time, down to one
    picture: which ones are left out must not depend on the load.

    Raises:
        ClientError: a request failed for any other reason, or the model was changed meanwhile.
    """
    digest = client.model().digest
    report.progress = Progress(len(pictures))
    report.progress.advance(0)
    step = max(1, REQUEST_VIEWS // wanted.views)
    ask = _asking(client, wanted)
    for start in range(0, len(pictures), step):
        some = pictures[start : start + step]
        for picture, result in _good(some, ask, report):
            if isinstance(result, Features):
                yield Answered(picture, (), result.vector)
                continue
            if result.model is not None and result.model.digest != digest:
                raise _changed(digest, result.model.digest)
            yield Answered(picture, result.predictions, result.vector)
        report.progress.advance(len(some))
    if (now := client.model().digest) != digest:
        raise _changed(digest, now)


def _asking(
    client: Client, wanted: Wanted
) -> Callable[[list[str]], Sequence[Classification | Features]]:
    """One request for all that is wanted."""
    if not wanted.labels:
        return lambda paths: client.features_each(paths, views=wanted.views)
    return lambda paths: client.classify(
        paths, top_k=TOP, views=wanted.views, features=wanted.features
    )


def _good(
    some: Sequence[FolderPicture],
    ask: Callable[[list[str]], Sequence[R]],
    report: Report,
) -> Iterator[tuple[FolderPicture, R]]:
    try:
        results = ask([str(picture.path) for picture in some])
    except Overloaded as error:
        if len(some) == 1:
            report.fail(str(some[0].path), error)
            return
        middle = len(some) // 2
        yield from _good(some[:middle], ask, report)
        yield from _good(some[middle:], ask, report)
        return
    for picture, result in zip(some, results, strict=True):
        if result.error is not None:
            report.fail(result.filename, result.error)
        else:
            yield picture, result


def _changed(before: str, now: str) -> ClientError:
    return ClientError(
        f"the model was changed meanwhile, from {before} to {now}: figures of two models do not "
        "add up; evaluate again",
        code="model_changed",
    )
