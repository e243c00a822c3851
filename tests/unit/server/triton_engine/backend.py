"""A deployed repository, another to follow it, and the fake Triton that serves them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alexnet_export.deploy import Deployment, deploy
from alexnet_repository.repository import open_repository
from alexnet_server.call import Call
from alexnet_server.deployed import Deployed
from alexnet_server.engine.channel import Triton
from alexnet_server.engine.triton import TritonEngine, triton_engine
from alexnet_server.errors import BackendUnavailable
from alexnet_server.following import Following
from tests.fakes.running_triton import RunningFake
from tests.fakes.triton_v2 import answers
from tests.photos import crops
from tests.random_checkpoint import CLASSES

UNITS = 32
TIMEOUT_S = 1.0
SLACK_S = 0.1
PICTURES = np.ascontiguousarray(crops(16, seed=9)[:, 16:240, 16:240])


@dataclass
class Backend:
    root: Path
    other: Path
    fake: RunningFake
    triton: Triton
    index: Path

    def engine(self) -> TritonEngine:
        return triton_engine(self.triton, open_repository(self.root))

    def deploy_other(self) -> None:
        deploy(self.other, Deployment(self.root))


def ask(now: Deployed) -> tuple[str, bytes]:
    return now.repository.version, now.engine.infer(
        PICTURES[:1], Call(TIMEOUT_S)
    ).features.tobytes()


def expected(picture: int) -> np.ndarray:
    return answers(PICTURES[picture], UNITS, len(CLASSES))[0]


def proves(engine: TritonEngine) -> bool:
    try:
        engine.prove()
    except BackendUnavailable:
        return False
    return True


def is_ready(deploys: Following) -> bool:
    with deploys.hold() as now:
        return now.engine.ready()
