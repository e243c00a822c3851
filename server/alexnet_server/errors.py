"""Everything the server refuses, as one tree and one list of codes.

ServerError                          raised before or while serving
├── SettingsError                    a flag or ALEXNET_* variable is unknown or ill-typed
├── EngineError                      the model cannot be run on this machine
└── RequestError                     answers a request, as application/problem+json (RFC 9457)
    ├── BadRequest            400    bad_request
    │   ├── BadParameter      400    bad_parameter        unknown, ill-typed or out of range
    │   ├── BadIdentifier     400    bad_id               not [A-Za-z0-9._-]{1,128}
    │   ├── BadMetadata       400    bad_metadata         not a JSON object, or too long
    │   └── MissingPicture    400    missing_picture      no file field ``image``, or JSON
    ├── KeyMissing            401    key_missing          no key, or one that is not known
    ├── Forbidden             403    forbidden            the key may read but not write
    │   ├── ForeignHost       403    foreign_host         without keys: Host names another server
    │   └── ForeignOrigin     403    foreign_origin       without keys: sent by another site's page
    ├── PictureNotFound       404    picture_not_found
    ├── NoFirstLayer          404    no_first_layer       the deploy has no graph of conv1
    ├── IndexInUse            409    index_in_use         another process has it or makes it
    ├── IndexMismatch         409    index_mismatch       the index file belongs to something else
    ├── TooManyPictures       413    too_many_pictures    pictures times views, or times k
    ├── ClientGone            499    client_gone          nobody reads it; seen in the log alone
    ├── BadModelOutput        500    bad_model_output     NaN, infinity, another shape or type
    ├── BackendFailed         502    backend_failed       Triton had the request and failed
    ├── Overloaded            503    overloaded           the gate or Triton's queue is full
    ├── ShuttingDown          503    shutting_down        the server is stopping
    ├── DeadlineExceeded      503    deadline_exceeded    not answered within its time
    ├── BackendUnavailable    503    backend_unavailable  Triton does not answer, or not in time
    │   ├── VersionGone                                   Triton has no such version (any more)
    │   └── WrongAnswers                                  Triton serves another model
    └── StorageFailed         507    storage_failed       the index could not be read or written

A picture's own faults (alexnet_pixels.errors) answer as 413 picture_too_large,
415 unsupported_format, 422 empty_picture and 422 undecodable_picture.  A repository's own
(alexnet_repository.errors) keep the server from starting.  What Flask itself refuses
answers as 404 not_found, 405 method_not_allowed, 413 request_too_large, 415
unsupported_media_type or 400 bad_request, what is refused before it (wire.py) also as 431
header_too_large or 501 not_implemented; a fault of ours as 500 internal_error.
"""

from __future__ import annotations

from alexnet_pixels.errors import (
    EmptyPicture,
    PictureError,
    PictureTooLarge,
    UndecodablePicture,
    UnsupportedFormat,
)


class ServerError(Exception):
    """Root of the tree; the message says what came, what the limit is and what to do."""


class SettingsError(ServerError):
    """A flag or ALEXNET_* variable is unknown or ill-typed."""


class EngineError(ServerError):
    """The model cannot be run on this machine."""


class RequestError(ServerError):
    """Answers a request with ``status``, ``code`` and ``title``; the message is the detail.

    ``retry_after_s`` is what the header Retry-After says; None leaves it out.
    """

    status = 500
    code = "internal_error"
    title = "Internal error"
    retry_after_s: int | None = None


class BadRequest(RequestError):
    """The request is malformed."""

    status, code, title = 400, "bad_request", "Bad request"


class BadParameter(BadRequest):
    """A parameter is unknown, ill-typed or out of range."""

    code, title = "bad_parameter", "Bad parameter"


class BadIdentifier(BadRequest):
    """A picture's id has other characters or another length than allowed."""

    code, title = "bad_id", "Bad picture id"


class BadMetadata(BadRequest):
    """Metadata is not a JSON object, or label or metadata are too long."""

    code, title = "bad_metadata", "Bad label or metadata"


class MissingPicture(BadRequest):
    """The request carries no picture."""

    code, title = "missing_picture", "No picture in the request"


class KeyMissing(RequestError):
    """The request carries no key, or one that the server does not know."""

    status, code, title = 401, "key_missing", "A key is needed"


class Forbidden(RequestError):
    """The key may not do this."""

    status, code, title = 403, "forbidden", "Not with this key"


class ForeignHost(Forbidden):
    """A server without keys was asked under a name that is not its own (DNS rebinding)."""

    code, title = "foreign_host", "Not this server's name"


class ForeignOrigin(Forbidden):
    """A server without keys was asked by the page of another site."""

    code, title = "foreign_origin", "Not from another site's page"


class PictureNotFound(RequestError):
    """No picture of that id is in the index."""

    status, code, title = 404, "picture_not_found", "No such picture"


class NoFirstLayer(RequestError):
    """The first layer cannot be looked at: no graph of it, or nothing here that runs it."""

    status, code, title = 404, "no_first_layer", "No view of the first layer"


class IndexInUse(RequestError):
    """Another process keeps the pictures of this model, or fills their place."""

    status, code, title = 409, "index_in_use", "Another process uses this index"


class IndexMismatch(RequestError):
    """The index file belongs to another program, version or model."""

    status, code, title = 409, "index_mismatch", "The index belongs to something else"


class TooManyPictures(RequestError):
    """More pictures times views, or times neighbours, than one request may hold."""

    status, code, title = 413, "too_many_pictures", "Too many pictures"


class ClientGone(RequestError):
    """The client closed the connection: nobody reads the answer, it is for the log."""

    status, code, title = 499, "client_gone", "The client is gone"


class BadModelOutput(RequestError):
    """The model gave NaN, infinity, or numbers of another shape or type than it must."""

    code, title = "bad_model_output", "The model gave an unusable answer"


class BackendFailed(RequestError):
    """Triton had the request and failed; what it said goes to the log, never to the client."""

    status, code, title = 502, "backend_failed", "The model's backend failed"


class Overloaded(RequestError):
    """As much is being answered as can be in time, or Triton's queue is full."""

    status, code, title = 503, "overloaded", "Too much to do right now"
    retry_after_s = 1


class ShuttingDown(RequestError):
    """The server answers what it has and takes no more."""

    status, code, title = 503, "shutting_down", "The server is stopping"
    retry_after_s = 1


class DeadlineExceeded(RequestError):
    """The request was not answered within its time."""

    status, code, title = 503, "deadline_exceeded", "Not answered in time"
    retry_after_s = 1


class BackendUnavailable(RequestError):
    """Triton cannot be reached, does not answer in time, or has not proven its model."""

    status, code, title = 503, "backend_unavailable", "The model's backend does not answer"
    retry_after_s = 1


class VersionGone(BackendUnavailable):
    """Triton does not have the version that was asked for.

    Another one may have taken its place: the request may be asked again of that one.
    """


class WrongAnswers(BackendUnavailable):
    """Triton answers the known pictures, but not as the deployed model does."""


class StorageFailed(RequestError):
    """The index could not be read or written; nothing of the request was stored."""

    status, code, title = 507, "storage_failed", "The index failed"


_PICTURE_FAULTS: dict[type[PictureError], tuple[int, str]] = {
    EmptyPicture: (422, "Empty picture"),
    UnsupportedFormat: (415, "Not a JPEG, PNG or WEBP picture"),
    PictureTooLarge: (413, "Picture too large"),
    UndecodablePicture: (422, "Picture cannot be decoded"),
}


def picture_status(error: PictureError) -> int:
    """HTTP status of a picture's fault."""
    return _PICTURE_FAULTS[type(error)][0]


def picture_title(error: PictureError) -> str:
    """Short title of a picture's fault."""
    return _PICTURE_FAULTS[type(error)][1]
