"""The network in this process: the repository's own steps, each on the device its config names.

On GPUs every step has a session of its own, and steps that wait for nothing of each other run at
the same time: the two towers of a stage.  Steps that are all on the processor run as one graph.
"""

from __future__ import annotations

import itertools
from functools import partial
from importlib import metadata
from typing import Any

from alexnet_repository.errors import RepositoryError
from alexnet_repository.files import ENSEMBLE
from alexnet_repository.repository import Repository
from alexnet_repository.steps import Step, waves
from alexnet_server.engine import Images, Inference
from alexnet_server.engine.crew import Crew
from alexnet_server.engine.placed import PlacedStep, load_cuda, place, place_joined
from alexnet_server.engine.value import HOST, Traffic, Value
from alexnet_server.errors import EngineError


class LocalNetwork:
    """Runs a repository in this process; safe to call from many threads.

    ``view_side`` is that of the views it takes; ``traffic`` counts what went from one device to
    another.
    """

    def __init__(self, repository: Repository) -> None:
        """Load every step.

        Raises EngineError where a step cannot be placed here, RepositoryError where one cannot be
        loaded or the known pictures do not give their known answers.
        """
        self.view_side = repository.view_side
        steps = repository.steps()
        self._devices = {step.model: step.device for step in steps}
        if set(self._devices.values()) == {HOST}:
            self._waves = [[_together(repository, steps)]]
        else:
            _require_one_runtime()
            load_cuda()
            self._waves = [[place(repository, step) for step in wave] for wave in waves(steps)]
        self._crew = Crew()
        self.traffic = Traffic()
        self._require_known_answers(repository)

    def run(self, images: Images) -> Inference:
        """``images`` uint8 [n, side, side, 3] through the network, in one pass."""
        values = {"images": Value("images", HOST, images, self.traffic)}
        for wave in self._waves:
            calls = [partial(placed.run, values, self.traffic) for placed in wave]
            for made in self._crew.run(calls):
                values |= made
        return Inference(values["features"].array(), values["probabilities"].array())

    def describe(self) -> dict[str, Any]:
        """What runs where and on views of which side, as JSON values."""
        return {"engine": "local", "view_side": self.view_side, "steps": self._devices}

    def _require_known_answers(self, repository: Repository) -> None:
        golden = repository.golden()
        try:
            found = self.run(golden.images)
            found.require_finite()
        except Exception as error:  # the runtimes' exceptions share no narrower root
            raise RepositoryError(
                f"the model in {repository.root} cannot be run on this machine: {error}"
            ) from error
        difference = golden.difference(found.features, found.probabilities)
        if difference:
            raise RepositoryError(
                f"the model in {repository.root} does not give its known answers on this machine "
                f"({difference}): deploy again"
            )


def _together(repository: Repository, steps: tuple[Step, ...]) -> PlacedStep:
    if len(steps) == 1:
        return place(repository, steps[0])
    whole = Step(
        model=ENSEMBLE,
        version=int(repository.version),
        device=HOST,
        inputs={"images": "images"},
        outputs={"features": "features", "probabilities": "probabilities"},
    )
    return place_joined(repository, itertools.chain(*waves(steps)), whole)


def _require_one_runtime() -> None:
    found = {"onnxruntime", "onnxruntime-gpu"} & {
        (distribution.name or "").lower() for distribution in metadata.distributions()
    }
    if len(found) > 1:
        raise EngineError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other: "
            "uninstall both, then install alexnet-server[serve-gpu] (and alexnet-export[prove-gpu])"
        )
