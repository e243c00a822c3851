"""A server in this process whose network waits at a gate."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

from alexnet_repository.files import deployed
from alexnet_server.access import Access
from alexnet_server.app import create_app
from alexnet_server.arrival import Outcome, gated
from alexnet_server.call import Call
from alexnet_server.deployed import open_deployed
from alexnet_server.door import Door
from alexnet_server.engine.batching import Batch, BatchingEngine
from alexnet_server.following import Following
from alexnet_server.index.opening import Indexes
from alexnet_server.listening import Listening, bind
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from tests.held_network import HeldNetwork
from tests.narrow_repository import deploy_narrow


class HeldServer:
    """A server in this process, on its own sockets, whose network waits at a gate."""

    def __init__(self, folder: Path, timeout_s: float = 60, keys: Path | None = None) -> None:
        repository = deploy_narrow(folder)
        self.network = HeldNetwork()
        self.outcomes: list[Outcome] = []
        engine_of = lambda _: BatchingEngine(self.network, Batch())  # noqa: E731
        self.deploys = Following(
            partial(open_deployed, repository, engine_of, Indexes(folder / "index.sqlite")),
            partial(deployed, repository),
        )
        settings = Settings(max_requests=4, request_timeout_s=timeout_s, keys=keys)
        self.served = Served.of(settings, self.deploys, Access.of(settings))
        application = create_app(self.served, (self._note,))
        door = Door(self.served.work, gated(application), self.served.access, (self._note,))
        self._listening = Listening(application, door, bind("127.0.0.1", 0), settings)
        self.port = self._listening.port
        self._thread = threading.Thread(target=self._listening.run)
        self._thread.start()

    def close(self) -> None:
        self.network.gate.set()
        self._listening.stop()
        self._thread.join()
        self._listening.drain((self.served.work, self.served.reading), 10)
        self._listening.close()
        self.deploys.close()

    def views_in_line(self) -> int:
        with self.deploys.hold() as now:
            assert isinstance(now.engine, BatchingEngine)
            return now.engine.waiting

    def statuses(self) -> list[int]:
        return sorted(outcome.status for outcome in self.outcomes)

    def _note(self, call: Call, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
