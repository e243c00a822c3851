"""What a running server asked the system for, as Python's audit events tell."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_name("watched")


@dataclass
class Watch:
    """Reads the events of a server that was started under it; ``seen`` skips what was read."""

    path: Path
    place: int = 0

    def seen(self, *kinds: str) -> list[list[str]]:
        """New events whose names begin with one of ``kinds``, each with its arguments' texts."""
        with self.path.open() as lines:
            lines.seek(self.place)
            text = lines.read()
            self.place = lines.tell()
        events = [json.loads(line) for line in text.splitlines()]
        return [one for one in events if one[0].startswith(kinds)]


def watch(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Watch:
    """Have every Python process that is started from now on be watched."""
    path = folder / "events"
    path.touch()
    monkeypatch.setenv("PYTHONPATH", str(FOLDER), prepend=os.pathsep)
    monkeypatch.setenv("WATCHED_EVENTS", str(path))
    return Watch(path)
