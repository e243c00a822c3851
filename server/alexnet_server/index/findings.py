"""What a check of an index file found: faults, each named, and their number."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

MOST_LISTED = 1_000  # faults with their ids; all are counted


@dataclass(frozen=True)
class Fault:
    """``what``: pages, references, texts, features, thumbnail, unreadable, coder, code or original.

    ``model_digest`` and ``id`` name the picture, where it is one's.
    """

    what: str
    model_digest: str | None = None
    id: str | None = None
    detail: str | None = None

    def as_json(self) -> dict[str, str]:
        """What is known of it."""
        named = {"model": self.model_digest, "id": self.id, "detail": self.detail}
        return {"fault": self.what} | {key: said for key, said in named.items() if said is not None}


@dataclass
class Findings:
    """What a check found.  ``faults`` are the first MOST_LISTED of them, ``counts`` counts all.

    ``generations`` have their number of pictures; ``originals`` counts those ``missing`` (pictures
    stored while none were kept have none) and those that are ``orphaned``.
    """

    generations: list[dict[str, Any]] = field(default_factory=list)
    pictures: int = 0
    faults: list[Fault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    originals: dict[str, int] | None = None

    def add(self, fault: Fault) -> None:
        """Count a fault."""
        self.counts[fault.what] += 1
        if len(self.faults) < MOST_LISTED:
            self.faults.append(fault)

    def as_json(self) -> dict[str, Any]:
        """All of it, for people and programs."""
        told: dict[str, Any] = {
            "sound": not self.counts,
            "pictures": self.pictures,
            "generations": self.generations,
            "faults": dict(self.counts),
            "listed": [fault.as_json() for fault in self.faults],
        }
        return told if self.originals is None else told | {"originals": self.originals}
