"""The page of groups of nearly the same pictures, and which of each to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from alexnet_client.duplicates import DuplicateGroup
from alexnet_client.page import document, text
from alexnet_client.report import path_of
from alexnet_client.results import StoredPicture
from alexnet_client.thumbnail import data_url

MAX_GROUPS = 500  # on one page; thumbnails of 1,000 pictures are some 10 MB


def duplicates_page(
    groups: Sequence[DuplicateGroup],
    max_distance: float,
    thumbnail: Callable[[StoredPicture], bytes | None],
) -> Iterator[str]:
    """Yield the page, piece by piece.

    Args:
        groups: what was found; the first `MAX_GROUPS` are shown.
        max_distance: how far apart neighbours of a group are at most.
        thumbnail: the small JPEG of a stored picture, None where it is gone.
    """

    def body() -> Iterator[str]:
        others = sum(len(group.others) for group in groups)
        yield (
            f"<p>{len(groups):,} groups of pictures at most {max_distance:g} apart, or joined by a "
            f"chain of such pairs; {others:,} pictures besides the ones to keep. To keep is the "
            "one of the most bytes as it was sent, among equals the one stored first.</p>\n"
        )
        if len(groups) > MAX_GROUPS:
            yield f"<p>Shown are the first {MAX_GROUPS:,} groups.</p>\n"
        for number, group in enumerate(groups[:MAX_GROUPS], 1):
            yield f"<h2>Group {number:,}: {1 + len(group.others):,} pictures</h2>\n"
            yield '<ul class="pictures">\n'
            yield _item(group.keep, True, thumbnail(group.keep))
            for picture in group.others:
                yield _item(picture, False, thumbnail(picture))
            yield "</ul>\n"

    return document("Pictures that are nearly the same", body())


def _item(picture: StoredPicture, is_kept: bool, jpeg: bytes | None) -> str:
    name = path_of(picture.metadata) or picture.id
    image = "<p>The picture is gone.</p>"
    if jpeg is not None:
        image = f'<img src="{data_url(jpeg)}" loading="lazy" alt="{text(name)}">'
    advice = '<span class="right">Keep</span>'
    if not is_kept:
        advice = '<span class="wrong">Delete</span>'
    size = "size not noted" if picture.size_bytes is None else f"{picture.size_bytes:,} bytes"
    return (
        f"<li>{image}<p>{advice}: {text(name)}<br>"
        f'<span class="quiet">{text(picture.label or "no label")}, {size}, stored '
        f"{text(picture.created_at)}, id {text(picture.id)}</span></p></li>\n"
    )
