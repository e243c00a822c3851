"""All photos of a folder through the life of an index, by a running server and its commands.

    .venv/bin/python -m benchmarks.lifecycle --photos ../shared/data

Every photo is added over HTTP, each of 200 is searched for, those of one label are deleted, and the
index is checked and backed up while the server runs.  A second model then reindexes what is left
from the originals, beside the server; it is deployed, and the searches and the check come again.
The folder above a photo is its label.  It fails where a photo is not found as it must be.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from alexnet_client import Client, FolderPicture, walk
from alexnet_export.deploy import Deployment, deploy
from alexnet_repository.repository import open_repository
from benchmarks.arguments import add_out, parser_of
from benchmarks.result import RESULTS, keep, measured_on
from tests.running_server import clean_environment, command, running_server
from tests.waiting import wait_until

_SEARCHED = 200
_NEAREST = 6  # the picture itself, and five others
_ADDED_AT_ONCE = 32
_TIMEOUT_S = 120.0  # the machine may have other things to do
_PATIENT = ("--request-timeout-s", "60")
_OWN_DISTANCE = 1e-3  # at most, between a picture and itself
_RESULTS = RESULTS / "lifecycle.json"


@dataclass
class Life:
    """What was done, in order: its name, its seconds and what came of it."""

    steps: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Time the block, which fills in what came of it."""
        came: dict[str, Any] = {}
        began = time.perf_counter()
        yield came
        self.steps.append({"step": name, "seconds": round(time.perf_counter() - began, 2)} | came)
        sys.stdout.write(f"{name:<42}{self.steps[-1]['seconds']:>9} s  {_plain(came)}\n")
        sys.stdout.flush()


@dataclass(frozen=True)
class Photos:
    """The photos by what the index knows them by, the sha256 of their bytes."""

    pictures: dict[str, FolderPicture]

    @classmethod
    def below(cls, folder: Path) -> Photos:
        """Every photo; those of the same bytes are one."""
        return cls({_sha256(one.path): one for one in walk(folder)})

    def without(self, label: str) -> Photos:
        """Those of other labels."""
        return Photos({key: one for key, one in self.pictures.items() if one.label != label})

    def sample(self) -> list[str]:
        """Ids spread over all of them."""
        ids = sorted(self.pictures)
        return ids[:: max(1, len(ids) // _SEARCHED)][:_SEARCHED]


def main() -> None:
    """Live it, print each step and write them as JSON."""
    arguments = _arguments()
    life = Life()
    with tempfile.TemporaryDirectory(prefix="alexnet-lifecycle-") as folder:
        _live(life, Path(folder), arguments)
    result = {
        **measured_on("openvino", "apsw", "faiss-cpu"),
        "steps": life.steps,
    }
    keep(result, arguments.out)


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__, "exit codes: 0 all as it must be, 1 not, 2 wrong arguments")
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--first", type=Path, default=Path("runs/clothing"), help="run folder")
    parser.add_argument("--second", type=Path, default=Path("runs/digits"), help="run folder")
    parser.add_argument("--deleted", default="shoes", help="label that is deleted (shoes)")
    add_out(parser, _RESULTS)
    return parser.parse_args()


def _live(life: Life, folder: Path, arguments: argparse.Namespace) -> None:
    served, staged = folder / "repository", folder / "staging"
    index, originals = folder / "index.sqlite", folder / "originals"
    photos = Photos.below(arguments.photos)
    with life.step("deploy the first model, and prepare the second") as came:
        for run, repository in ((arguments.first, served), (arguments.second, staged)):
            came[run.name] = _deploy(run, repository)[:12]
    with (
        running_server(served, index, "--originals", str(originals), *_PATIENT) as server,
        Client(server.url, timeout_s=_TIMEOUT_S) as client,
    ):
        _add(life, client, photos)
        _search(life, client, photos, "search by the first model")
        with life.step(f"delete the label {arguments.deleted}") as came:
            came["deleted"] = client.delete_where(label=arguments.deleted)
            came["left"] = client.count()
        left = photos.without(arguments.deleted)
        _require(came["left"] == len(left.pictures) < len(photos.pictures), came)
        _require(client.count(label=arguments.deleted) == 0, "some of the label are left")
        _check(life, index, originals, "check, beside the server", len(left.pictures))
        with life.step("back up, beside the server") as came:
            copied = _command("backup", str(folder / "copy.sqlite"), index=index)
            came["bytes"] = copied["bytes"]
        with life.step("reindex under the second model, beside it") as came:
            flags = ("--repository", str(staged), "--originals", str(originals))
            told = _command("reindex", *flags, index=index)
            came["written"] = told["written"]
            came.update(told["drift"])
        _require(told["written"] == len(left.pictures) and not told["missing"], told)
        with life.step("deploy the second model to the server"):
            deploy(arguments.second, Deployment(served))
            wait_until(lambda: client.model().digest == told["to"]["model"])
        _require(client.count() == len(left.pictures), "the new index is not full")
        _search(life, client, left, "search by the second model")
    _check(life, index, originals, "check, the server stopped", 2 * len(left.pictures))


def _deploy(run: Path, repository: Path) -> str:
    """Deploy a run folder; returns the model's digest."""
    deploy(run, Deployment(repository))
    return open_repository(repository).digest


def _add(life: Life, client: Client, photos: Photos) -> None:
    every = list(photos.pictures.values())
    with (
        life.step("add every photo") as came,
        tqdm(total=len(every), desc="add", unit="photo", disable=None) as progress,
    ):
        for start in range(0, len(every), _ADDED_AT_ONCE):
            some = every[start : start + _ADDED_AT_ONCE]
            added = client.add_many(
                [one.path for one in some],
                labels=[one.label for one in some],
                metadata=[one.metadata for one in some],
            )
            _require(all(one.created for one in added), "a photo could not be added")
            progress.update(len(some))
        came["photos"] = client.count()
    _require(came["photos"] == len(every), came)


def _search(life: Life, client: Client, photos: Photos, name: str) -> None:
    """Each photo finds itself first; told is how many of the five others have its label."""
    times_s, same = [], []
    with life.step(name) as came:
        for photo_id in photos.sample():
            photo = photos.pictures[photo_id]
            began = time.perf_counter()
            nearest = client.search(photo.path, k=_NEAREST).neighbors
            times_s.append(time.perf_counter() - began)
            _require(nearest[0].distance <= _OWN_DISTANCE, f"{photo.path} does not find itself")
            _require(photo_id in {one.id for one in nearest}, f"{photo.path} is not found")
            same += [one.label == photo.label for one in nearest if one.id != photo_id]
        came["searches"] = len(times_s)
        came["median_ms"] = round(1000 * statistics.median(times_s), 1)
        came["neighbors_of_the_same_label"] = round(statistics.mean(same), 3)


def _check(life: Life, index: Path, originals: Path, name: str, pictures: int) -> None:
    with life.step(name) as came:
        found = _command("check", "--originals", str(originals), index=index)
        came.update({key: found[key] for key in ("sound", "pictures", "originals")})
        came["mib"] = round(index.stat().st_size / 2**20, 1)
    _require(came["sound"] and came["pictures"] == pictures, found)
    _require(not any(came["originals"].values()), came)


def _command(verb: str, *flags: str, index: Path) -> dict[str, Any]:
    """What ``alexnet-server index VERB`` prints.  Raises CalledProcessError."""
    done = subprocess.run(  # noqa: S603 - our own command
        [command("alexnet-server"), "index", verb, "--index", f"sqlite:///{index}", *flags],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=clean_environment(),
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _require(holds: bool, what: object) -> None:
    if not holds:
        raise SystemExit(f"not as it must be: {what}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(came: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in came.items())


if __name__ == "__main__":
    main()
