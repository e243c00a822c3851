"""Checkpoint -> deployed repository: build both layouts, prove them equal, write one, switch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx

from alexnet_export.checkpoint import METRICS_FILE, Checkpoint, load_checkpoint, weights_path
from alexnet_export.errors import CheckpointError
from alexnet_export.graph import (
    Graph,
    answer_ports,
    conv1_graph,
    images_port,
    single_graph,
    tower_graphs,
)
from alexnet_export.model_config import (
    ensemble_config,
    instance_group,
    part_config,
)
from alexnet_export.parity import Answers, Images, Parity, compare, require, run
from alexnet_export.pictures import proof_views
from alexnet_export.repository import (
    is_intact,
    locked,
    staging,
    switch,
    write_manifest,
)
from alexnet_repository.errors import NothingDeployed
from alexnet_repository.files import ENSEMBLE, GOLDEN_FILE, LABELS_FILE, read_manifest

Layout = Literal["towers", "single"]
LAYOUTS: tuple[Layout, ...] = ("towers", "single")
_GOLDEN_PICTURES = 8


@dataclass(frozen=True)
class Deployment:
    """What is asked for: where to, how cut, and on which devices (``cpu``, ``cuda:N``)."""

    repository: Path
    layout: Layout = "towers"
    devices: tuple[str, ...] = ("cpu",)
    pictures: Path | None = None


def deploy(place: Path, wanted: Deployment) -> tuple[dict[str, Any], bool]:
    """Deploy a checkpoint (run folder or weights file); returns the manifest and whether new.

    The same checkpoint in the same layout on the same devices is not built again.  Raises
    ExportError; the former repository then stays as it was.
    """
    checkpoint, digest = load_checkpoint(place)
    for device in wanted.devices:
        instance_group(device)
    repository = wanted.repository.resolve()  # a link stays a link to what is exchanged
    with locked(repository):
        current = _current(repository)
        if current and _is_same(current, digest, wanted) and is_intact(repository, current):
            return current, False
        images = proof_views(place, wanted.pictures)
        towers, single = tower_graphs(checkpoint), single_graph(checkpoint)
        by_towers = run(towers, images, "towers")
        parity = compare(by_towers, run([single], images, "single"))
        require(parity)
        parts = towers if wanted.layout == "towers" else [single]
        number = 1 + (int(current["model"]["version"]) if current else 0)
        manifest = _manifest(checkpoint, digest, number, wanted, parity)
        manifest["metrics"] = _metrics(place, digest)
        with staging(repository) as stage:
            _write_parts(stage, [*parts, conv1_graph(checkpoint)], wanted.devices, number)
            _write_ensemble(stage, checkpoint, parts, number)
            _write_golden(stage, images, by_towers)
            write_manifest(stage, manifest)
            switch(stage, repository)
    return read_manifest(repository), True


def _current(repository: Path) -> dict[str, Any] | None:
    try:
        return read_manifest(repository)
    except NothingDeployed:
        return None


def _is_same(current: dict[str, Any], digest: str, wanted: Deployment) -> bool:
    return (current["model"]["digest"], current["layout"], current["devices"]) == (
        digest,
        wanted.layout,
        list(wanted.devices),
    )


def _manifest(
    checkpoint: Checkpoint, digest: str, number: int, wanted: Deployment, parity: Parity
) -> dict[str, Any]:
    return {
        "format": 1,
        "model": {"name": ENSEMBLE, "version": str(number), "digest": digest},
        "dialect": checkpoint.dialect.name,
        "layout": wanted.layout,
        "devices": list(wanted.devices),
        "precision": "fp32",
        "classes": list(checkpoint.classes),
        "about": checkpoint.about,
        "parity": parity.as_json(),
        "versions": {
            name: version(name) for name in ("alexnet-export", "numpy", "onnx", "onnxruntime")
        },
    }


def _metrics(place: Path, digest: str) -> dict[str, Any]:
    """What validation found of these very weights; nothing where it speaks of others."""
    path = weights_path(place).with_name(METRICS_FILE)
    if not path.is_file():
        return {}
    try:
        found = dict(json.loads(path.read_bytes()))
    except ValueError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if found.get("digest") != digest:
        return {}
    return {key: found[key] for key in ("top1", "top5", "n") if key in found}


def _write_parts(stage: Path, parts: list[Graph], devices: tuple[str, ...], number: int) -> None:
    for part in parts:
        folder = stage / part.name / str(number)
        folder.mkdir(parents=True)
        onnx.save(part.model, folder / "model.onnx")
        (folder.parent / "config.pbtxt").write_text(part_config(part, devices))


def _write_ensemble(stage: Path, checkpoint: Checkpoint, parts: list[Graph], number: int) -> None:
    folder = stage / ENSEMBLE
    (folder / str(number)).mkdir(parents=True)
    # Triton wants a version folder of an ensemble too, and git and archives drop empty ones.
    (folder / str(number) / ".keep").touch()
    inputs, outputs = images_port(checkpoint), answer_ports(checkpoint)
    (folder / "config.pbtxt").write_text(ensemble_config(parts, inputs, outputs, number))
    (folder / LABELS_FILE).write_text("".join(f"{name}\n" for name in checkpoint.classes))


def _write_golden(stage: Path, images: Images, answers: Answers) -> None:
    # Spread evenly: pictures stand in the order of their classes.
    count = min(_GOLDEN_PICTURES, len(images))
    chosen = np.linspace(0, len(images) - 1, count).round().astype(np.int64)
    np.savez_compressed(
        stage / ENSEMBLE / GOLDEN_FILE,
        images=images[chosen],
        features=answers.features[chosen],
        probabilities=answers.probabilities[chosen],
    )
