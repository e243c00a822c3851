"""What the model says of pictures: labels and features. Nothing is stored."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from alexnet_client import embeddings, exchange
from alexnet_client.calls import call, picture_call
from alexnet_client.errors import BadPicture, UnexpectedReply
from alexnet_client.picture import Picture, Upload, several, uploads_of
from alexnet_client.reply import Reply
from alexnet_client.results import FEATURES, Classification, Features, ModelCard
from alexnet_client.steps import Steps, send

NPY = "application/x-npy"


class Recognition:
    """The calls that need the model alone; `alexnet_client.Client` adds those of the index."""

    @picture_call
    def classify(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        top_k: int = 5,
        views: int = 1,
        features: bool = False,
    ) -> Steps[list[Classification]]:
        """Say what is in a picture: the ``top_k`` likeliest labels, the likeliest first.

        ``views`` is 1 (the centre) or 10 (corners and centre, and all mirrored; paper, section
        4.1), which is slower and a little better. With ``features`` each result has the last
        hidden layer too (``vector``), which costs the server no second pass.
        """
        params = {"top_k": top_k, "views": views} | ({"features": "base64"} if features else {})
        found = yield from exchange.post(pictures, "/classify", params, Classification)
        if features and any(one.error is None and one.vector is None for one in found):
            raise UnexpectedReply(
                "labels came without the features asked for", code="unexpected_reply"
            )
        return found

    @call
    def features(
        self, pictures: Picture | Iterable[Picture], *, views: int = 1
    ) -> Steps[NDArray[np.float32]]:
        """Return the last hidden layer (fc7 after ReLU), float32 [n, 4096]; one picture: n is 1.

        Raises:
            BadPicture: one of them cannot be used; `features_each` goes on with the others.
        """
        each = yield from _features_each(several(pictures), views, is_strict=True)
        return np.array([one.vector for one in each], np.float32).reshape(len(each), FEATURES)

    @call
    def features_each(
        self, pictures: Iterable[Picture], *, views: int = 1
    ) -> Steps[list[Features]]:
        """Return the last hidden layer of each picture, or why this one has none."""
        return (yield from _features_each(pictures, views, is_strict=False))

    @call
    def embeddings(self, pictures: Picture | Iterable[Picture]) -> Steps[NDArray[np.float32]]:
        """Return what `features` does, asked for in the shape of OpenAI's embeddings.

        For a server, or a gateway before one, that is to be spoken to in that shape alone. It
        sends a third more bytes than `features`. One picture: float32 [1, 4096].

        Raises:
            BadPicture: one of them cannot be used.
        """
        return (yield from embeddings.rows(pictures))

    @call
    def model(self) -> Steps[ModelCard]:
        """Return what the server says of the model it serves."""
        return (yield from send("GET", "/model")).read(ModelCard.from_json)


def _features_each(
    pictures: Iterable[Picture], views: int, *, is_strict: bool
) -> Steps[list[Features]]:
    def post(uploads: list[Upload], accept: str) -> Steps[Reply]:
        return send(
            "POST",
            "/features",
            params={"views": views},
            headers={"accept": accept},
            files=[upload.form_file for upload in uploads],
        )

    def ask_json(uploads: list[Upload]) -> Steps[list[Features]]:
        reply = yield from post(uploads, "application/json")
        return (yield from exchange.results(uploads, Features, reply))

    def ask(uploads: list[Upload]) -> Steps[list[Features]]:
        try:
            rows = _rows((yield from post(uploads, NPY)), len(uploads))
        except BadPicture:
            # A matrix has no place for an error: JSON says which picture it is.
            return (yield from exchange.halved(uploads, Features, ask_json))
        return [
            Features(upload.filename, vector=row) for upload, row in zip(uploads, rows, strict=True)
        ]

    fitting = exchange.pictures_a_request(views)
    uploads = uploads_of(pictures)
    return (yield from exchange.each(uploads, fitting, Features, ask, is_strict=is_strict))


def _rows(reply: Reply, pictures: int) -> NDArray[np.float32]:
    """Read a .npy body, float32 [pictures, 4096]."""
    try:
        rows = np.load(io.BytesIO(reply.body), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise reply.unexpected(f"no .npy file ({error})") from error
    if not isinstance(rows, np.ndarray) or rows.shape != (pictures, FEATURES):
        shape = getattr(rows, "shape", None)
        due = (pictures, FEATURES)
        raise reply.unexpected(f"of shape {shape} where {due} was due")
    return rows.astype(np.float32, copy=False)
