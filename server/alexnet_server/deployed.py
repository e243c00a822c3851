"""One deploy as requests see it: the files, the engine and the index, which belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alexnet_repository.errors import RepositoryError
from alexnet_repository.files import deployed
from alexnet_repository.repository import Repository, open_repository
from alexnet_server.engine import Engine
from alexnet_server.engine.triton import TritonEngine
from alexnet_server.errors import (
    EngineError,
    IndexInUse,
    IndexMismatch,
    RequestError,
    StorageFailed,
)
from alexnet_server.first_layer import FirstLayer
from alexnet_server.index import Index
from alexnet_server.index.opening import Indexes

_LOADS = 3
EngineOf = Callable[[Repository], Engine]


@dataclass(frozen=True)
class Deployed:
    """A model, what runs it, and the index of its features; a request uses one from end to end.

    ``index`` is the reason instead, where the index file cannot be used: classification goes on.
    ``stamp`` tells one deploy from another.
    """

    repository: Repository
    engine: Engine
    first_layer: FirstLayer
    index: Index | RequestError
    stamp: bytes

    def pictures(self) -> Index:
        """The index.  Raises IndexInUse, IndexMismatch or StorageFailed: what kept it shut."""
        if isinstance(self.index, RequestError):
            # A new one each time: a raised exception keeps its frames, and with them the uploads.
            raise type(self.index)(str(self.index))
        return self.index

    def model(self) -> dict[str, str]:
        """Which model answers: ``name``, ``version``, ``digest``."""
        model = self.repository.manifest["model"]
        return {key: model[key] for key in ("name", "version", "digest")}

    def prove(self) -> None:
        """Let the model give its known answers, where its engine does not do so by itself.

        Raises RequestError; WrongAnswers says what differs.
        """
        if isinstance(self.engine, TritonEngine):
            self.engine.prove()

    def close(self) -> None:
        """Close the engine and the index; no request may be under way."""
        self.engine.close()
        if not isinstance(self.index, RequestError):
            self.index.close()


def open_deployed(root: Path, engine_of: EngineOf, indexes: Indexes) -> Deployed:
    """Read, check and load what is deployed in ``root``; one that changes meanwhile is reread.

    Raises RepositoryError, EngineError or OSError.
    """
    for _ in range(_LOADS):
        stamp = deployed(root)
        try:
            repository = open_repository(root)
            first_layer = FirstLayer(repository)
            engine = engine_of(repository)
        except (RepositoryError, EngineError, OSError):
            if deployed(root) == stamp:
                raise
        else:
            if stamp is not None and deployed(root) == stamp:
                index = open_pictures(indexes, repository)
                return Deployed(repository, engine, first_layer, index, stamp)
            engine.close()
    raise RepositoryError(f"{root} is deployed to again and again: start when that has ended")


def open_pictures(indexes: Indexes, repository: Repository) -> Index | RequestError:
    """The index of a model, or what keeps it from opening."""
    try:
        return indexes.of(repository.digest, repository.feature_units)
    except (IndexInUse, IndexMismatch, StorageFailed) as error:
        return error
