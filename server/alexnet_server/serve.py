"""From settings to a listening server: repository, engine, index, application, waitress.

Waitress takes whole requests off the sockets before a thread works on them, so slow senders hold
no thread.
"""

from __future__ import annotations

import logging
import signal
import sys
from functools import partial

from waitress import create_server

from alexnet_repository.files import deployed
from alexnet_server.app import create_app
from alexnet_server.deployed import EngineOf, open_deployed
from alexnet_server.engine.batching import Batch, BatchingEngine
from alexnet_server.engine.channel import Triton
from alexnet_server.engine.triton import triton_engine
from alexnet_server.following import Following, describe_index
from alexnet_server.memory import return_memory
from alexnet_server.served import Served
from alexnet_server.settings import Limits, Settings

_CHANNEL_TIMEOUT_S = 30
_MAX_HEADER_BYTES = 16 * 1024
_MAX_CONNECTIONS = 500
_BACKSTOP_BYTES = 64 * 1024  # above Flask's own limit, whose refusal is the clearer one


def serve(settings: Settings) -> None:
    """Load, check and listen until SIGINT or SIGTERM.

    Raises RepositoryError, EngineError, or OSError where the address is taken.
    """
    _log_to_stderr()
    return_memory()
    target = settings.triton
    triton = None if target is None else Triton(target, settings.request_timeout_s)
    deploys = _follow(settings, triton)
    try:
        deploys.look()  # a Triton that is there proves its model before the first request
        _listen(Served.of(settings, deploys))
    finally:
        deploys.close()
        if triton is not None:
            triton.close()


def _follow(settings: Settings, triton: Triton | None) -> Following:
    root = settings.repository
    open_next = partial(open_deployed, root, _engine_of(settings, triton), settings.index_path)
    return Following(open_next, partial(deployed, root), None if triton is None else triton.lost)


def _engine_of(settings: Settings, triton: Triton | None) -> EngineOf:
    if triton is not None:
        return partial(triton_engine, triton)
    # Beside a Triton, ONNX Runtime need not be installed.
    from alexnet_server.engine.local import LocalNetwork  # noqa: PLC0415

    batch = Batch(settings.batch_views, settings.batch_delay_ms / 1000)
    return lambda repository: BatchingEngine(LocalNetwork(repository), batch)


def _listen(served: Served) -> None:
    settings = served.settings
    server = create_server(
        create_app(served),
        host=settings.host,
        port=settings.port,
        threads=settings.threads,
        channel_timeout=_CHANNEL_TIMEOUT_S,
        channel_request_lookahead=1,  # else a client that hangs up is not noticed
        connection_limit=_MAX_CONNECTIONS,
        max_request_header_size=_MAX_HEADER_BYTES,
        max_request_body_size=_waitress_limit(settings.limits),
        asyncore_use_poll=True,
        ident="alexnet",
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _announce(served, server.effective_port)
    served.deploys.start()
    server.run()


def _log_to_stderr() -> None:
    log = logging.getLogger("alexnet_server")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def _waitress_limit(limits: Limits) -> int:
    return limits.max_request_bytes + _BACKSTOP_BYTES


def _announce(served: Served, port: int) -> None:
    url = f"http://{served.settings.host}:{port}"
    with served.deploys.hold() as now:
        manifest = now.repository.manifest
        state = "ready" if now.engine.ready() else "not ready: pictures get 503 until it is"
        lines = (
            f"model    {now.repository.digest[:12]}, {manifest['dialect']}, "
            f"{manifest['layout']}, version {now.repository.version}",
            f"engine   {served.settings.engine}: {state}",
            f"knows    {manifest['about']}",
            "train    your own: make serve DATA=path/to/folders, or alexnet-train fit",
            f"index    {served.settings.index_path}: {describe_index(now)}",
            f"serving  {url}   (Ctrl-C stops)",
            f"try      curl -F image=@picture.jpg {url}/classify",
        )
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
