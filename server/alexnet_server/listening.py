"""The listening server and its life: bound, running, told to stop, drained, closed.

Waitress takes whole requests off the sockets before a thread works on them, so slow senders hold
no thread.  Its loop is turned here, a step at a time, because it has no end other than to drop
what it holds.
"""

from __future__ import annotations

import logging
import resource
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from waitress import create_server, wasyncore

from alexnet_server.admission import Gate
from alexnet_server.door import Door, Entering
from alexnet_server.settings import Limits, Settings
from alexnet_server.wire import IDENT

MAX_CONNECTIONS = 500
MAX_HEADER_BYTES = 16 * 1024
_FILES_A_CONNECTION = 4  # itself, its body, the body's parts; and some for everything else
_ROOMY_CONNECTIONS = MAX_CONNECTIONS * 3 // 4
_IDLE_S = 30  # after which a connection on which nothing happens is closed
_LOOK_S = 1.0
_BACKSTOP_BYTES = 64 * 1024  # above Flask's own limit, whose refusal is the clearer one
# While stopping: how long a new connection may take to send, and a peer that has stopped to go on.
_NEW_S = 1.0
_STALLED_S = 2.0
_log = logging.getLogger(__name__)


def url_of(host: str, port: int) -> str:
    """The URL of a server on ``host``, which may be an IPv6 address."""
    is_bare = ":" in host and not host.startswith("[")
    return f"http://[{host}]:{port}" if is_bare else f"http://{host}:{port}"


def bind(host: str, port: int) -> socket.socket:
    """A socket on the first address that ``host`` means; nobody can connect yet.

    "" and "*" mean every IPv4 address; ``port`` 0 takes a free one.  Raises OSError.
    """
    try:
        name = None if host in ("", "*") else host.strip("[]")
        family, kind, _, _, address = socket.getaddrinfo(
            name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise OSError(
            f"cannot listen on {url_of(host, port)}: {said}; choose another --host or --port"
        ) from error
    return bound


class Listening:
    """``application`` under waitress on the socket ``bound``, which it closes at the end."""

    def __init__(
        self,
        application: Callable[..., Any],
        door: Door,
        bound: socket.socket,
        settings: Settings,
    ) -> None:
        _allow_files(_FILES_A_CONNECTION * MAX_CONNECTIONS)
        door.set_thread_count(settings.threads)
        self._server = create_server(
            application,
            _dispatcher=door,
            sockets=[bound],
            **_adjustments(settings),
            **_proxy(settings),
        )
        self._server.is_stopping = False
        self._server.channel_class = Entering
        self._is_told = False
        self._looked_s = 0.0

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.effective_port)

    def run(self) -> None:
        """Serve until ``stop``."""
        while not self._is_told:
            self._turn(_LOOK_S)

    def stop(self) -> None:
        """Have ``run`` return; may be called from a signal handler or another thread."""
        self._is_told = True
        self._server.pull_trigger()

    def drain(self, gates: tuple[Gate, ...], limit_s: float) -> int:
        """Shut the gates, answer what has come, and close every connection.

        Whoever still comes is answered too, as long as work goes on: 503 at the gates.  Then
        nobody can connect any more, and what is left is answered.  Returns how many requests were
        not, after ``limit_s`` seconds.
        """
        _log.info("stopping: what has come is answered, for at most %g s", limit_s)
        until_s = time.monotonic() + limit_s
        for gate in gates:
            gate.close()
        self._server.is_stopping = True
        self._turn_until(
            lambda: not any(gate.requests for gate in gates) and not self._is_awaited(), until_s
        )
        wasyncore.dispatcher.close(self._server)  # the rest of it goes on
        self._turn_until(lambda: not any(map(_is_busy, self._connections())), until_s)
        left = sum(map(_is_busy, self._connections()))  # not those who do not take their answer
        if left:
            _log.warning("stopped after %g s with %d requests not answered", limit_s, left)
        return left

    def close(self) -> None:
        """Close every socket and let the threads go; one that still works is not waited for."""
        self._server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._server._map, ignore_all=True)

    def _turn(self, wait_s: float) -> None:
        wasyncore.loop(wait_s, use_poll=True, map=self._server._map, count=1)
        self._accept()
        now_s = time.monotonic()
        if now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            for one in self._connections():
                if one.request is not None and not one.requests and one.request.is_late(now_s):
                    one.will_close = True
                # Not will_close: a socket that takes no byte is never written to again.
                if one.total_outbufs_len and time.time() - one.last_activity > _IDLE_S:
                    one.handle_close()
            self._make_room()

    def _accept(self) -> None:
        """Take who waits; waitress takes one a turn, and a turn is as long as all that came in it.

        Where no file is left for a connection it stays in line, and the others have their turn.
        """
        open_before = -1
        while self._server.readable() and self._is_awaited():
            if len(self._server._map) == open_before:
                return
            open_before = len(self._server._map)
            self._server.handle_accept()

    def _make_room(self) -> None:
        """Close those that have been idle longest, where new ones would soon have to wait."""
        still_s = time.time() - _STALLED_S  # waitress' clock
        idle = [one for one in self._connections() if one.is_idle_since(still_s)]
        over = len(self._connections()) - _ROOMY_CONNECTIONS
        for one in sorted(idle, key=lambda one: one.last_activity)[: max(0, over)]:
            one.will_close = True

    def _turn_until(self, is_done: Callable[[], bool], until_s: float) -> None:
        while not is_done() and time.monotonic() < until_s:
            self._turn(0.05)
            if self._server.in_connection_overflow:  # who stands in line has a request, it may be
                for one in self._connections():
                    if not _is_busy(one):
                        one.handle_close()

    def _connections(self) -> list[Entering]:
        return list(self._server.active_channels.values())

    def _is_awaited(self) -> bool:
        return _is_readable(self._server.socket)


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def waitress_limit(limits: Limits) -> int:
    """Bytes of a body that waitress reads at most."""
    return limits.max_request_bytes + _BACKSTOP_BYTES


def _adjustments(settings: Settings) -> dict[str, Any]:
    return {
        "channel_timeout": _IDLE_S,
        "cleanup_interval": int(_LOOK_S),
        "recv_bytes": 64 * 1024,  # a photo in two or three turns of the loop
        "channel_request_lookahead": 1,  # else a client that hangs up is not noticed
        "connection_limit": MAX_CONNECTIONS,
        "max_request_header_size": MAX_HEADER_BYTES,
        "max_request_body_size": waitress_limit(settings.limits),
        "log_socket_errors": False,
        "ident": IDENT,
    }


def _proxy(settings: Settings) -> dict[str, Any]:
    if settings.trusted_proxy is None:
        return {"clear_untrusted_proxy_headers": True}
    return {
        "clear_untrusted_proxy_headers": True,
        "trusted_proxy": settings.trusted_proxy,
        "trusted_proxy_count": 1,
        "trusted_proxy_headers": {"x-forwarded-for"},
    }


def _is_busy(connection: Entering) -> bool:
    """Whether something on it is still to be read, worked on or sent."""
    now_s = time.time()  # waitress' clock
    if connection.requests or connection.will_close or connection.close_when_flushed:
        return True
    if connection.last_activity == connection.creation_time:
        return bool(now_s - connection.creation_time < _NEW_S)
    if connection.request is not None or connection.total_outbufs_len:
        return bool(now_s - connection.last_activity < _STALLED_S)
    return _is_readable(connection.socket)


def _is_readable(one: socket.socket) -> bool:
    poll = select.poll()
    poll.register(one, select.POLLIN)
    return bool(poll.poll(0))
