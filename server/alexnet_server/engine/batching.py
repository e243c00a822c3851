"""Requests that come at the same time share a pass through the network."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from alexnet_server.call import Call
from alexnet_server.engine import Images, Inference
from alexnet_server.errors import BackendFailed, BadModelOutput, RequestError, ShuttingDown

# How often a request in line looks whether its client is still there: one that is not makes room.
_LOOK_S = 0.1
OnPass = Callable[[int, float], None]
_log = logging.getLogger(__name__)


class Network(Protocol):
    """What runs one pass."""

    @property
    def view_side(self) -> int:
        """Pixels a side of the views it takes."""

    def run(self, images: Images) -> Inference:
        """``images`` uint8 [n, side, side, 3] through the network."""

    def describe(self) -> dict[str, Any]:
        """What runs where and on views of which side, as JSON values."""


@dataclass(frozen=True)
class Batch:
    """How large a pass may be, in views, and how long the first in line waits for others."""

    max_views: int = 32
    max_delay_s: float = 0.0


@dataclass(eq=False)
class _Entry:
    """One request's views in line, and what came of them; a pass takes all of them or none."""

    images: Images
    call: Call
    came_s: float = field(default_factory=time.monotonic)
    began_s: float | None = None  # when its pass did; None: it is still in line
    pass_views: int = 0
    outcome: Inference | RequestError | None = None  # None at the end: it was wanted no more
    is_done: threading.Event = field(default_factory=threading.Event)

    def end(self, outcome: Inference | RequestError | None) -> None:
        """Let the request go on with ``outcome``; a second one changes nothing."""
        if not self.is_done.is_set():
            self.outcome = outcome
            self.is_done.set()

    def taken(self) -> RequestError | None:
        """The refusal, which is kept no longer: its frames hold this entry, and so the images."""
        refusal, self.outcome = self.outcome, None
        return refusal if isinstance(refusal, RequestError) else None

    def account(self) -> None:
        """Tell the call how long it was in line, how long in a pass, and of how many views."""
        now_s = time.monotonic()
        began_s = now_s if self.began_s is None else self.began_s
        self.call.add("queue", began_s - self.came_s)
        self.call.add("infer", now_s - began_s)
        self.call.facts["batch_views"] = self.pass_views


class BatchingEngine:
    """The engine ``local``: one thread takes all that is in line through ``network`` together.

    While a pass runs, the next one gathers; without a delay a request that comes alone goes at
    once.  ``on_pass`` hears of each pass: its views and its seconds.
    """

    def __init__(
        self,
        network: Network,
        batch: Batch,
        on_pass: OnPass = lambda views, seconds: None,
    ) -> None:
        self.network = network
        self._batch = batch
        self._on_pass = on_pass
        self._changed = threading.Condition()  # guards the two below
        self._line: deque[_Entry] = deque()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="batching", daemon=True)
        self._thread.start()

    @property
    def view_side(self) -> int:
        """See Engine: whoever shares a pass took the side of this very engine."""
        return self.network.view_side

    @property
    def waiting(self) -> int:
        """Views in line now."""
        with self._changed:
            return self._views()

    def infer(self, images: Images, call: Call) -> Inference:
        """See Engine.

        Raises DeadlineExceeded, ClientGone, BadModelOutput, ShuttingDown, or BackendFailed where
        the pass failed.
        """
        call.require_wanted()
        entry = _Entry(images, call)
        with self._changed:
            if self._is_closed:
                raise _closed()
            self._line.append(entry)
            self._changed.notify()
        while not entry.is_done.wait(max(0.0, min(_LOOK_S, call.left_s()))):
            if not call.is_wanted():
                self._give_up(entry)
                break
        entry.account()
        if isinstance(entry.outcome, Inference):
            return entry.outcome
        raise entry.taken() or call.refusal()

    def describe(self) -> dict[str, Any]:
        """See Engine."""
        return self.network.describe()

    def ready(self) -> bool:
        """See Engine: a network that is there has given the known answers."""
        return True

    def close(self) -> None:
        """See Engine; who is in line all the same is told so, and not left to wait."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()
        with self._changed:  # who gives up meanwhile must not look for what is gone
            while self._line:
                self._line.popleft().end(_closed())

    def _give_up(self, entry: _Entry) -> None:
        with self._changed:
            if entry in self._line:  # a pass that has begun ends without being waited for
                self._line.remove(entry)

    def _work(self) -> None:
        while (entries := self._next()) is not None:
            try:
                self._pass(entries)
            except Exception:  # noqa: BLE001 (the boundary of the thread: it must go on)
                _log.exception("a pass of %d requests failed", len(entries))
                for entry in entries:
                    entry.end(BackendFailed("the model failed; the server's log says how"))

    def _next(self) -> list[_Entry] | None:
        """What goes through together: in their order, as many as fit, at least one if wanted.

        None once the engine is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._line or self._is_closed)
            self._gather()
            if self._is_closed:
                return None
            entries: list[_Entry] = []
            views = 0
            while self._line:
                entry = self._line[0]
                if entries and views + len(entry.images) > self._batch.max_views:
                    break
                self._line.popleft()
                if entry.call.is_wanted():
                    entries.append(entry)
                    views += len(entry.images)
                else:
                    entry.end(None)
        return entries

    def _gather(self) -> None:
        """Wait for others until the first in line has waited its delay or the pass is full."""
        while self._line and not self._is_closed:
            left_s = self._line[0].came_s + self._batch.max_delay_s - time.monotonic()
            if left_s <= 0 or self._views() >= self._batch.max_views:
                return
            self._changed.wait(left_s)

    def _views(self) -> int:
        return sum(len(entry.images) for entry in self._line)

    def _pass(self, entries: list[_Entry]) -> None:
        if not entries:
            return
        views = sum(len(entry.images) for entry in entries)
        began_s = time.monotonic()
        for entry in entries:
            entry.began_s, entry.pass_views = began_s, views
        # [views, side, side, 3]; one request's own are not copied
        images = [entry.images for entry in entries]
        found = self.network.run(images[0] if len(images) == 1 else np.concatenate(images))
        seconds = time.monotonic() - began_s
        if not len(found.features) == len(found.probabilities) == views:
            raise BadModelOutput(
                f"the model gave {len(found.features)} rows of features and "
                f"{len(found.probabilities)} of probabilities for {views} views"
            )
        start = 0
        for entry in entries:
            end = start + len(entry.images)
            entry.end(_share(found, start, end))
            start = end
        self._on_pass(views, seconds)


def _share(found: Inference, start: int, end: int) -> Inference | RequestError:
    """One request's rows of a pass; what is wrong with them is its own and nobody else's."""
    share = Inference(found.features[start:end], found.probabilities[start:end])
    try:
        share.require_finite()
    except RequestError as error:
        return error.with_traceback(None)
    return share


def _closed() -> ShuttingDown:
    return ShuttingDown("the network is not served any more: send the request again")
