"""A running Triton from the version it serves to the one that is deployed, while it answers.

What Triton 2.51 does in explicit mode, as seen under load, and what follows from it:

- Loading an ensemble loads its parts from the repository first.  A part's new version comes up
  before a version that is no longer there goes down, but each part for itself: the ensemble that
  still serves loses its parts one by one.  So a deploy carries the former version of every part.
- Loading a part makes the ensembles over it anew, with the steps they have and the version folder
  that now lies in the repository: the old weights then answer under the new number.  And an
  ensemble that fails to load takes down the one that served.  So the ensemble in service is loaded
  once more as it is (``held``: its own steps and number, given with the call).  That brings in all
  new parts, whichever fail, and leaves its answers and its number alone.
- With every part there, the ensemble of the repository takes over in one step; requests that are
  under way end with the parts they began with.
- Where that cannot be (``interrupt``), the ensemble is unloaded first: a request that finds only
  one of two towers' parts ends Triton with a segmentation fault.
- Parts of another layout have other names and are no steps of the ensemble in service; they are
  loaded one by one beside it, and the former ones are unloaded at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tritonclient.grpc import model_config_pb2

from alexnet_export.control import Control, first_line
from alexnet_export.errors import TritonError
from alexnet_export.repository import locked
from alexnet_repository.files import CONFIG_FILE, ENSEMBLE, LABELS_FILE
from alexnet_repository.golden import Golden
from alexnet_repository.repository import Repository, open_repository

LOAD_TIMEOUT_S = 300.0
_POLL_S = 0.1


@dataclass(frozen=True)
class Reload:
    """What is asked for: which Triton (``host:port`` of gRPC) takes over which repository.

    ``timeout_s`` bounds every load.  With ``interrupt``, requests may fail for as long as the
    parts take to load, where they cannot be loaded beside the ones in service.
    """

    address: str
    repository: Path
    timeout_s: float = LOAD_TIMEOUT_S
    interrupt: bool = False


@dataclass(frozen=True)
class Ensemble:
    """The ensemble in service: its version, its configuration and its parts' versions."""

    version: str
    config: model_config_pb2.ModelConfig

    @property
    def parts(self) -> dict[str, str]:
        """Version by model."""
        steps = self.config.ensemble_scheduling.step
        return {step.model_name: str(step.model_version) for step in steps}

    def is_held_by(self, root: Path) -> bool:
        """Whether ``root`` still has every part at its version."""
        return all((root / part / version).is_dir() for part, version in self.parts.items())

    def is_apart_from(self, root: Path) -> bool:
        """Whether ``root`` has no part of the same name."""
        return not any((root / part).exists() for part in self.parts)


def reload(wanted: Reload, tell: Callable[[str], None]) -> str:
    """Load the deployed version, switch to it, check its known answers; returns the version.

    No request fails meanwhile and none is answered by parts of two versions.  ``tell`` gets a
    line a step.  Raises TritonError, RepositoryError and DeployError (a deploy is under way); up
    to the switch the former version serves on, and where the switch fails it is put back if it
    can be.  The message says which version is in service.
    """
    root = wanted.repository.resolve()
    with locked(root, may_be_new=False), Control(wanted.address, wanted.timeout_s) as triton:
        repository = open_repository(root)
        golden = repository.golden()  # nothing that can be read beforehand may fail later
        former = _in_service(triton)
        if former and former.version != repository.version:
            tell(f"loading version {repository.version} beside version {former.version}")
            _load_beside(triton, former, repository, wanted)
        tell(f"switching to version {repository.version}")
        _switch(triton, former, repository, golden)
        _finish(triton, former, repository, wanted.timeout_s, tell)
        return repository.version


def _in_service(triton: Control) -> Ensemble | None:
    version = _version_in_service(triton)
    return Ensemble(version, triton.config(ENSEMBLE)) if version else None


def _version_in_service(triton: Control) -> str | None:
    """Of two, the higher: requests that name no version go there."""
    states = triton.states(ENSEMBLE).items()
    ready = [version for version, (state, _) in states if state == "READY"]
    return max(ready, key=int, default=None)


def _load_beside(triton: Control, former: Ensemble, repository: Repository, wanted: Reload) -> None:
    if former.is_held_by(repository.root):
        _hold(triton, former, repository)
    elif former.is_apart_from(repository.root):
        for step in repository.steps():
            triton.load(step.model)
    elif wanted.interrupt:
        triton.unload(ENSEMBLE)
        try:
            _wait_for_last(triton, former, wanted.timeout_s)
        except TritonError as error:
            raise TritonError(
                f"no version is in service, as --interrupt unloaded version {former.version}: "
                f"{error}; run this again when no request is under way"
            ) from error
        return
    else:
        raise TritonError(
            f"Triton serves version {former.version}, whose parts are no longer in "
            f"{repository.root} (other classes, or several deploys since the last reload): they "
            "would go down before the new ones are up. Reload with --interrupt to let requests "
            "fail for these seconds"
        )
    for step in repository.steps():
        state, reason = triton.states(step.model).get(str(step.version), ("missing", ""))
        if state != "READY":
            raise TritonError(
                f"{step.model} version {step.version} was not loaded ({state}: "
                f"{first_line(reason)}); version {former.version} serves on"
            )


def _hold(triton: Control, former: Ensemble, repository: Repository) -> None:
    """Load the ensemble as it is in service, over the parts that lie in the repository."""
    labels = repository.root / ENSEMBLE / LABELS_FILE  # of the same classes: one generation
    files = {f"{former.version}/.keep": b" ", LABELS_FILE: labels.read_bytes()}
    triton.load_as(ENSEMBLE, former.config, files)


def _switch(
    triton: Control, former: Ensemble | None, repository: Repository, golden: Golden
) -> None:
    try:
        triton.load(ENSEMBLE)
        difference = golden.difference(*triton.answers(golden.images, repository.version))
        if difference:
            raise TritonError(
                f"version {repository.version} does not give its known answers: {difference}"
            )
    except TritonError as error:
        raise TritonError(f"{error}; {_put_back(triton, former, repository)}") from error


def _put_back(triton: Control, former: Ensemble | None, repository: Repository) -> str:
    """Bring the former version back if it can be; returns what came of it, for a person."""
    if former is None or not former.is_held_by(repository.root):
        return f"no former version could be put back; {_said_in_service(triton)}"
    try:
        if former.version == repository.version == _version_in_service(triton):
            return (
                f"version {former.version} is in service, as before: does Triton serve this folder?"
            )
        _hold(triton, former, repository)
    except (TritonError, OSError) as error:
        now = _said_in_service(triton)
        return f"version {former.version} could not be put back ({error}); {now}"
    return f"version {former.version} was put back"


def _said_in_service(triton: Control) -> str:
    try:
        version = _version_in_service(triton)
    except TritonError as error:
        return f"which version is in service cannot be told ({error})"
    return f"version {version} is in service" if version else "none is in service"


def _finish(
    triton: Control,
    former: Ensemble | None,
    repository: Repository,
    timeout_s: float,
    tell: Callable[[str], None],
) -> None:
    """What is left to do after the switch; a failure here undoes nothing of it."""
    left = []  # models of another layout, which only the former ensemble needed
    if former and former.version != repository.version:
        left = [part for part in former.parts if not (repository.root / part).exists()]
    try:
        for model in _others(repository):
            triton.load(model)
        if former and former.version != repository.version:
            tell(f"waiting for the last answers of version {former.version}")
            _wait_for_last(triton, former, timeout_s)
        for part in list(left):
            if triton.is_ready(part):
                triton.unload(part)
            left.remove(part)
    except TritonError as error:
        message = f"version {repository.version} is in service, but {error}; run this again"
        if former and left:  # the next run meets the new ensemble and cannot know them
            message += (
                f", and once version {former.version} has no requests under way, unload what only "
                f"it needed: {', '.join(left)} (POST /v2/repository/models/MODEL/unload)"
            )
        raise TritonError(message) from error


def _others(repository: Repository) -> list[str]:
    """Models that are no part of the ensemble."""
    parts = {step.model for step in repository.steps()} | {ENSEMBLE}
    models = {path.parent.name for path in repository.root.glob(f"*/{CONFIG_FILE}")}
    return sorted(models - parts)


def _wait_for_last(triton: Control, former: Ensemble, timeout_s: float) -> None:
    """Wait until nothing is under way in the former ensemble."""
    deadline = time.monotonic() + timeout_s
    while triton.states(ENSEMBLE).get(former.version, ("", ""))[0] in ("READY", "UNLOADING"):
        if time.monotonic() > deadline:
            raise TritonError(
                f"version {former.version} still has requests under way after {timeout_s:g} s"
            )
        time.sleep(_POLL_S)
