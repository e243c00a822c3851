"""A place to deploy to, and the commands that are interrupted there.

Every command runs in a process of its own, which stops itself at a chosen step.  Some of the
steps are tried; all of them with ``EVERY_STEP=1`` in the environment (``make faults-deploys``).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alexnet_repository.errors import NothingDeployed
from alexnet_repository.repository import open_repository
from tests.interrupted import Commands, Ended


def is_every_step() -> bool:
    """Whether all steps are to be tried, however long it takes."""
    return bool(os.environ.get("EVERY_STEP"))


@dataclass(frozen=True)
class Place:
    """A folder with maybe a repository, and elsewhere the run folders ``a`` to ``d``."""

    folder: Path
    runs: Path

    @property
    def root(self) -> Path:
        return self.folder / "repository"

    def copy(self, to: Path) -> Place:
        shutil.copytree(self.folder, to, symlinks=True)
        return Place(to, self.runs)

    def served(self) -> tuple[str, str] | None:
        """Version and digest of what a server would start on; None where nothing is deployed."""
        try:
            repository = open_repository(self.root)
        except NothingDeployed:
            return None
        return repository.version, repository.digest

    def kept(self) -> list[str]:
        """Versions of the kept roots, each of which opens."""
        folders = sorted(self.folder.glob("repository.kept/*"))
        assert [open_repository(folder).version for folder in folders] == [
            folder.name for folder in folders
        ]
        return [folder.name for folder in folders]

    def is_tidy(self) -> bool:
        """Whether nothing but root, kept roots and lock stands there."""
        found = {path.name for path in self.folder.glob("repository*")}
        return found <= {"repository", "repository.lock", "repository.kept"}


def deploy(commands: Commands, place: Place, name: str, *flags: str, **how: object) -> Ended:
    flags = ("--repository", str(place.root), *flags)
    return commands.run("deploy", place.runs / name, *flags, **how)


def roll_back(commands: Commands, place: Place, *flags: str, **how: object) -> Ended:
    return commands.run("rollback", "--repository", place.root, *flags, **how)


SCENARIOS = {
    "first": ("", lambda *on, **how: deploy(*on, "a", **how)),
    "same generation": ("a", lambda *on, **how: deploy(*on, "b", **how)),
    "other layout": ("a", lambda *on, **how: deploy(*on, "b", "--layout", "single", **how)),
    "third, one pruned": ("abc", lambda *on, **how: deploy(*on, "d", "--keep", "1", **how)),
    "rollback": ("abc", roll_back),
    "rollback over two": ("abc", lambda *on, **how: roll_back(*on, "--to", "1", **how)),
}


@dataclass(frozen=True)
class Before:
    """What stands before the command of a scenario; ``whole`` is where it ran to its end."""

    start: Place
    whole: Place
    ended: Ended


Prepared = Callable[[str], Before]
