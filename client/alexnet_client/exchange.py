"""Many pictures, few requests, one result each, in order.

A picture that cannot be used costs only itself: one unreadable here is never sent, and one the
server refuses comes back as a result that holds its error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from alexnet_client.connection import Connection, Reply
from alexnet_client.errors import BadPicture, from_item
from alexnet_client.picture import MAX_REQUEST_VIEWS, Picture, Upload, batches, read, several
from alexnet_client.results import ModelRef, PictureResult

R = TypeVar("R", bound=PictureResult)


def pictures(
    connection: Connection,
    path: str,
    params: Mapping[str, Any],
    given: Picture | Iterable[Picture],
    kind: type[R],
) -> Iterator[R]:
    """Post pictures to ``path`` with the query ``params`` and yield a result for each."""

    def post(uploads: list[Upload]) -> Reply:
        files = [upload.form_file for upload in uploads]
        return connection.request("POST", path, params=params, files=files)

    return each(
        map(read, several(given)),
        pictures_a_request(params.get("views", 1)),
        kind,
        lambda uploads: ask(uploads, kind, post),
    )


def pictures_a_request(views: int) -> int:
    """Return how many pictures fit; a ``views`` out of range is left to the server to refuse."""
    return max(1, MAX_REQUEST_VIEWS // max(1, views))


def each(
    uploads: Iterable[Upload],
    max_pictures: int,
    kind: type[R],
    ask: Callable[[list[Upload]], list[R]],
) -> Iterator[R]:
    """Yield a result for every upload; ``ask`` gets the readable ones, a request at a time."""
    for batch in batches(uploads, max_pictures):
        readable = [upload for upload in batch if upload.error is None]
        answers = iter(ask(readable) if readable else ())
        for upload in batch:
            yield kind(upload.filename, upload.error) if upload.error else next(answers)


def ask(uploads: list[Upload], kind: type[R], post: Callable[[list[Upload]], Reply]) -> list[R]:
    """Send the uploads with ``post`` and return a result for each.

    A request refused as too large (413: a proxy in front may allow less than the server) is cut
    in halves until what is left is one picture's own fault.

    Raises:
        ClientError: the request failed for a reason that is no picture's own.
    """
    try:
        reply = post(uploads)
    except BadPicture as error:
        if len(uploads) == 1:
            return [_refused(uploads[0], error, kind)]
        if error.status != 413:
            raise
        middle = len(uploads) // 2
        return ask(uploads[:middle], kind, post) + ask(uploads[middle:], kind, post)
    return results(uploads, kind, reply)


def results(uploads: list[Upload], kind: type[R], reply: Reply) -> list[R]:
    """Read an answer's ``results``, one for each upload.

    Raises:
        UnexpectedReply: there are more or fewer, or they are of another shape.
    """
    return reply.read(lambda body: _results(uploads, kind, body, reply.request_id))


def only(single: Iterable[R]) -> R:
    """Return the single result.

    Raises:
        BadPicture: it is an error.
    """
    (result,) = single
    if result.error is not None:
        raise result.error
    return result


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
