"""The scorer as a stage of Ray Data: pictures in, labels and features out.

::

    import ray
    from alexnet_client.ray.stage import ScoreStage

    pictures = ray.data.read_binary_files("photos/", include_paths=True)
    pictures.map_batches(
        ScoreStage,
        fn_constructor_args=("http://10.0.0.5:8080",),
        batch_format="pyarrow",
        batch_size=256,
        compute=ray.data.ActorPoolStrategy(size=4),
    ).write_parquet("scored/")

Needs the extra ``[ray]`` on every machine of the cluster, and ``[triton]`` for ``grpc://``.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from alexnet_client import retry
from alexnet_client.client import AsyncClient
from alexnet_client.errors import ClientError
from alexnet_client.picture import Upload, batches, read
from alexnet_client.results import ModelRef
from alexnet_client.scoring.scorer import HttpScorer, Scored, Scorer

try:
    import pyarrow as pa

    from alexnet_client.ray.table import schema, table
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"Ray needs the extra [ray] ({error}): pip install './client[ray]'", name=error.name
    ) from error

T = TypeVar("T")

_REQUEST_VIEWS = 32  # of which the server makes one pass
_REQUESTS_IN_FLIGHT = 2  # one travels while the other is computed
_SLOWEST_TRY = 6  # the waits between tries grow to 16 s and no further


class ScoreFailed(Exception):
    """A batch could not be scored; says why. It crosses between processes, as ClientError cannot.

    Attributes:
        reason: one sentence for people.
        may_pass: whether the same may succeed later, with nothing changed.
    """

    def __init__(self, reason: str, may_pass: bool) -> None:
        super().__init__(reason, may_pass)
        self.reason = reason
        self.may_pass = may_pass

    def __str__(self) -> str:
        return self.reason


class ScoreStage:
    """For ``Dataset.map_batches`` with ``batch_format="pyarrow"``; one actor, one connection.

    A batch has a column ``path`` (string), ``bytes`` (binary), or both; with ``bytes`` no file is
    opened. Its answer has `schema`'s columns, a row a picture in the same order.

    Args:
        server: ``http://HOST:PORT``, or ``grpc://HOST:PORT`` for a Triton. A key is taken from the
            environment's ALEXNET_KEY of the machine the actor runs on.
        top_k: labels a picture.
        views: 1 or 10.
        features: whether to return fc7 too.
        timeout_s: seconds until one request gives up.
        patience_s: seconds that failures which may pass are waited out and repeated, each request.
    """

    def __init__(
        self,
        server: str,
        *,
        top_k: int = 5,
        views: int = 1,
        features: bool = False,
        timeout_s: float = 60.0,
        patience_s: float = 600.0,
    ) -> None:
        self._asked: dict[str, Any] = {"top_k": top_k, "views": views, "features": features}
        self._pictures_a_request = max(1, _REQUEST_VIEWS // views)
        self._patience_s = patience_s
        self._schema = schema(features)
        self._loop = asyncio.new_event_loop()
        self._scorer, self._close = _opened(server, timeout_s)

    def close(self) -> None:
        """Close the connections. Ray does not: the end of an actor is the end of its process."""
        self._loop.run_until_complete(self._close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Score a batch.

        Raises:
            ScoreFailed: the server refused, or failed for longer than ``patience_s``.
            KeyError: the batch has neither column.
        """
        return table(_names(batch), self.scored(_uploads(batch)), self._schema)

    def scored(self, uploads: Iterator[Upload]) -> list[Scored]:
        """Score pictures, read as they are needed; one result each, in order.

        Raises ScoreFailed.
        """
        return self._run(self._score(uploads))

    def model(self) -> ModelRef:
        """The model that answers now.  Raises ScoreFailed."""
        return self._run(self._patiently(self._scorer.model))

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        try:
            return self._loop.run_until_complete(what)
        except ClientError as error:
            raise ScoreFailed(str(error), error.retryable) from None

    async def _score(self, uploads: Iterator[Upload]) -> list[Scored]:
        requests = batches(uploads, self._pictures_a_request)
        under_way: deque[asyncio.Task[list[Scored]]] = deque()
        scored: list[Scored] = []
        try:
            # Files are read in a thread, and no further ahead than the requests in flight.
            while some := await asyncio.to_thread(next, requests, None):
                if len(under_way) == _REQUESTS_IN_FLIGHT:
                    scored += await under_way.popleft()
                under_way.append(asyncio.create_task(self._ask(some)))
            while under_way:
                scored += await under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()
        return scored

    async def _ask(self, uploads: list[Upload]) -> list[Scored]:
        readable = [upload for upload in uploads if upload.error is None]
        asked: list[Scored] = []
        if readable:
            asked = await self._patiently(lambda: self._scorer.score(readable, **self._asked))
        answers = iter(asked)
        return [Scored(error=each.error) if each.error else next(answers) for each in uploads]

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until it is answered; retryable errors for ``patience_s`` seconds."""
        until = time.monotonic() + self._patience_s
        tries = 0
        while True:
            tries += 1
            try:
                return await ask()
            except ClientError as error:
                pause_s = retry.wait_s(error, min(tries, _SLOWEST_TRY))
                if not error.retryable or time.monotonic() + pause_s > until:
                    raise
            await asyncio.sleep(pause_s)


def _opened(
    server: str, timeout_s: float
) -> tuple[Scorer, Callable[[], Coroutine[Any, Any, None]]]:
    """What scores at ``server``, over HTTP or straight from a Triton, and how it is closed."""
    if not server.startswith("grpc://"):
        client = AsyncClient(server, timeout_s=timeout_s, max_retries=0)
        return HttpScorer(client), client.close
    from alexnet_client.triton_direct.scorer import TritonScorer  # noqa: PLC0415  the extra [triton]

    triton = TritonScorer(server, timeout_s=timeout_s)
    return triton, triton.aclose


def _names(batch: pa.Table) -> list[str | None]:
    """The column ``path``; none where there is only ``bytes``."""
    if "path" in batch.column_names:
        return list(batch["path"].to_pylist())
    return [None] * batch.num_rows


def _uploads(batch: pa.Table) -> Iterator[Upload]:
    if "bytes" not in batch.column_names:
        yield from map(read, batch["path"].to_pylist())
        return
    for name, content in zip(_names(batch), batch["bytes"], strict=True):
        yield replace(read(content.as_py() or b""), filename=name or "picture")
