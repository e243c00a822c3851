"""What can be wrong with a picture.

PictureError
├── EmptyPicture          no bytes at all
├── UnsupportedFormat     not JPEG, PNG or WEBP, whatever its name says
├── PictureTooLarge       more pixels, a longer side or more scans than the limits allow
└── UndecodablePicture    one of the three formats, but truncated, corrupt or in too many pieces
"""

from __future__ import annotations


class PictureError(Exception):
    """Root of the tree; ``code`` is stable, the message is for a person."""

    code = "picture_error"


class EmptyPicture(PictureError):
    """No bytes at all."""

    code = "empty_picture"


class UnsupportedFormat(PictureError):
    """Not JPEG, PNG or WEBP, whatever its name says."""

    code = "unsupported_format"


class PictureTooLarge(PictureError):
    """More pixels, a longer side or more scans than the limits allow."""

    code = "picture_too_large"


class UndecodablePicture(PictureError):
    """One of the three formats, but truncated, corrupt or divided into too many pieces."""

    code = "undecodable_picture"
