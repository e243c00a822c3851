"""What the model says of pictures: labels and features. Nothing is stored."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import overload

import numpy as np
from numpy.typing import NDArray

from alexnet_client import exchange
from alexnet_client.connection import Connection, Reply
from alexnet_client.errors import BadPicture, UnexpectedReply
from alexnet_client.picture import Picture, Upload, is_one, read, several
from alexnet_client.results import Classification, Features, ModelCard

FEATURES = 4096  # width of fc7 (paper, section 3.5)
NPY = "application/x-npy"


class Recognition:
    """The calls that need the model alone; `alexnet_client.Client` adds those of the index."""

    _connection: Connection

    @overload
    def classify(  # type: ignore[overload-overlap]  # a str is a path, not several
        self, pictures: Picture, *, top_k: int = ..., views: int = ...
    ) -> Classification: ...
    @overload
    def classify(
        self, pictures: Iterable[Picture], *, top_k: int = ..., views: int = ...
    ) -> list[Classification]: ...
    def classify(
        self, pictures: Picture | Iterable[Picture], *, top_k: int = 5, views: int = 1
    ) -> Classification | list[Classification]:
        """Say what is in a picture: the ``top_k`` likeliest labels, the likeliest first.

        ``views`` is 1 (the centre) or 10 (corners and centre, and all mirrored; paper, section
        4.1), which is slower and a little better.
        """
        params = {"top_k": top_k, "views": views}
        results = exchange.pictures(self._connection, "/classify", params, pictures, Classification)
        return exchange.only(results) if is_one(pictures) else list(results)

    def features(
        self, pictures: Picture | Iterable[Picture], *, views: int = 1
    ) -> NDArray[np.float32]:
        """Return the last hidden layer (fc7 after ReLU), float32 [n, 4096]; one picture: n is 1.

        Raises:
            BadPicture: one of them cannot be used; `features_each` goes on with the others.
        """
        rows = []
        for result in self._features_each(several(pictures), views):
            if result.error is not None:
                raise result.error
            rows.append(result.vector)
        return np.array(rows, dtype=np.float32).reshape(len(rows), FEATURES)

    def features_each(self, pictures: Iterable[Picture], *, views: int = 1) -> list[Features]:
        """Return the last hidden layer of each picture, or why this one has none."""
        return list(self._features_each(pictures, views))

    def model(self) -> ModelCard:
        """Return what the server says of the model it serves."""
        return self._connection.request("GET", "/model").read(ModelCard.from_json)

    def _features_each(self, pictures: Iterable[Picture], views: int) -> Iterator[Features]:
        def post(uploads: list[Upload], accept: str) -> Reply:
            return self._connection.request(
                "POST",
                "/features",
                params={"views": views},
                headers={"accept": accept},
                files=[upload.form_file for upload in uploads],
            )

        def ask(uploads: list[Upload]) -> list[Features]:
            try:
                rows = _rows(post(uploads, NPY), len(uploads))
            except BadPicture:
                # A matrix has no place for an error: JSON says which picture it is.
                return exchange.ask(uploads, Features, lambda few: post(few, "application/json"))
            return [
                Features(upload.filename, vector=row)
                for upload, row in zip(uploads, rows, strict=True)
            ]

        return exchange.each(map(read, pictures), exchange.pictures_a_request(views), Features, ask)


def _rows(reply: Reply, pictures: int) -> NDArray[np.float32]:
    """Read a .npy body, float32 [pictures, 4096]."""
    try:
        rows = np.load(io.BytesIO(reply.body), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise _no_features(reply, f"no .npy file ({error})") from error
    if not isinstance(rows, np.ndarray) or rows.shape != (pictures, FEATURES):
        shape = getattr(rows, "shape", None)
        raise _no_features(reply, f"of shape {shape} where ({pictures}, {FEATURES}) was due")
    return rows.astype(np.float32, copy=False)


def _no_features(reply: Reply, reason: str) -> UnexpectedReply:
    return UnexpectedReply(
        f"the answer to /features is {reason}: check the URL, and that client and server are of "
        "versions that fit",
        code="unexpected_reply",
        status=reply.status,
        request_id=reply.request_id,
    )
