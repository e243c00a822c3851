"""A model repository that was read and checked: what is in it, and the way through it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from alexnet_repository.agreement import require_agreement, require_names
from alexnet_repository.errors import RepositoryChanged, RepositoryError
from alexnet_repository.files import (
    CONFIG_FILE,
    ENSEMBLE,
    GOLDEN_FILE,
    GRAPH_FILE,
    MANIFEST,
    file_digest,
    model_files,
    read_manifest,
)
from alexnet_repository.golden import Golden
from alexnet_repository.graph_check import require_safe
from alexnet_repository.steps import Step, device


@dataclass(frozen=True)
class Repository:
    """A repository whose every file has the digest its manifest names."""

    root: Path
    manifest: dict[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels; a class's index is its ``class_id``."""
        return tuple(self.manifest["classes"])

    @property
    def digest(self) -> str:
        """sha256 of the checkpoint that the graphs were made from."""
        return str(self.manifest["model"]["digest"])

    @property
    def version(self) -> str:
        """The deploy's number, as Triton names versions; it counts up and never repeats."""
        return str(self.manifest["model"]["version"])

    @property
    def feature_units(self) -> int:
        """Length of ``features``."""
        outputs = {output.name: output for output in self.config(ENSEMBLE).output}
        return int(outputs["features"].dims[0])

    @property
    def view_side(self) -> int:
        """Pixels a side of the views that the network takes, as the ensemble's ``images`` has it.

        Raises RepositoryError where it takes anything but square views of 3 colours.
        """
        dims = [tuple(port.dims) for port in self.config(ENSEMBLE).input if port.name == "images"]
        side = int(dims[0][0]) if dims and dims[0] else 0
        if side < 1 or dims != [(side, side, 3)]:
            raise RepositoryError(
                f"{self.root / ENSEMBLE / CONFIG_FILE}: images are {[list(one) for one in dims]}, "
                "not one input of [side, side, 3]: deploy again"
            )
        return side

    def config(self, model: str) -> triton.ModelConfig:
        """Triton's configuration of one model.  Raises RepositoryError if it cannot be parsed."""
        path = self.root / model / CONFIG_FILE
        try:
            return text_format.Parse(path.read_text(), triton.ModelConfig())
        except (OSError, ValueError, text_format.ParseError) as error:
            raise RepositoryError(f"{path} cannot be read: {error}") from error

    def steps(self) -> tuple[Step, ...]:
        """The graphs of the ensemble, as its configuration lists them."""
        return tuple(
            Step(
                model=step.model_name,
                version=int(step.model_version),
                device=device(self.config(step.model_name)),
                inputs=dict(step.input_map),
                outputs=dict(step.output_map),
            )
            for step in self.config(ENSEMBLE).ensemble_scheduling.step
        )

    def graph(self, step: Step) -> Path:
        """The file of a step's graph."""
        return self.root / step.model / str(step.version) / GRAPH_FILE

    def golden(self) -> Golden:
        """The pictures whose answers are known, and those answers.

        Raises RepositoryError if they cannot be read.
        """
        path = self.root / ENSEMBLE / GOLDEN_FILE
        precision = str(self.manifest.get("precision", "fp32"))
        try:
            with np.load(path, allow_pickle=False) as kept:
                return Golden(kept["images"], kept["features"], kept["probabilities"], precision)
        except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
            raise RepositoryError(f"{path} cannot be read: {error!r}: deploy again") from error


def open_repository(root: Path) -> Repository:
    """Read and check a repository.

    The digests of all files, no other file, no unsafe graph, and configurations, labels and
    versions that agree with graphs and manifest, and nothing that no deploy writes.  Raises
    RepositoryError naming the file; NothingDeployed where there is no manifest.
    """
    manifest = read_manifest(root)
    try:
        _require_listed(root, manifest["files"])
        require_names(root, manifest["files"])
        graphs = {
            f"{path.parents[1].name}/{path.parent.name}": require_safe(path, path.parents[1].name)
            for path in sorted(root.glob(f"*/*/{GRAPH_FILE}"))
        }
        repository = Repository(root, manifest)
        models = sorted({Path(name).parts[0] for name in manifest["files"]})
        configs = {model: repository.config(model) for model in models}
        require_agreement(root, manifest, configs, graphs)
    except OSError as error:  # a file went away, or may not be read
        raise RepositoryError(f"{root} cannot be read: {error}") from error
    return repository


def _require_listed(root: Path, listed: dict[str, str]) -> None:
    present = model_files(root)
    for name in sorted(present.keys() ^ listed.keys()):
        state = "is not listed in" if name in present else "is missing, but listed in"
        raise RepositoryChanged(f"{root / name} {state} {MANIFEST}: deploy again")
    for name, path in present.items():
        if path.is_symlink():
            raise RepositoryChanged(f"{path} is a link; the repository holds files only")
        if file_digest(path) != listed[name]:
            raise RepositoryChanged(
                f"{path} was changed after its deploy (sha256 differs from {MANIFEST}): "
                "deploy again"
            )
