"""Straight to Triton: the server's answers where only a Triton runs.

Needs the extra ``[triton]``, which brings NVIDIA's client and Pillow, and beside it ``./server``
without extras, whose ``alexnet_pixels`` makes of a picture what the server makes of it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from alexnet_client.errors import BadPicture, BadRequest
from alexnet_client.picture import MAX_REQUEST_VIEWS, Upload
from alexnet_client.results import ModelRef, Prediction
from alexnet_client.scoring.scorer import Scored

try:
    from alexnet_client.triton_direct.network import Network
    from alexnet_pixels.decode import decode
    from alexnet_pixels.errors import PictureError
    from alexnet_pixels.square import Pixels
    from alexnet_pixels.views import VIEW_COUNTS, views
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"grpc:// needs the extra [triton] ({error}): pip install ./server './client[triton]'",
        name=error.name,
    ) from error

_MAX_TOP_K = 1000  # the server's own limit
# As the server calls them, where it is not the code in words.
_TITLES = {
    "unsupported_format": "Not a JPEG, PNG or WEBP picture",
    "undecodable_picture": "Picture cannot be decoded",
}
_MAX_PICTURE_VIEWS = MAX_REQUEST_VIEWS  # also the ensemble's max_batch_size


class TritonScorer:
    """Asks a Triton that serves a repository of alexnet-export; a `Scorer`, for one event loop.

    Args:
        url: ``grpc://HOST:PORT``. The connection is made at the first call, and not encrypted.
        timeout_s: seconds until a call gives up.

    Raises:
        BadRequest: the URL cannot be meant.
        ValueError: the timeout cannot be meant.
    """

    def __init__(self, url: str, *, timeout_s: float = 60.0) -> None:
        if not timeout_s > 0:
            raise ValueError(f"the timeout is {timeout_s} s; it must be above 0")
        self.url = url
        self._timeout_s = timeout_s
        self._network = Network(_target(url), url)
        self._threads = ThreadPoolExecutor(os.cpu_count(), "pixels")  # Pillow frees the lock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; no call may be under way."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._network.aclose()

    async def model(self) -> ModelRef:
        """What Triton serves now.

        ``digest`` is ``version:N`` where the deploy did not write it into the configuration.

        Raises:
            ClientError: Triton cannot be asked, or serves something else.
        """
        return await self._network.model(time.monotonic() + self._timeout_s)

    async def score(
        self, pictures: Sequence[Upload], *, top_k: int, views: int, features: bool
    ) -> list[Scored]:
        """A result for every picture, in order; a bad one has its error and spoils no other.

        ``features`` float32 [4096] (fc7 after ReLU) and probabilities are averaged over the views
        (paper, section 4.1). More than 64 pictures times views are asked one request after the
        other, all within ``timeout_s``.

        Raises:
            ClientError: a request failed for a reason that is no picture's own.
        """
        _require("top_k", top_k, range(1, _MAX_TOP_K + 1), f"1 to {_MAX_TOP_K}")
        _require("views", views, VIEW_COUNTS, "1 or 10")
        deadline = time.monotonic() + self._timeout_s
        step = _MAX_PICTURE_VIEWS // views
        scored: list[Scored] = []
        for first in range(0, len(pictures), step):
            some = pictures[first : first + step]
            scored += await self._score(some, top_k, views, features, deadline)
        return scored

    async def _score(
        self, pictures: Sequence[Upload], top_k: int, count: int, features: bool, deadline: float
    ) -> list[Scored]:
        loop = asyncio.get_running_loop()
        decoding = [loop.run_in_executor(self._threads, _decoded, each) for each in pictures]
        decoded = await asyncio.gather(*decoding)
        good = [each for each in decoded if not isinstance(each, BadPicture)]
        answered = iter(await self._answers(good, top_k, count, features, deadline) if good else ())
        return [
            Scored(error=each) if isinstance(each, BadPicture) else next(answered)
            for each in decoded
        ]

    async def _answers(
        self, good: list[Pixels], top_k: int, count: int, features: bool, deadline: float
    ) -> list[Scored]:
        # First the version and then its views: another version may take them of another side.
        served = await self._network.served(deadline)
        images = np.concatenate([views(each, count, served.view_side) for each in good])
        # uint8 [n * count, side, side, 3]
        answer = await self._network.infer(served, images, features, deadline)
        probabilities = _mean(answer.probabilities, len(good))  # [n, C]
        rows = [None] * len(good) if answer.features is None else _mean(answer.features, len(good))
        return [
            Scored(_predictions(one, answer.labels, top_k), row, digest=answer.digest)
            for one, row in zip(probabilities, rows, strict=True)
        ]


def _target(url: str) -> str:
    """``HOST:PORT`` of ``grpc://HOST:PORT``.  Raises BadRequest on anything else."""
    try:
        parts = urlsplit(url)
        is_meant = parts.scheme == "grpc" and parts.hostname and parts.port
    except ValueError:
        is_meant = False
    if not is_meant or url != f"grpc://{parts.netloc}" or parts.username is not None:
        raise BadRequest(
            f"{url!r} is not the address of a Triton: write grpc://HOST:8001", code="bad_address"
        )
    return parts.netloc


def _require(name: str, value: int, allowed: Sequence[int], text: str) -> None:
    if value not in allowed:
        raise BadRequest(f"{name} is {value}; it must be {text}", code="bad_parameter")


def _decoded(upload: Upload) -> Pixels | BadPicture:
    """The pixels of a picture, uint8 [256, 256, 3], or why there are none."""
    if upload.error is not None:
        return upload.error
    try:
        return decode(upload.content)
    except PictureError as error:
        title = _TITLES.get(error.code)
        return BadPicture(str(error), code=error.code, title=title, filename=upload.filename)


def _mean(values: NDArray[np.float32], pictures: int) -> NDArray[np.float32]:
    """[pictures * views, units] -> [pictures, units], as the server averages."""
    mean: NDArray[np.float32] = values.reshape(pictures, -1, values.shape[1]).mean(axis=1)
    return mean


def _predictions(
    probabilities: NDArray[np.float32], labels: tuple[str, ...], top_k: int
) -> tuple[Prediction, ...]:
    best = np.argsort(-probabilities, kind="stable")[:top_k]  # as the server orders equal ones
    return tuple(
        Prediction(labels[class_id], int(class_id), float(probabilities[class_id]))
        for class_id in best
    )
