"""Follows the deploys: finds a new one, proves it beside the old one, and puts it in its place."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from alexnet_repository.errors import RepositoryError
from alexnet_server.deployed import Deployed
from alexnet_server.errors import (
    BackendFailed,
    BadModelOutput,
    EngineError,
    RequestError,
    WrongAnswers,
)

PERIOD_S = 1.0  # between two looks while all is well
_END_S = 5.0  # that a look may take at the end; Triton may hang in it
_SOON_S = 0.25  # while something is awaited
_AGAIN_S = 10.0  # before a deploy that was refused is looked at again: it may have been repaired
_log = logging.getLogger(__name__)


@dataclass
class _Held:
    """A deploy and how many requests use it now."""

    deployed: Deployed
    users: int = 0


class Following:
    """The deploy that requests are answered with; one thread looks for the next.

    ``open_next`` opens what is deployed now; ``stamp`` tells one deploy from another, or None
    where there is none.  ``wake`` is set by whoever wants the thread to look at once.
    """

    def __init__(
        self,
        open_next: Callable[[], Deployed],
        stamp: Callable[[], bytes | None],
        wake: threading.Event | None = None,
    ) -> None:
        """Open what is deployed.  Raises RepositoryError, EngineError or OSError."""
        self._open_next = open_next
        self._stamp = stamp
        self._wake = wake or threading.Event()
        # Guards _held, its users, _begun and _ended; notified when a look has ended.
        self._looked = threading.Condition()
        self._held = _Held(open_next())
        self._begun = self._ended = 0  # looks
        # The rest is written by the thread that looks alone.
        self._next: Deployed | None = None
        self._seen: bytes | None = self._held.deployed.stamp
        self._state: str | None = None
        self._not_before = 0.0
        self._said: dict[str, str] = {}
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="following", daemon=True)

    @contextmanager
    def hold(self) -> Iterator[Deployed]:
        """The deploy of now; it stays whole until it is let go, whatever is deployed meanwhile."""
        with self._looked:
            held = self._held
            held.users += 1
        try:
            yield held.deployed
        finally:
            with self._looked:
                held.users -= 1
                is_last = held.users == 0 and held is not self._held
            if is_last:
                held.deployed.close()

    def renewed(self, stale: Deployed, timeout_s: float) -> bool:
        """Wait for a deploy that answers in place of ``stale``, whose version Triton has no more.

        False where there is none, or none in time.
        """
        with self._looked:
            look = self._begun + 1  # one under way may have read the old files
            self._wake.set()

            def is_decided() -> bool:
                if self._held.deployed.stamp != stale.stamp:
                    return True
                return self._ended >= look and (self._next is None or self._is_ready())

            return self._looked.wait_for(is_decided, timeout_s) and self._is_ready()

    def next(self) -> dict[str, str | None] | None:
        """What is deployed but not served: its ``version``, where known, and its ``state``.

        ``loading``, ``awaited`` (Triton does not have it yet) or ``refused`` (the log says why).
        """
        state, waiting = self._state, self._next
        if state is None:
            return None
        return {"version": waiting.repository.version if waiting else None, "state": state}

    def start(self) -> None:
        """Begin to look, about once a second."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking and close what is open; no request may be under way."""
        self._is_closed.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_END_S)
        self._drop_next()
        self._held.deployed.close()

    def look(self) -> None:
        """Look once: a new deploy is opened and proven, a Triton that was lost is proven again."""
        with self._looked:
            self._begun += 1
        try:
            self._find_next()
            is_due = time.monotonic() >= self._not_before or not self._is_ready()
            if self._next is not None and is_due:
                self._try_next(self._next)
            if not self._is_ready():
                self._prove_again()
        finally:
            with self._looked:
                self._ended = self._begun
                self._looked.notify_all()

    def _run(self) -> None:
        while not self._is_closed.is_set():
            is_settled = self._is_ready() and self._state is None
            self._wake.wait(PERIOD_S if is_settled else _SOON_S)
            self._wake.clear()
            try:
                self.look()
            except Exception:  # noqa: BLE001 (the boundary of the thread: it must go on)
                _log.exception("looking for a new deploy failed; it is tried again")

    def _is_ready(self) -> bool:
        return self._held.deployed.engine.ready()

    def _find_next(self) -> None:
        stamp = self._stamp()
        is_refused = self._next is None and self._state == "refused"
        is_repaired = is_refused and time.monotonic() >= self._not_before
        if stamp is None or (stamp == self._seen and not is_repaired):
            return
        self._drop_next()
        self._seen = stamp
        if stamp == self._held.deployed.stamp:  # taken back before it was served
            return
        self._state = "loading"
        try:
            self._next = self._open_next()
        except (RepositoryError, EngineError, OSError) as error:
            self._refuse(error)
        except Exception as error:
            self._refuse(error)
            raise  # to the boundary of the thread, which logs where it came from
        else:
            self._seen = self._next.stamp

    def _try_next(self, waiting: Deployed) -> None:
        try:
            waiting.prove()
        except (WrongAnswers, BackendFailed, BadModelOutput) as error:
            self._refuse(error)
        except RequestError as error:
            self._state = "awaited"
            self._say(
                "next",
                f"version {waiting.repository.version} is deployed, but not in Triton yet "
                f"(alexnet-export reload); the version served stays: {error}",
            )
        else:
            self._serve(waiting)

    def _refuse(self, error: Exception) -> None:
        self._state = "refused"
        self._not_before = time.monotonic() + _AGAIN_S
        self._say("next", f"the new deploy is not served, the old one stays: {error}")

    def _serve(self, following: Deployed) -> None:
        with self._looked:
            before, self._held = self._held, _Held(following)
            is_idle = before.users == 0
            self._next, self._state = None, None
            self._said.clear()
        if is_idle:
            before.deployed.close()
        was, now = before.deployed.repository, following.repository
        _log.info(
            "serving version %s (model %.12s) in place of version %s (model %.12s); index %s",
            *(now.version, now.digest, was.version, was.digest, describe_index(following)),
        )

    def _prove_again(self) -> None:
        version = self._held.deployed.repository.version
        try:
            self._held.deployed.prove()
        except RequestError as error:
            self._say(
                "now", f"no picture is answered until Triton serves version {version}: {error}"
            )
        else:
            self._said.pop("now", None)
            _log.info(
                "Triton gives the known answers of version %s: pictures are answered", version
            )

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next.close()
        self._next, self._state, self._not_before = None, None, 0.0

    def _say(self, subject: str, text: str) -> None:
        if self._said.get(subject) != text:
            self._said[subject] = text
            _log.warning(text)


def describe_index(deployed: Deployed) -> str:
    """The state of a deploy's index in one line, for the log."""
    if isinstance(deployed.index, RequestError):
        return f"not usable: {deployed.index}"
    try:
        count = deployed.index.count()
    except RequestError as error:  # it may come to be usable later
        return f"not usable: {error}"
    if count:
        return f"{count:,} pictures"
    return "empty for this model; POST /images fills it, or alexnet-server index reindex"
