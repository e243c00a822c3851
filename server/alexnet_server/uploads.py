"""The pictures of a request: form field ``image``, repeatable, or a raw body."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Request
from werkzeug.datastructures import MultiDict

from alexnet_pixels.errors import PictureTooLarge
from alexnet_server.call import Call
from alexnet_server.errors import BadRequest, MissingPicture, TooManyPictures
from alexnet_server.settings import Limits

FIELD = "image"


@dataclass(frozen=True)
class Upload:
    """One picture as it came; ``filename`` is echoed and never used as a path."""

    filename: str | None
    data: bytes

    def require_size(self, limits: Limits) -> None:
        """Raise PictureTooLarge above ``max_picture_bytes``."""
        if len(self.data) > limits.max_picture_bytes:
            raise PictureTooLarge(
                f"the picture is {len(self.data):,} bytes; the limit is "
                f"{limits.max_picture_bytes:,}"
            )


@dataclass(frozen=True)
class Submission:
    """A request's pictures, in order, and its text fields."""

    uploads: list[Upload]
    fields: MultiDict[str, str]


def read(
    call: Call,
    request: Request,
    limits: Limits,
    views: int = 1,
    fields: tuple[str, ...] = (),
) -> Submission:
    """Take the pictures out of a request, and the text ``fields`` it may have.

    What they need is taken from the gate that ``call`` is in.

    Raises MissingPicture, TooManyPictures (pictures times views), Overloaded or BadRequest (a
    field of another name); Flask itself refuses what is larger than a request may be.
    """
    if request.mimetype == "multipart/form-data":
        submission = _form(request, fields)
    elif request.mimetype == "application/json":
        raise MissingPicture(
            f"send the picture as form field {FIELD!r} or as the body, not inside JSON"
        )
    else:
        data = request.get_data(cache=False, parse_form_data=False)
        submission = Submission([Upload(None, data)], MultiDict())
    take(call, len(submission.uploads), views, limits)
    return submission


def take(call: Call, pictures: int, views: int, limits: Limits) -> None:
    """Take from the gate what that many pictures need.  Raises TooManyPictures or Overloaded."""
    if pictures * views > limits.max_views:
        raise TooManyPictures(
            f"{pictures} pictures times {views} are more than the "
            f"{limits.max_views} views a request may hold: send several requests"
        )
    call.take(pictures, views)


def _form(request: Request, fields: tuple[str, ...]) -> Submission:
    strange = sorted(name or "" for name in request.files if name != FIELD)
    if strange:
        raise BadRequest(f"file field {strange[0][:64]!r} is unknown: name it {FIELD!r}")
    files = request.files.getlist(FIELD)
    if not files:
        raise MissingPicture(f"the form has no file field {FIELD!r}: curl -F {FIELD}=@cat.jpg")
    unknown = sorted(name or "" for name in request.form if name not in fields)
    if unknown:
        offer = f"known are {', '.join(fields)}" if fields else "there are none here"
        raise BadRequest(f"form field {unknown[0][:64]!r} is unknown; {offer}")
    return Submission([Upload(file.filename, file.read()) for file in files], request.form)
