"""From settings to a listening server: repository, engine, index, application, waitress.

Waitress takes whole requests off the sockets before a thread works on them, so slow senders hold
no thread.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from waitress import create_server

from alexnet_repository.errors import RepositoryError
from alexnet_repository.files import deployed
from alexnet_repository.repository import Repository, open_repository
from alexnet_server.app import create_app, open_pictures
from alexnet_server.engine.local import LocalEngine
from alexnet_server.errors import RequestError
from alexnet_server.served import Served
from alexnet_server.settings import Limits, Settings

_LOADS = 3
_CHANNEL_TIMEOUT_S = 30
_MAX_HEADER_BYTES = 16 * 1024
_MAX_CONNECTIONS = 500
_BACKSTOP_BYTES = 64 * 1024  # above Flask's own limit, whose refusal is the clearer one


def serve(settings: Settings) -> None:
    """Load, check and listen until SIGINT or SIGTERM.

    Raises RepositoryError, EngineError, or OSError where the address is taken.
    """
    repository, engine = _load(settings.repository)
    index = open_pictures(settings, repository)
    served = Served(settings, repository, engine, index)
    server = create_server(
        create_app(served),
        host=settings.host,
        port=settings.port,
        threads=settings.threads,
        channel_timeout=_CHANNEL_TIMEOUT_S,
        connection_limit=_MAX_CONNECTIONS,
        max_request_header_size=_MAX_HEADER_BYTES,
        max_request_body_size=_waitress_limit(settings.limits),
        asyncore_use_poll=True,
        ident="alexnet",
    )
    _announce(served, server.effective_port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.run()
    finally:
        if not isinstance(index, RequestError):
            index.close()


def _load(root: Path) -> tuple[Repository, LocalEngine]:
    """The repository and its engine, of one deploy: one that changes under the reader is reread."""
    for _ in range(_LOADS):
        before = deployed(root)
        try:
            repository = open_repository(root)
            engine = LocalEngine(repository)
        except RepositoryError:
            if deployed(root) == before:
                raise
        else:
            if deployed(root) == before:
                return repository, engine
    raise RepositoryError(f"{root} is deployed to again and again: start when that has ended")


def _waitress_limit(limits: Limits) -> int:
    return limits.max_request_bytes + _BACKSTOP_BYTES


def _announce(served: Served, port: int) -> None:
    manifest = served.repository.manifest
    url = f"http://{served.settings.host}:{port}"
    index = served.index
    state = f"not usable: {index}" if isinstance(index, RequestError) else _describe(index.count())
    lines = (
        f"model    {manifest['model']['digest'][:12]}, {manifest['dialect']}, "
        f"{manifest['layout']}, version {manifest['model']['version']}",
        f"knows    {manifest['about']}",
        "train    your own: make serve DATA=path/to/folders, or alexnet-train fit",
        f"index    {served.settings.index_path}: {state}",
        f"serving  {url}   (Ctrl-C stops)",
        f"try      curl -F image=@picture.jpg {url}/classify",
    )
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()


def _describe(count: int) -> str:
    return f"{count:,} pictures" if count else "empty for this model; POST /images fills it"
