"""One line of the output: a picture with its labels, or with its error."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from alexnet_client.errors import ClientError
from alexnet_client.names import printable
from alexnet_client.scoring.scorer import Scored

Line: TypeAlias = dict[str, Any]

_PREDICTION = ("label", "class_id", "probability")
_ERROR = ("code", "title", "detail")


def of(path: str, scored: Scored, model: str | None = None) -> Line:
    """Return the line of a picture; ``model`` is a digest to note in it."""
    if scored.error is not None:
        return of_error(path, scored.error)
    predictions = [
        {"label": one.label, "class_id": one.class_id, "probability": one.probability}
        for one in scored.predictions
    ]
    noted = {} if model is None else {"model": model}
    return {"path": path, "predictions": predictions, **noted}


def of_error(path: str, error: ClientError) -> Line:
    """Return the line of a picture without labels; ``retryable`` stands there if it is."""
    about: Line = {
        "code": error.code,
        "title": error.title,
        "detail": printable(error.detail),
    }
    if error.retryable:
        about["retryable"] = True
    return {"path": path, "error": about}


def encoded(line: Line) -> bytes:
    """Return the line as it stands in the file.

    ASCII: file names that are no UTF-8 are lone surrogates here (PEP 383), which no encoding
    takes, and some characters end a line for some readers.
    """
    return json.dumps(line, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def decoded(text: bytes) -> Line:
    """Read a line of the file.

    Raises:
        ValueError: it is none.
    """
    line = json.loads(text)
    is_one = isinstance(line, dict) and isinstance(line.get("path"), str)
    if not is_one or ("predictions" in line) == ("error" in line):
        raise ValueError("no line of pictures scored")
    found = line.get("predictions", [line.get("error")])
    parts = _PREDICTION if "predictions" in line else _ERROR
    if not isinstance(found, list) or not all(map(partial(_has, parts), found)):
        raise ValueError("no labels and no error")
    return line  # type: ignore[no-any-return]


def _has(parts: Collection[str], about: object) -> bool:
    return isinstance(about, dict) and about.keys() >= set(parts)


def is_retryable(line: Line) -> bool:
    """Return whether the picture may fare better another time."""
    return bool(line.get("error", {}).get("retryable"))


@dataclass
class Tally:
    """How many lines there are of each kind."""

    labelled: int = 0
    failed: int = 0
    retryable: int = 0
    codes: dict[str, int] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        """All of them."""
        return self.labelled + self.failed + self.retryable

    def count(self, line: Line, by: int = 1) -> None:
        """Count a line (``by=-1``: no longer)."""
        if "error" not in line:
            self.labelled += by
            return
        code = line["error"]["code"]
        self.codes[code] = self.codes.get(code, 0) + by
        if not self.codes[code]:
            del self.codes[code]
        if is_retryable(line):
            self.retryable += by
        else:
            self.failed += by
