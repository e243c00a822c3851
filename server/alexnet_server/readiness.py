"""Whether to send requests here: one answer for every port, probe and metric."""

from __future__ import annotations

from alexnet_server.served import Served


def unreadiness(served: Served) -> str | None:
    """Why no picture would be answered now, None where one would be."""
    if served.work.is_closed:
        return "the server is stopping"
    with served.deploys.hold() as deployed:
        if not deployed.engine.ready():
            return "the engine does not answer yet"
    return None
