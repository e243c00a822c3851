"""The same picture more than once, told by its pixels: whatever its name, format or time."""

from __future__ import annotations

from collections import defaultdict

from alexnet_training.errors import DuplicatePhotos
from alexnet_training.photos.cache import Decoded

_NAMED = 5


def in_both(training: Decoded, validation: Decoded) -> list[tuple[int, int]]:
    """Rows of ``training`` that are in ``validation`` too, and where there."""
    seen = {digest: row for row, digest in enumerate(validation.digests)}
    return [(row, seen[one]) for row, one in enumerate(training.digests) if one in seen]


def refuse_leaks(training: Decoded, validation: Decoded) -> None:
    """Raise DuplicatePhotos where photos are in both halves: validation would praise memory."""
    pairs = in_both(training, validation)
    if not pairs:
        return
    named = [f"{training.names[row]} is {validation.names[other]}" for row, other in pairs[:_NAMED]]
    more = ", ..." if len(pairs) > _NAMED else ""
    raise DuplicatePhotos(
        f"{len(pairs):,} training photos are in the validation half too, pixel by pixel: "
        f"{', '.join(named)}{more}. Remove them from one half, or leave the training copies out "
        "with --leave-out-duplicates"
    )


def remarks(training: Decoded, classes: tuple[str, ...]) -> list[str]:
    """What is to be said of photos that are more than once in the training half, a line each."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(training.digests):
        rows[digest].append(row)
    again = sum(len(same) - 1 for same in rows.values())
    lines = [f"{again:,} training photos are copies of others"] if again else []
    for same in rows.values():
        labels = sorted({int(training.labels[row]) for row in same})
        if len(labels) > 1:
            named = " and ".join(classes[label] for label in labels)
            lines.append(f"one photo is of the classes {named}: {training.names[same[0]]}")
    return lines
