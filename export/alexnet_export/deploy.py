"""Checkpoint -> deployed repository: build both layouts, prove them equal, write one, switch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from alexnet_export.averaged import digest_of, load_members
from alexnet_export.carried import carry
from alexnet_export.checkpoint import METRICS_FILE, Checkpoint, weights_path
from alexnet_export.errors import CheckpointError
from alexnet_export.exporters import exporter_versions
from alexnet_export.graph import (
    Graph,
    answer_ports,
    conv1_graph,
    images_port,
)
from alexnet_export.kept import next_version, prune, version_of
from alexnet_export.model_config import (
    ensemble_config,
    instance_group,
    part_config,
)
from alexnet_export.parity import Answers, Images
from alexnet_export.precision import MAX_TOP1_LOSS, Precision, best_precision, require_device
from alexnet_export.proof import (
    Asked,
    Layout,
    Proof,
    is_calibrated_alike,
    prove,
    prove_averaged,
)
from alexnet_export.repository import is_intact, locked, publish, staging
from alexnet_repository.errors import RepositoryError
from alexnet_repository.files import ENSEMBLE, GOLDEN_FILE, LABELS_FILE, read_manifest

_GOLDEN_PICTURES = 8


@dataclass(frozen=True)
class Deployment:
    """What is asked for: where to, how cut, on which devices (``cpu``, ``cuda:N``), how precise.

    ``keep`` former roots stay beside the repository, to roll back to.  int8 is calibrated on the
    pictures in the folder ``calibration``, or on half of those it is proven on, and measured on
    the others; fp16 and int8 may lose ``max_top1_loss`` points of top-1.  Without a ``precision``
    it is the best for the devices (precision.py).
    """

    repository: Path
    layout: Layout = "towers"
    devices: tuple[str, ...] = ("cpu",)
    pictures: Path | None = None
    keep: int = 2
    precision: Precision | None = None
    calibration: Path | None = None
    max_top1_loss: float = MAX_TOP1_LOSS

    def asked(self, checkpoints: Sequence[Checkpoint]) -> Asked:
        """How to prove ``checkpoints``."""
        precision = self.precision or best_precision(checkpoints, self.devices, self.max_top1_loss)
        return Asked(precision, self.pictures, self.calibration, self.max_top1_loss)


def deploy(
    place: Path, wanted: Deployment, others: Sequence[Path] = ()
) -> tuple[dict[str, Any], bool]:
    """Deploy a checkpoint (run folder or weights file); returns the manifest and whether new.

    With ``others`` the predictions of all are averaged (averaged.py).  The same checkpoints in the
    same layout and precision on the same devices are not built again.
    Raises ExportError; the former repository then stays as it was.
    """
    places = [place, *others]
    members = [
        _Member(where, *loaded) for where, loaded in zip(places, load_members(places), strict=True)
    ]
    for device in wanted.devices:
        instance_group(device)
    asked = wanted.asked([each.checkpoint for each in members])
    wanted = replace(wanted, precision=asked.precision)
    require_device(asked.precision, wanted.devices)
    repository = wanted.repository.resolve()  # a link stays a link to what is exchanged
    with locked(repository):
        current = _current(repository)
        if current and _is_deployed(current, members, wanted, asked):
            prune(repository, wanted.keep)
            return current, False
        proof = _proven(members, asked)
        number, former = next_version(repository), version_of(repository)
        manifest = _manifest(members, number, wanted, proof)
        with staging(repository) as stage:
            _write(stage, members[0].checkpoint, proof, wanted, number)
            carry(repository, stage, manifest)
            publish(stage, repository, manifest)
        prune(repository, wanted.keep, former)
    return read_manifest(repository), True


class _Member(NamedTuple):
    """One of the networks whose predictions are averaged; most deploys have one alone."""

    place: Path
    checkpoint: Checkpoint
    digest: str


def _current(repository: Path) -> dict[str, Any] | None:
    try:
        return read_manifest(repository)
    except RepositoryError:  # none, or a damaged one, which a deploy replaces
        return None


def _is_deployed(
    current: dict[str, Any], members: Sequence[_Member], wanted: Deployment, asked: Asked
) -> bool:
    keys = ("layout", "devices", "precision", "versions")  # another exporter may write otherwise
    said = [wanted.layout, list(wanted.devices), wanted.precision, exporter_versions()]
    return (
        current["model"]["digest"] == digest_of([each.digest for each in members])
        and [current.get(key) for key in keys] == said
        and all(is_calibrated_alike(current, one.checkpoint, one.place, asked) for one in members)
        and is_intact(wanted.repository.resolve(), current)
    )


def _proven(members: Sequence[_Member], asked: Asked) -> Proof:
    proofs = [(one.checkpoint, prove(one.checkpoint, one.place, asked)) for one in members]
    return prove_averaged(proofs, asked.precision)


def _manifest(
    members: Sequence[_Member], number: int, wanted: Deployment, proof: Proof
) -> dict[str, Any]:
    first, *others = members
    digest = digest_of([each.digest for each in members])
    manifest = {
        "format": 1,
        "model": {"name": ENSEMBLE, "version": str(number), "digest": digest},
        "dialect": first.checkpoint.dialect.name,
        "layout": wanted.layout,
        "devices": list(wanted.devices),
        "precision": wanted.precision,
        "precision_loss": proof.loss and proof.loss.as_json(),
        "calibration": proof.calibration,
        "classes": list(first.checkpoint.classes),
        "about": first.checkpoint.about,
        "parity": proof.parity.as_json(),
        "versions": exporter_versions(),
        "metrics": {} if others else _metrics(*first),
    }
    if others:
        manifest["members"] = [_described(each) for each in members]
    return manifest


def _described(member: _Member) -> dict[str, Any]:
    return {
        "digest": member.digest,
        "dialect": member.checkpoint.dialect.name,
        "about": member.checkpoint.about,
        "metrics": _metrics(*member),
    }


def _metrics(place: Path, checkpoint: Checkpoint, digest: str) -> dict[str, Any]:
    """What validation found of these very weights; nothing where it speaks of others."""
    if checkpoint.compression:
        return checkpoint.compression.metrics
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


def _write(
    stage: Path, checkpoint: Checkpoint, proof: Proof, wanted: Deployment, number: int
) -> None:
    parts = proof.parts[wanted.layout]
    _write_parts(stage, [*parts, conv1_graph(checkpoint)], wanted.devices, number)
    _write_ensemble(stage, checkpoint, parts, number)
    _write_golden(stage, proof.images, proof.answers[wanted.layout])


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
