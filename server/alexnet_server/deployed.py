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
from alexnet_server.errors import EngineError, IndexMismatch, RequestError, StorageFailed
from alexnet_server.index.pictures import PictureIndex, open_index
from alexnet_server.index.records import Binding

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
    index: PictureIndex | RequestError
    stamp: bytes

    def pictures(self) -> PictureIndex:
        """The index.  Raises what kept it from opening (IndexMismatch or StorageFailed)."""
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
        if isinstance(self.index, PictureIndex):
            self.index.close()


def open_deployed(root: Path, engine_of: EngineOf, index_path: Path) -> Deployed:
    """Read, check and load what is deployed in ``root``; one that changes meanwhile is reread.

    Raises RepositoryError, EngineError or OSError.
    """
    for _ in range(_LOADS):
        stamp = deployed(root)
        try:
            repository = open_repository(root)
            binding = Binding(repository.digest, repository.feature_units)
            engine = engine_of(repository)
        except (RepositoryError, EngineError, OSError):
            if deployed(root) == stamp:
                raise
        else:
            if stamp is not None and deployed(root) == stamp:
                index = open_pictures(index_path, binding)
                return Deployed(repository, engine, index, stamp)
            engine.close()
    raise RepositoryError(f"{root} is deployed to again and again: start when that has ended")


def open_pictures(index_path: Path, binding: Binding) -> PictureIndex | RequestError:
    """The index of a model, or what keeps it from opening."""
    try:
        return open_index(index_path, binding)
    except (IndexMismatch, StorageFailed) as error:
        return error
