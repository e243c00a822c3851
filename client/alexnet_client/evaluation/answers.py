"""What the server says of labelled pictures: labels, features, or why it says nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexnet_client import portions
from alexnet_client.client import Client
from alexnet_client.errors import ClientError
from alexnet_client.evaluation.accuracy import TOP
from alexnet_client.folder import FolderPicture
from alexnet_client.report import Report
from alexnet_client.results import Classification, Features, Prediction


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

    Raises:
        ClientError: a request failed for any other reason, or the model was changed meanwhile.
    """
    digest = client.model().digest
    found = portions.good(pictures, _asking(client, wanted), report, views=wanted.views)
    for picture, result in found:
        if isinstance(result, Features):
            yield Answered(picture, (), result.vector)
            continue
        if result.model is not None and result.model.digest != digest:
            raise _changed(digest, result.model.digest)
        yield Answered(picture, result.predictions, result.vector)
    if (now := client.model().digest) != digest:
        raise _changed(digest, now)


def _asking(client: Client, wanted: Wanted) -> portions.Ask[Classification | Features]:
    """One request for all that is wanted."""

    def ask(some: Sequence[FolderPicture]) -> Sequence[Classification | Features]:
        paths = [str(picture.path) for picture in some]
        if not wanted.labels:
            return client.features_each(paths, views=wanted.views)
        return client.classify(paths, top_k=TOP, views=wanted.views, features=wanted.features)

    return ask


def _changed(before: str, now: str) -> ClientError:
    return ClientError(
        f"the model was changed meanwhile, from {before} to {now}: figures of two models do not "
        "add up; evaluate again",
        code="model_changed",
    )
