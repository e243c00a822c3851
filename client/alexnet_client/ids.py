"""The names of stored pictures."""

import re

_ID = re.compile(r"(?!\.\.?\Z)[A-Za-z0-9._-]{1,128}\Z")  # . and .. would be steps in a URL's path


def checked(name: str) -> str:
    """Return ``name`` if it can be the id of a picture.

    Raises:
        ValueError: it is not 1 to 128 of ``A-Za-z0-9._-``, or it is ``.`` or ``..``.
    """
    if not _ID.match(name):
        raise ValueError(
            f"{name!r} cannot be an id: it has 1 to 128 letters, digits, dots, underscores and "
            "hyphens, and is not . or .."
        )
    return name


def path(name: str) -> str:
    """Return the URL path of a stored picture; `ValueError` as in `checked`."""
    return f"/images/{checked(name)}"
