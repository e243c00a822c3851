"""The operator's own port: /metrics, /livez and /readyz, answered whatever the others do.

It has threads and a loop of its own, because on the main port the probes would wait for sockets
and threads that requests hold; and it is apart because metrics are nobody else's business.
"""

from __future__ import annotations

import os
import socket
import threading

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from waitress import create_server

from alexnet_server.access import is_loopback, is_own_host
from alexnet_server.readiness import unreadiness
from alexnet_server.served import Served
from alexnet_server.wire import Connection

_THREADS = 4
_MAX_CONNECTIONS = 50
_CHANNEL_TIMEOUT_S = 10
_MAX_REQUEST_BYTES = 16 * 1024


class OperatorServer:
    """Listens from the moment it is made, answers from ``start`` to ``close``."""

    def __init__(self, served: Served, registry: CollectorRegistry) -> None:
        """Take the port.  Raises OSError, which names the flag, where it cannot be had."""
        settings = served.settings
        self._server = create_server(
            operator_app(served, registry),
            sockets=[_listening(settings.metrics_host, settings.operator_port)],
            threads=_THREADS,
            connection_limit=_MAX_CONNECTIONS,
            channel_timeout=_CHANNEL_TIMEOUT_S,
            max_request_header_size=_MAX_REQUEST_BYTES,
            max_request_body_size=_MAX_REQUEST_BYTES,
            asyncore_use_poll=True,
            ident="alexnet",
        )
        self._server.channel_class = Connection
        self._server.is_stopping = False
        self.effective_port = int(self._server.effective_port)
        self._thread = threading.Thread(target=self._server.run, name="operator", daemon=True)

    def start(self) -> None:
        """Answer."""
        self._thread.start()

    def close(self) -> None:
        """Finish what is being answered and stop."""
        server = self._server
        server.task_dispatcher.shutdown(timeout=1)
        if self._thread.is_alive():
            server.trigger.pull_trigger(lambda: server.asyncore.close_all(server._map))
            self._thread.join(1)
        else:
            server.asyncore.close_all(server._map)


def operator_app(served: Served, registry: CollectorRegistry) -> Flask:
    """The three endpoints; every other path is 404."""
    app = Flask("alexnet_server.operator", static_folder=None)

    host = served.settings.metrics_host
    is_local = is_loopback(host)

    @app.before_request
    def _refuse_rebound() -> tuple[dict[str, str], int] | None:
        # A page of another site may have its own name point here (DNS rebinding).
        if is_local and not is_own_host(frozenset({host}), request):
            return {"status": "ask for this server as localhost or 127.0.0.1"}, 403
        return None

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    @app.get("/livez")
    def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    def readyz() -> tuple[dict[str, str], int]:
        reason = unreadiness(served)
        return ({"status": "ready"}, 200) if reason is None else ({"status": reason}, 503)

    return app


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        number = error.errno or 0  # below 0 where the name is not known
        said = os.strerror(number).lower() if number > 0 else str(error)
        raise OSError(
            f"cannot listen on {host}:{port} for /metrics: {said}; choose another --metrics-port "
            "(0 takes a free one; it is --port + 1 where none is given) or --metrics-host"
        ) from error
