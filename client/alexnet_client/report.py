"""What a command writes: results on standard output, messages on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from alexnet_client.duplicates import DuplicateGroup
from alexnet_client.errors import ClientError
from alexnet_client.names import printable
from alexnet_client.progress import Progress
from alexnet_client.results import (
    Added,
    Classification,
    Features,
    ModelCard,
    Neighbor,
    PictureResult,
    SearchResult,
    StoredPicture,
)

_BAR_COLUMNS = 24
_EIGHTHS = "▏▎▍▌▋▊▉█"
_LONGEST_LIST_SHOWN = 10  # classes of a model


class Report:
    """The two streams of a command, and the progress line that shares them.

    Attributes:
        as_json: write one JSON document at the end in place of text.
        results: the JSON of every picture so far.
        failed: how many pictures had no answer.
        failures: why a picture had no answer, by its printable name.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.results: list[dict[str, Any]] = []
        self.failures: dict[str, str] = {}
        self.failed = 0
        self.progress = Progress(0)

    def write(self, *lines: str) -> None:
        """Write lines to standard output, unless the output is JSON."""
        if not self.as_json:
            self.progress.clear()
            sys.stdout.write("".join(f"{line}\n" for line in lines))

    def say(self, message: str) -> None:
        """Write a message to standard error."""
        self.progress.clear()
        # Together they may be one terminal: what came first is shown first.
        sys.stdout.flush()
        sys.stderr.write(f"alexnet: {message}\n")

    def fail(self, filename: str, error: ClientError) -> None:
        """Count a picture that has no answer, and name it."""
        self.failed += 1
        self.failures[printable(filename)] = error.detail
        self.results.append({"filename": filename, "error": error_json(error)})
        self.say(str(error) if error.filename else f"{printable(filename)}: {error}")

    def write_json(self, document: Mapping[str, Any]) -> None:
        """Write the JSON document, in ASCII: any terminal and any file name will do."""
        self.progress.clear()
        json.dump(document, sys.stdout, indent=2, allow_nan=False)
        sys.stdout.write("\n")

    def end_with(self, code: str, detail: str, title: str | None = None) -> None:
        """Write why the command ends early, and the results until then; nothing if not JSON."""
        if self.as_json:
            title = title or code.replace("_", " ").capitalize()
            error = {"code": code, "title": title, "detail": detail}
            self.write_json({"error": error, "results": self.results})


def error_json(error: ClientError) -> dict[str, Any]:
    """Return ``{"code", "title", "detail"}``, as the server gives it."""
    return {"code": error.code, "title": error.title, "detail": error.detail}


def result_json(result: PictureResult) -> dict[str, Any]:
    """Return a result that is no error in the server's own shape."""
    document: dict[str, Any] = {"filename": result.filename}
    match result:
        case Classification():
            document["predictions"] = [vars(prediction) for prediction in result.predictions]
        case SearchResult():
            document["neighbors"] = [vars(neighbor) for neighbor in result.neighbors]
        case Features():
            document["features"] = [] if result.vector is None else result.vector.tolist()
        case Added():
            fields = ("id", "label", "metadata", "created")
            document |= {name: getattr(result, name) for name in fields}
    return document


def classification_lines(result: Classification) -> Iterator[str]:
    """Yield the picture's name and a line per label, with bars on a terminal."""
    yield printable(result.filename)
    labels = [printable(prediction.label) for prediction in result.predictions]
    width = max(map(len, labels), default=0)
    for label, prediction in zip(labels, result.predictions, strict=True):
        percent = f"{prediction.probability * 100:5.1f} %"
        if sys.stdout.isatty():
            yield f"  {label:{width}}  {bar(prediction.probability)}  {percent}"
        else:
            yield f"  {label:{width}}  {percent}"


def bar(share: float) -> str:
    """Draw ``share`` (0 to 1) as 24 columns: blocks to an eighth of one, or ``#`` marks."""
    try:
        _EIGHTHS.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ("#" * round(share * _BAR_COLUMNS)).ljust(_BAR_COLUMNS)
    whole, eighths = divmod(round(share * _BAR_COLUMNS * 8), 8)
    drawn = _EIGHTHS[-1] * whole + (_EIGHTHS[eighths - 1] if eighths else "")
    return drawn.ljust(_BAR_COLUMNS)


def search_lines(result: SearchResult) -> Iterator[str]:
    """Yield the picture's name and a line per neighbour: distance, label, id, path."""
    yield printable(result.filename)
    yield from neighbor_lines(result.neighbors)


def neighbor_lines(neighbors: Sequence[Neighbor]) -> Iterator[str]:
    """Yield a line per neighbour: distance, label, id, path."""
    if not neighbors:
        yield "  no stored picture fits"
    rows = [
        (
            f"{neighbor.distance:.3f}",
            printable(neighbor.label or "-"),
            neighbor.id,
            path_of(neighbor.metadata),
        )
        for neighbor in neighbors
    ]
    yield from table(rows, right=(0,))


def stored_line(picture: StoredPicture) -> str:
    """Describe a stored picture: id, when it was stored, label, path."""
    cells = (picture.id, picture.created_at, printable(picture.label or "-"))
    return "  ".join((*cells, path_of(picture.metadata))).rstrip()


def stored_json(picture: StoredPicture) -> dict[str, Any]:
    """Return a stored picture in the server's own shape."""
    fields = {name: getattr(picture, name) for name in ("id", "label", "metadata", "created_at")}
    return fields | {"bytes": picture.size_bytes}


def duplicate_lines(group: DuplicateGroup) -> Iterator[str]:
    """Yield a line per picture of the group, with what it is advised to do with it."""
    advice = [("keep", group.keep), *(("delete", picture) for picture in group.others)]
    yield from table(
        [
            (
                word,
                "?" if picture.size_bytes is None else f"{picture.size_bytes:,} B",
                printable(picture.label or "-"),
                picture.id,
                path_of(picture.metadata),
            )
            for word, picture in advice
        ],
        right=(1,),
    )
    yield ""


def path_of(metadata: Mapping[str, Any] | None) -> str:
    """Return the path a stored picture was added from, "" where it is not known."""
    return printable(str((metadata or {}).get("path", "")))


def features_line(result: Features) -> str:
    """Describe a feature row; the numbers themselves are for --out and --json."""
    vector = np.zeros(0, dtype=np.float32) if result.vector is None else result.vector
    active = int(np.count_nonzero(vector))
    norm = float(np.linalg.norm(vector))
    return f"{printable(result.filename)}  {active} of {vector.size} active, length {norm:.2f}"


def card_lines(card: ModelCard) -> Iterator[str]:
    """Yield the model's card as two aligned columns."""
    shown = [printable(name) for name in card.classes[:_LONGEST_LIST_SHOWN]]
    more = ", ..." if len(card.classes) > len(shown) else ""
    rows = [
        ("name", card.name),
        ("version", card.version),
        ("digest", card.digest),
        ("dialect", card.dialect),
        ("layout", card.layout),
        ("precision", card.precision),
        ("classes", f"{len(card.classes)}: {', '.join(shown)}{more}"),
    ]
    if card.about:
        rows.append(
            ("about", card.about if isinstance(card.about, str) else json.dumps(card.about))
        )
    rows += [(name, json.dumps(value)) for name, value in card.metrics.items()]
    yield from table([(printable(name), printable(value)) for name, value in rows])


def table(rows: Sequence[tuple[str, ...]], right: Sequence[int] = ()) -> Iterator[str]:
    """Yield aligned lines; the columns in ``right`` are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield ("  " + "  ".join(cells)).rstrip()
