"""One result per picture, in the order of the request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from flask.typing import ResponseReturnValue

from alexnet_pixels.errors import PictureError
from alexnet_server.deployed import Deployed
from alexnet_server.problem import picture_error, picture_problem
from alexnet_server.uploads import Upload

T = TypeVar("T")


def results(
    deployed: Deployed,
    given: Sequence[Upload],
    seen: Sequence[T | PictureError],
    show: Callable[[T], dict[str, Any]],
) -> ResponseReturnValue:
    """What ``show`` tells of each of ``seen``, or its error; of an only one it is the answer's."""
    if len(seen) == 1 and isinstance(seen[0], PictureError):
        return picture_problem(seen[0])
    each = [
        {"filename": upload.filename}
        | ({"error": picture_error(one)} if isinstance(one, PictureError) else show(one))
        for upload, one in zip(given, seen, strict=True)
    ]
    return {"model": deployed.model(), "results": each}
