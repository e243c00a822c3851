"""One run on an output: begun, gone on with, and closed so that the next one can go on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from alexnet_client.names import printable
from alexnet_client.picture import Upload, read
from alexnet_client.progress import Progress
from alexnet_client.scoring import shrink, table
from alexnet_client.scoring.conveyor import Conveyor, Model, changed
from alexnet_client.scoring.errors import Damaged, ModelChanged, NotTheSame
from alexnet_client.scoring.features_file import FeaturesFile
from alexnet_client.scoring.inputs import STDIN, Inputs, named_by
from alexnet_client.scoring.ledger import Ledger
from alexnet_client.scoring.line import Tally, is_retryable
from alexnet_client.scoring.lock import Lock
from alexnet_client.scoring.patience import Patience
from alexnet_client.scoring.read_ahead import Job
from alexnet_client.scoring.run_folder import RunFolder, Settings
from alexnet_client.scoring.scorer import Scorer
from alexnet_client.scoring.sender import Sender, Wish
from alexnet_client.scoring.writer import Writer


@dataclass(frozen=True)
class Order:
    """What the caller wants.

    Attributes:
        source: a folder, a file that lists paths, or ``-`` (see `scoring.inputs`).
        out: .jsonl, .csv or .parquet.
        features: a .npy file for the features, or None.
        top_k: labels a picture.
        views: 1 or 10.
        shrink: make pictures smaller before they are sent.
        allow_model_change: go on where another model answers than the one of the first line.
        wait_s: how long a server that does not answer is waited for.
    """

    source: str
    out: Path
    features: Path | None = None
    top_k: int = 5
    views: int = 1
    shrink: bool = False
    allow_model_change: bool = False
    wait_s: float = 120.0

    @property
    def is_folder(self) -> bool:
        """Whether the source is a folder, which may have more pictures the next time."""
        return self.source != STDIN and Path(self.source).is_dir()


@dataclass(frozen=True)
class Summary:
    """What the whole output holds, and what this run did.

    Attributes:
        pictures: in all.
        tally: of all lines.
        scored: pictures that got their line in this run.
        requests: sent in this run.
    """

    pictures: int
    tally: Tally
    scored: int
    requests: int

    @property
    def unfinished(self) -> int:
        """Pictures without a line."""
        return self.pictures - self.tally.lines


class Run:
    """A run on the output of ``order``; enter `locked` first.

    Args:
        order: what the caller wants.
        say: told in words for people what happens.
        unreadable: told of each folder that cannot be listed.
    """

    def __init__(
        self,
        order: Order,
        say: Callable[[str], object],
        unreadable: Callable[[OSError], None],
    ) -> None:
        self._order, self._say, self._unreadable = order, say, unreadable
        self._folder = RunFolder(order.out)
        self._inputs = Inputs(self._folder.inputs)
        self._ledger: Ledger | None = None
        self._done_before = self._passing_before = self._pictures = 0
        self._sender: Sender | None = None

    def locked(self) -> Lock:
        """Return the lock of the output.

        Raises:
            NotTheSame: what stands at ``out`` or ``features`` was not made by this command.
        """
        if self._folder.settings() is None:
            for path in filter(None, (self._order.out, self._order.features)):
                if path.exists():
                    raise NotTheSame(
                        f"{printable(str(path))} is there already, and not begun by this command "
                        f"(there is no {printable(self._folder.path.name)} beside it): take it "
                        "away, or give another name"
                    )
        self._folder.path.mkdir(exist_ok=True)
        return Lock(self._folder.lock)

    async def score(self, scorer: Scorer) -> Summary:
        """Give every picture that has none its line.

        Raises:
            ScoringError: nothing can be added to what is there.
            ClientError: no picture can be scored, or no longer.
            OSError: the output cannot be written.
        """
        settings = await self._settings(scorer)
        self._ledger = Ledger(self._folder.ledger, self._folder.again, self._inputs)
        with closing(self._ledger), self._features() or nullcontext() as features:
            await self._work(scorer, settings, self._ledger, features)
            self._ledger.merge()
        table.write(self._folder.ledger, self._order.out, self._order.top_k)
        self._folder.unfinished.unlink(missing_ok=True)
        return self.summary()

    def summary(self) -> Summary:
        """Return how far it is."""
        tally = Tally() if self._ledger is None else self._ledger.tally
        requests = 0 if self._sender is None else self._sender.requests
        scored = max(0, tally.lines - self._done_before) + self._scored_again()
        return Summary(self._pictures, tally, scored, requests)

    def list_unfinished(self) -> Path | None:
        """Write the paths without a line as a list, and return where; None: there are none."""
        if self._ledger is None or self._ledger.done >= self._pictures:
            return None
        paths = [path for n, path in enumerate(self._inputs) if n >= self._ledger.done]
        end = "\0" if any("\n" in path or path.endswith("\r") for path in paths) else "\n"
        content = b"".join(os.fsencode(path + end) for path in paths)
        self._folder.unfinished.write_bytes(content)
        return self._folder.unfinished

    async def _settings(self, scorer: Scorer) -> Settings:
        order = self._order
        features = None if order.features is None else str(order.features)
        given = {
            "source": f"folder {Path(order.source)}" if order.is_folder else "list",
            "top_k": order.top_k,
            "views": order.views,
            "shrink": order.shrink,
            "features": features,
        }
        paths = named_by(order.source, self._unreadable)
        old = self._folder.settings()
        if old is None:
            self._pictures = self._inputs.begin(paths)
        else:
            self._folder.differing(old, given)
            take = self._inputs.grow if order.is_folder else self._inputs.same
            self._pictures = take(paths)
        given["working_folder"] = str(Path.cwd()) if self._inputs.are_relative() else None
        digest = (await scorer.model()).digest
        if old is None:
            old = Settings(**given, model=digest)  # type: ignore[arg-type]
            self._folder.begin(old)
        self._folder.differing(old, given)
        if old.model != digest and not order.allow_model_change:
            raise ModelChanged(changed(old.model, digest))
        return old

    def _features(self) -> closing[FeaturesFile] | None:
        path, ledger = self._order.features, self._ledger
        if path is None or ledger is None:
            return None
        if not path.exists():
            if ledger.done:
                raise Damaged(
                    f"{printable(str(path))} is gone: put it back, or give another --out to begin "
                    "anew"
                )
            FeaturesFile.create(path, self._pictures)
        return closing(FeaturesFile(path, self._pictures))

    async def _work(
        self, scorer: Scorer, settings: Settings, ledger: Ledger, features: FeaturesFile | None
    ) -> None:
        order = self._order
        self._done_before = ledger.done
        again = {number for number, one in ledger.passing.items() if is_retryable(one)}
        self._passing_before = len(again)
        missing = self._pictures - ledger.done
        if self._done_before:
            self._say(
                f"going on: {ledger.done - len(again)} of {self._pictures} pictures are done, "
                f"{len(again)} are tried again"
            )
        progress = Progress(missing + len(again))
        progress.advance(0)

        def say(text: str) -> None:
            progress.clear()
            self._say(text)

        conveyor = Conveyor(
            scorer,
            wish=Wish(order.top_k, order.views, order.features is not None),
            model=Model(settings.model, order.allow_model_change),
            writer=Writer(ledger, features),
            progress=progress,
            patience=Patience(order.wait_s, say),
            say=say,
        )
        self._sender = conveyor.sender
        load: Callable[[str], Upload] = shrink.load if order.shrink else read
        try:
            await conveyor.run(self._jobs(again, ledger.done), load)
        finally:
            progress.clear()

    def _jobs(self, again: set[int], done: int) -> Iterator[Job]:
        for number, path in enumerate(self._inputs):
            if number >= done or number in again:
                yield Job(number, path)

    def _scored_again(self) -> int:
        if self._ledger is None:
            return 0
        passing = self._ledger.passing.values()
        return self._passing_before - sum(map(is_retryable, passing))
