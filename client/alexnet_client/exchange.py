"""Many pictures, few requests, one result each, in order.

A picture that cannot be used costs only itself: one unreadable here is never sent, and one the
server refuses comes back as a result that holds its error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from alexnet_client.errors import BadPicture, from_item
from alexnet_client.picture import (
    MAX_REQUEST_BYTES,
    MAX_REQUEST_VIEWS,
    Picture,
    Upload,
    batches,
    several,
    uploads_of,
)
from alexnet_client.reply import Reply
from alexnet_client.results import ModelRef, PictureResult
from alexnet_client.steps import Steps, block, read, send

R = TypeVar("R", bound=PictureResult)


def post(
    pictures: Picture | Iterable[Picture],
    path: str,
    params: Mapping[str, Any],
    kind: type[R],
) -> Steps[list[R]]:
    """Post pictures to ``path`` with the query ``params`` and return a result for each."""

    def ask(uploads: list[Upload]) -> Steps[list[R]]:
        files = [upload.form_file for upload in uploads]
        reply = yield from send("POST", path, params=params, files=files)
        return (yield from results(uploads, kind, reply))

    fitting = pictures_a_request(params.get("views", 1))
    return (yield from each(uploads_of(several(pictures)), fitting, kind, ask))


def pictures_a_request(views: int) -> int:
    """Return how many pictures fit; a ``views`` out of range is left to the server to refuse."""
    return max(1, MAX_REQUEST_VIEWS // max(1, views))


def each(
    uploads: Iterable[Upload],
    max_pictures: int,
    kind: type[R],
    ask: Callable[[list[Upload]], Steps[list[R]]],
    *,
    max_bytes: int = MAX_REQUEST_BYTES,
    is_strict: bool = False,
) -> Steps[list[R]]:
    """Return a result for every upload; ``ask`` gets the readable ones, a request at a time.

    Raises:
        BadPicture: it is strict, and one of them is an error; no further request is sent.
    """
    found: list[R] = []
    requests = batches(uploads, max_pictures, max_bytes)
    while (batch := (yield from _taken(requests, isinstance(uploads, list)))) is not None:
        readable = [upload for upload in batch if upload.error is None]
        if is_strict and len(readable) < len(batch):
            raise next(upload.error for upload in batch if upload.error is not None)
        answers = iter((yield from halved(readable, kind, ask)) if readable else ())
        for upload in batch:
            result = kind(upload.filename, upload.error) if upload.error else next(answers)
            if is_strict and result.error is not None:
                raise result.error
            found.append(result)
    return found


def halved(
    uploads: list[Upload], kind: type[R], ask: Callable[[list[Upload]], Steps[list[R]]]
) -> Steps[list[R]]:
    """Return what ``ask`` gives for each of the uploads.

    A request refused as too large (413: a proxy in front may allow less than the server) is cut
    in halves until what is left is one picture's own fault.

    Raises:
        ClientError: the request failed for a reason that is no picture's own.
    """
    try:
        return (yield from ask(uploads))
    except BadPicture as error:
        if len(uploads) == 1:
            return [_refused(uploads[0], error, kind)]
        if error.status != 413:
            raise
    middle = len(uploads) // 2
    first = yield from halved(uploads[:middle], kind, ask)
    return first + (yield from halved(uploads[middle:], kind, ask))


def results(uploads: list[Upload], kind: type[R], reply: Reply) -> Steps[list[R]]:
    """Read an answer's ``results``, one for each upload.

    Raises:
        UnexpectedReply: there are more or fewer, or they are of another shape.
    """
    return (yield from read(reply, lambda body: _results(uploads, kind, body, reply.request_id)))


def _taken(requests: Iterator[list[Upload]], is_read: bool) -> Steps[list[Upload] | None]:
    if is_read:
        return next(requests, None)
    return (yield from block(lambda: next(requests, None)))


def _results(
    uploads: list[Upload], kind: type[R], body: dict[str, Any], request_id: str | None
) -> list[R]:
    model = ModelRef.from_json(body["model"])
    return [
        _refused(upload, from_item(item["error"], request_id), kind)
        if "error" in item
        else kind.from_item(upload.filename, item, model)
        for upload, item in zip(uploads, body["results"], strict=True)
    ]


def _refused(upload: Upload, error: BadPicture, kind: type[R]) -> R:
    error.filename = upload.filename
    return kind(upload.filename, error)
