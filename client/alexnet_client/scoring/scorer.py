"""What is asked for labels and features: a server, or whatever answers like one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alexnet_client.client import AsyncClient
from alexnet_client.errors import BadPicture
from alexnet_client.picture import Upload
from alexnet_client.results import ModelRef, Prediction


@dataclass(frozen=True, eq=False)
class Scored:
    """What became of one picture.

    Attributes:
        predictions: the likeliest labels, the likeliest first; none where ``error``.
        features: float32 [4096] (fc7 after ReLU) where asked for, else None.
        error: why this picture has neither.
        digest: of the model that answered; None where that is not known.
    """

    predictions: tuple[Prediction, ...] = ()
    features: NDArray[np.float32] | None = None
    error: BadPicture | None = None
    digest: str | None = None


class Scorer(Protocol):
    """Answers for some pictures at a time; may be asked again before it has answered.

    Both calls raise `alexnet_client.errors.ClientError` for a reason that is no picture's own,
    at once: whoever asks decides whether and when to ask again.
    """

    async def model(self) -> ModelRef:
        """Return the model that answers."""
        ...

    async def score(
        self, pictures: Sequence[Upload], *, top_k: int, views: int, features: bool
    ) -> list[Scored]:
        """Return a result for every picture, in order."""
        ...


class HttpScorer:
    """An AlexNet Server; ``client`` repeats nothing by itself (``max_retries=0``)."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def model(self) -> ModelRef:
        """Return the model the server serves now."""
        card = await self._client.model()
        return ModelRef(card.name, card.version, card.digest)

    async def score(
        self, pictures: Sequence[Upload], *, top_k: int, views: int, features: bool
    ) -> list[Scored]:
        """Return labels, and features where asked for, from one request."""
        contents = [picture.content for picture in pictures]
        answers = await self._client.classify(contents, top_k=top_k, views=views, features=features)
        return [
            Scored(
                answer.predictions,
                answer.vector,
                answer.error,
                None if answer.model is None else answer.model.digest,
            )
            for answer in answers
        ]
