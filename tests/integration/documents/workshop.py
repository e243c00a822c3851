"""A folder with what the documents speak of, and their blocks run in it as a reader would."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from PIL import Image

from tests.photos import crops
from tests.random_checkpoint import CLASSES, NARROW, write_random_checkpoint
from tests.running_server import RunningServer, clean_environment, command, running_server

ROOT = Path(__file__).parents[3]
RUNS = ("better", "better-flowers", "clothing", "digits", "flowers", "one", "other", "photos")
PICTURES = ("cat", "china", "dog", "flower", "flower2", "picture", "rose")
# Programs that know the narrow network too, whose tables the real ones do not hold.
_NARROW_PROGRAM = """#!{python}
from alexnet_export.dialects import DIALECTS
from tests.random_checkpoint import NARROW
DIALECTS[NARROW.name] = NARROW
from {package}.cli import main
raise SystemExit(main())
"""
# Without --fail curl is content with any answer.
_PRELUDE = 'set -eo pipefail\ncurl() { command curl --silent --show-error --fail "$@"; }\n'
_SERVER = re.compile(r"(?:http://)?(?:localhost|127\.0\.0\.1):8080|https://pictures\.example")
_OPERATOR = re.compile(r"localhost:8081")


class Workshop:
    """``folder``, its programs first on the path, and the server that the last line started."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder = folder
        self.server: RunningServer | None = None
        self._servers = ExitStack()
        self._furnish(repository)
        self._equip()

    def _furnish(self, repository: Path) -> None:
        shutil.copytree(repository, self.folder / "model_repository")
        for number, name in enumerate(RUNS):
            (self.folder / "runs" / name).mkdir(parents=True)
            write_random_checkpoint(NARROW, self.folder / "runs" / name, seed=number)
        photos = crops(2 * len(CLASSES) + len(PICTURES), seed=5)
        for number, label in enumerate([*CLASSES, *CLASSES]):
            half = "train" if number < len(CLASSES) else "validation"
            (self.folder / "photos" / half / label).mkdir(parents=True)
            path = self.folder / "photos" / half / label / f"{number}.jpg"
            Image.fromarray(photos[number]).save(path)
        (self.folder / "clothing").symlink_to("photos")
        for name, pixels in zip(PICTURES, photos[-len(PICTURES) :], strict=True):
            Image.fromarray(pixels).save(self.folder / f"{name}.jpg")
        (self.folder / "notes.txt").write_text("not a picture\n")
        for name in ("data", "backup", "lib", "serving"):
            (self.folder / name).mkdir()
        for name in ("server", "starter"):
            (self.folder / name).symlink_to(ROOT / name)

    def _equip(self) -> None:
        programs = self.folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        for name in ("alexnet", "alexnet-server", "python"):
            (programs / name).symlink_to(command(name))
        for name, package in (
            ("alexnet-export", "alexnet_export"),
            ("alexnet-train", "alexnet_training"),
        ):
            text = _NARROW_PROGRAM.format(python=sys.executable, package=package)
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)

    def close(self) -> None:
        """Stop what was started."""
        self._servers.close()
        self.server = None

    def serve(self, line: str) -> None:
        """Run a line of ``alexnet-server serve`` until the next, or until the end."""
        self._serve(*shlex.split(self._here(line), comments=True)[2:])

    def run(self, language: str, text: str) -> subprocess.CompletedProcess[str]:
        """Run some lines of shell, or a block of Python, beside a server."""
        if self.server is None:
            self._serve()
        program = ["bash", "-c", _PRELUDE] if language == "sh" else [sys.executable, "-c", ""]
        program[2] += self._here(text)
        return subprocess.run(
            program,
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def _serve(self, *flags: str) -> None:
        self.close()
        index = self.folder / "data" / "index.sqlite"
        repository = self.folder / "model_repository"
        started = running_server(repository, index, *flags, cwd=self.folder)
        self.server = self._servers.enter_context(started)

    def _here(self, text: str) -> str:
        text = text.replace("/var/lib/alexnet", str(self.folder / "lib"))
        text = text.replace(" /backup", f" {self.folder}/backup")
        if self.server is None:
            return text
        return _OPERATOR.sub(self._operator(), _SERVER.sub(self.server.url, text))

    def _operator(self) -> str:
        (address,) = re.findall(
            r"^metrics +http://(\S+)/metrics", "".join(self.server.messages), re.MULTILINE
        )
        return str(address)

    def _environment(self) -> dict[str, str]:
        paths = (self.folder / ".venv" / "bin", Path(sys.executable).parent, os.environ["PATH"])
        return {
            **clean_environment(),
            "HOME": str(self.folder),
            "PATH": ":".join(map(str, paths)),
            "PYTHONPATH": str(ROOT),
            "ALEXNET_SERVER": self.server.url,
        }
