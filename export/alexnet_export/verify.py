"""A deployed repository under every check that a server makes, and what was found in order."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from alexnet_repository.errors import RepositoryError
from alexnet_repository.files import CONFIG_FILE, ENSEMBLE, GRAPH_FILE, MANIFEST, deployed
from alexnet_repository.golden import cosines
from alexnet_repository.repository import Repository, open_repository
from alexnet_repository.steps import waves

_READS = 3
# All that a deploy writes down; docs/triton.md says what each is.
MANIFEST_KEYS = frozenset(
    {
        *("format", "model", "dialect", "layout", "devices", "precision", "classes", "about"),
        *("metrics", "parity", "versions", "files"),
    }
)


@dataclass(frozen=True)
class Verified:
    """What passed.  ``known_answers`` is None where no runtime was there to ask."""

    repository: Repository
    files: int
    graphs: int
    configurations: int
    known_answers: KnownAnswers | None


@dataclass(frozen=True)
class KnownAnswers:
    """``pictures`` whose answers are known, and the least cosine between given and known."""

    pictures: int
    least_cosine: float


def verify(root: Path) -> Verified:
    """Check the repository in ``root``; one that is deployed to meanwhile is read again.

    Raises RepositoryError naming the file and what is wrong with it.
    """
    for _ in range(_READS):
        before = deployed(root)
        try:
            found = _verify(root)
        except RepositoryError:
            if deployed(root) == before:
                raise
        else:
            if deployed(root) == before:
                return found
    raise RepositoryError(f"{root} is deployed to again and again: verify when that has ended")


def _verify(root: Path) -> Verified:
    repository = open_repository(root)
    missing = MANIFEST_KEYS - repository.manifest.keys()
    if missing:
        raise RepositoryError(
            f"{root / MANIFEST} has no {', '.join(sorted(missing))}: deploy again"
        )
    names = [Path(name).name for name in repository.manifest["files"]]
    can_run = importlib.util.find_spec("onnxruntime") is not None
    return Verified(
        repository=repository,
        files=len(names),
        graphs=names.count(GRAPH_FILE),
        configurations=names.count(CONFIG_FILE),
        known_answers=_known_answers(repository) if can_run else None,
    )


def _known_answers(repository: Repository) -> KnownAnswers:
    golden = repository.golden()
    values: dict[str, npt.NDArray[Any]] = {"images": golden.images}
    for wave in waves(repository.steps()):
        for step in wave:
            given = {port: values[value] for port, value in step.inputs.items()}
            outputs = _run(repository.graph(step), given, list(step.outputs))
            values |= zip(step.outputs.values(), outputs, strict=True)
    difference = golden.difference(values["features"], values["probabilities"])
    if difference:
        raise RepositoryError(
            f"the graphs in {repository.root} do not give the known answers of "
            f"{ENSEMBLE}/golden.npz on this machine ({difference}): deploy again"
        )
    least = float(cosines(values["features"], golden.features).min())
    return KnownAnswers(len(golden.images), least)


def _run(path: Path, given: dict[str, npt.NDArray[Any]], outputs: list[str]) -> list[Any]:
    import onnxruntime  # noqa: PLC0415 (all but the known answers is checked without it)

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: warnings are about its own optimisations
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return list(session.run(outputs, given))
    except Exception as error:  # onnxruntime's exceptions share no narrower root
        raise RepositoryError(f"{path} cannot be run: {error}") from error
