"""What is kept beside an output, in OUT.run: which run it is of, and its state."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from alexnet_client.names import printable
from alexnet_client.scoring import durable
from alexnet_client.scoring.errors import Damaged, NotTheSame

_FORMAT = 1


@dataclass(frozen=True)
class Settings:
    """What must not change from one run on an output to the next.

    Attributes:
        source: "folder PATH", or "list".
        working_folder: where the command ran, if paths depend on it.
        top_k: labels a picture.
        views: 1 or 10.
        shrink: whether pictures are made smaller before they are sent.
        features: the features' file as it was given, or None.
        model: the digest of the model that made the first line.
    """

    source: str
    working_folder: str | None
    top_k: int
    views: int
    shrink: bool
    features: str | None
    model: str


_NAMES = {
    "source": "the source",
    "working_folder": "the folder that the command runs in",
    "top_k": "--top-k",
    "views": "--views",
    "shrink": "--shrink",
    "features": "--features",
}


class RunFolder:
    """The folder beside ``out``."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self.path = out.with_name(f"{out.name}.run")

    @property
    def lock(self) -> Path:
        """What one process at a time holds."""
        return self.path / "lock"

    @property
    def inputs(self) -> Path:
        """The paths of the pictures."""
        return self.path / "inputs"

    @property
    def ledger(self) -> Path:
        """The lines: the output itself where it is JSONL; else it is made from them."""
        return self._out if self._out.suffix == ".jsonl" else self.path / "lines.jsonl"

    @property
    def again(self) -> Path:
        """The lines of pictures scored again."""
        return self.path / "again.jsonl"

    @property
    def unfinished(self) -> Path:
        """The paths that have no line yet, as a list that can be scored."""
        return self.path / "unfinished"

    def settings(self) -> Settings | None:
        """Return what the output was begun with; None: it is new.

        Raises:
            Damaged: they cannot be read.
        """
        try:
            found = json.loads((self.path / "settings.json").read_bytes())
            if found.pop("format") != _FORMAT:
                raise ValueError("of another version of this program")
            return Settings(**found)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Damaged(
                f"{printable(str(self.path / 'settings.json'))} cannot be read: {error}; give "
                "another --out to begin anew"
            ) from error

    def begin(self, settings: Settings) -> None:
        """Keep the settings; from here on the output belongs to this run."""
        text = json.dumps({"format": _FORMAT, **asdict(settings)}, indent=2) + "\n"
        durable.replace(self.path / "settings.json", lambda file: file.write(text.encode()))

    def differing(self, old: Settings, given: dict[str, Any]) -> None:
        """Compare what is given now with what the output was begun with, by field.

        Raises:
            NotTheSame: something differs.
        """
        for field in fields(Settings):
            was, now = getattr(old, field.name), given.get(field.name)
            if field.name in given and was != now:
                raise NotTheSame(
                    f"{printable(str(self._out))} was begun with {_NAMES[field.name]} "
                    f"{_said(was)}, now it is {_said(now)}: give the same again to go on, or "
                    "another --out to begin anew"
                )


def _said(value: object) -> str:
    return "none" if value is None else printable(str(value))
