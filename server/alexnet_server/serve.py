"""From settings to a listening server: repository, engine, index, application, and their end."""

from __future__ import annotations

import logging
import os
import socket
import sys
from functools import partial

from alexnet_repository.files import deployed
from alexnet_server.access import Access
from alexnet_server.app import create_app
from alexnet_server.arrival import gated
from alexnet_server.deployed import EngineOf, open_deployed
from alexnet_server.door import Door
from alexnet_server.engine.batching import Batch, BatchingEngine, OnPass
from alexnet_server.engine.channel import Triton
from alexnet_server.engine.triton import triton_engine
from alexnet_server.following import Following, describe_index
from alexnet_server.gauges import Gauges
from alexnet_server.index.opening import Indexes
from alexnet_server.listening import Listening, bind, url_of
from alexnet_server.log_lines import LogWriter, logging_to_stderr
from alexnet_server.memory import return_memory
from alexnet_server.metrics import Metrics
from alexnet_server.operator import OperatorServer
from alexnet_server.request_log import log_request
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from alexnet_server.signals import end_when_told, stop_when_told

UNFINISHED = 3  # exit code: told to stop, and not all was answered in time


def serve(settings: Settings) -> None:
    """Load, check and listen until SIGINT or SIGTERM; then answer what has come.

    Raises RepositoryError, EngineError, or OSError where the address is taken.
    """
    end_when_told()
    with logging_to_stderr() as log, bind(settings.host, settings.port) as bound:
        _serve(settings, log, bound)


def _serve(settings: Settings, log: LogWriter, bound: socket.socket) -> None:
    access = Access.of(settings)
    return_memory()
    metrics = Metrics()
    target = settings.triton
    triton = None if target is None else Triton(target, settings.request_timeout_s)
    indexes = Indexes(
        settings.index_path or settings.index,
        metric=settings.metric,
        index_keys=settings.named_keys,
        codes=settings.codes,
    )
    deploys = _follow(settings, indexes, triton, metrics.count_pass)
    try:
        deploys.look()  # a Triton that is there proves its model before the first request
        served = Served.of(settings, deploys, access)
        metrics.registry.register(Gauges(served, lambda: log.dropped))
        _listen(served, metrics, bound)
    finally:
        deploys.close()
        indexes.close()
        if triton is not None:
            triton.close()


def _follow(
    settings: Settings, indexes: Indexes, triton: Triton | None, on_pass: OnPass
) -> Following:
    root = settings.repository
    engine_of = _engine_of(settings, triton, on_pass)
    open_next = partial(open_deployed, root, engine_of, indexes)
    return Following(open_next, partial(deployed, root), None if triton is None else triton.lost)


def _engine_of(settings: Settings, triton: Triton | None, on_pass: OnPass) -> EngineOf:
    if triton is not None:
        return partial(triton_engine, triton)
    # Beside a Triton, OpenVINO need not be installed.
    from alexnet_server.engine.local import LocalNetwork  # noqa: PLC0415

    batch = Batch(settings.batch_views, settings.batch_delay_ms / 1000)
    return lambda repository: BatchingEngine(LocalNetwork(repository), batch, on_pass)


def _listen(served: Served, metrics: Metrics, bound: socket.socket) -> None:
    operator = OperatorServer(served, metrics.registry)
    try:
        settings, observers = served.settings, (metrics.observe, log_request)
        application = create_app(served, observers)
        paths = gated(application)
        door = Door(served.work, paths, served.access, observers, settings.trusted_proxy)
        listening = Listening(application, door, bound, settings)
        stop_when_told(listening.stop)
        _announce(served, listening.port, operator.effective_port)
        operator.start()
        served.deploys.start()
        listening.run()
        left = listening.drain((served.work, served.reading), served.settings.drain_s)
        listening.close()
    finally:
        operator.close()  # last, so that who looks sees the end
    if left:  # their threads still use the network and the index, which cannot be closed then
        logging.shutdown()
        os._exit(UNFINISHED)


def _announce(served: Served, port: int, operator_port: int) -> None:
    url = url_of(served.settings.host, port)
    metrics_url = f"{url_of(served.settings.metrics_host, operator_port)}/metrics"
    key = "" if served.settings.keys is None else "-H 'Authorization: Bearer KEY' "
    place = served.settings.index_path or served.settings.index
    with served.deploys.hold() as now:
        manifest = now.repository.manifest
        state = "ready" if now.engine.ready() else "not ready: pictures get 503 until it is"
        lines = (
            f"model    {now.repository.digest[:12]}, {manifest['dialect']}, "
            f"{manifest['layout']}, version {now.repository.version}",
            f"engine   {served.settings.engine}: {state}",
            f"knows    {manifest['about']}",
            "train    your own: make serve DATA=path/to/folders, or alexnet-train fit",
            f"index    {place}: {describe_index(now)}",
            f"metrics  {metrics_url}",
            f"docs     {url}/docs",
            f"serving  {url}   (Ctrl-C stops)",
            f"try      curl {key}-F image=@picture.jpg {url}/classify",
        )
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
