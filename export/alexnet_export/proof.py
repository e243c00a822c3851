"""A checkpoint's graphs in a precision, with the proof that they may be deployed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from alexnet_export.averaged import averaged
from alexnet_export.calibration import Calibration
from alexnet_export.checkpoint import Checkpoint, Compression
from alexnet_export.graph import Graph, single_graph, tower_graphs
from alexnet_export.loss import Loss
from alexnet_export.parity import Answers, Images, Parity, compare, require, run
from alexnet_export.pictures import (
    Pictures,
    calibration_pictures,
    measured_pictures,
    pictures_digest,
    proof_views,
)
from alexnet_export.precision import Precision, measure, require_alike
from alexnet_export.precision import require as require_loss

Layout = Literal["towers", "single"]
LAYOUTS: tuple[Layout, ...] = ("towers", "single")
Parts = dict[Layout, list[Graph]]


@dataclass(frozen=True)
class Asked:
    """How to prove: on which pictures, calibrated on which, and what top-1 may lose in points."""

    precision: Precision
    pictures: Path | None
    calibration: Path | None
    max_top1_loss: float


@dataclass(frozen=True)
class Proof:
    """The graphs of each layout, and their answers to ``images`` uint8 [n, side, side, 3].

    ``loss`` is None in fp32, and in fp16 without a photo to measure it on; ``calibration`` is what
    int8 was calibrated on, for the manifest.
    """

    parts: dict[Layout, list[Graph]]
    images: Images
    answers: dict[Layout, Answers]
    parity: Parity
    loss: Loss | None = None
    calibration: dict[str, Any] | None = None


def prove(checkpoint: Checkpoint, place: Path, asked: Asked) -> Proof:
    """Build the graphs of the checkpoint in ``place`` and prove them.

    The split is proven in fp32 whatever the precision, and then in the precision, whose loss is
    measured against fp32 where there are photos.  Raises PicturesError, ParityError and
    PrecisionError.
    """
    images = proof_views(place, asked.pictures, checkpoint.dialect.image_side)
    whole: Parts = {"towers": tower_graphs(checkpoint), "single": [single_graph(checkpoint)]}
    answers, parity = _split(whole, images, "fp32")
    if asked.precision == "fp32":
        return Proof(whole, images, answers, parity)
    calibrated_on, measured = _pictures(checkpoint, place, asked)
    calibration = _calibration(checkpoint, whole, asked, calibrated_on)
    parts = _reduced(checkpoint, whole, calibration)
    loss = None
    if measured is not None:
        loss = _loss(parts, whole, measured, asked)
    elif known := _known(checkpoint, asked):
        loss = known.loss
        require_loss(loss, asked.precision, asked.max_top1_loss)
    else:
        reduced = run(parts["single"], images, f"{asked.precision}, drawn pictures")
        require_alike(reduced, answers["single"], asked.precision)
    answers, parity = _split(parts, images, asked.precision)
    noted = calibration.as_json() if calibration else None
    return Proof(parts, images, answers, parity, loss, noted)


def prove_averaged(proofs: Sequence[tuple[Checkpoint, Proof]], precision: Precision) -> Proof:
    """One network of several whose own proofs stand, on the first one's pictures.

    A precision's loss is the largest of theirs.  Raises ParityError.
    """
    (checkpoint, first), *others = proofs
    if not others:
        return first
    parts: Parts = {
        layout: averaged([proof.parts[layout] for _, proof in proofs], checkpoint)
        for layout in LAYOUTS
    }
    answers, parity = _split(parts, first.images, precision)
    losses = [proof.loss for _, proof in proofs if proof.loss]
    loss = max(losses, key=lambda each: each.top1_loss) if losses else None
    return Proof(parts, first.images, answers, parity, loss, first.calibration)


def is_calibrated_alike(
    manifest: dict[str, Any], checkpoint: Checkpoint, place: Path, asked: Asked
) -> bool:
    """Whether the deployed graphs know the asked pictures, and lose no more than is asked."""
    if asked.precision == "fp32":
        return True
    calibrated_on, measured = _pictures(checkpoint, place, asked)
    loss = manifest["precision_loss"]
    if loss is None:  # fp16 without a photo: as good as new until there are some
        return measured is None
    noted = (manifest.get("calibration") or {}).get("digest")
    wanted = None if calibrated_on is None else pictures_digest(calibrated_on)
    if known := _known(checkpoint, asked):
        wanted = known.calibration.digest
    return bool(loss["top1_loss"] <= asked.max_top1_loss and noted == wanted)


def _pictures(
    checkpoint: Checkpoint, place: Path, asked: Asked
) -> tuple[Images | None, Pictures | None]:
    """What int8 is calibrated on, and what a loss is measured on, if there is anything."""
    if _known(checkpoint, asked):
        return None, None
    side = checkpoint.dialect.image_side
    measured = measured_pictures(place, asked.pictures, checkpoint.classes, side)
    if asked.precision != "int8":
        return None, measured
    return calibration_pictures(asked.calibration, measured)


def _known(checkpoint: Checkpoint, asked: Asked) -> Compression | None:
    """What a compressed network says of itself in int8, where no photos are named."""
    is_asked = asked.precision == "int8" and asked.pictures is None and asked.calibration is None
    return checkpoint.compression if is_asked else None


def _calibration(
    checkpoint: Checkpoint, whole: Parts, asked: Asked, calibrated_on: Images | None
) -> Calibration | None:
    """The ranges of int8; None in fp16."""
    if known := _known(checkpoint, asked):
        return known.calibration
    if calibrated_on is None:
        return None
    # Only this needs onnxruntime's tools; show, verify and rollback do without any of it.
    from alexnet_export.quantization import calibrate  # noqa: PLC0415

    return calibrate(whole["single"][0], checkpoint.dialect, calibrated_on)


def _loss(parts: Parts, whole: Parts, measured: Pictures, asked: Asked) -> Loss:
    """What the precision costs on ``measured``, which is no more than is asked."""
    given = run(parts["single"], measured.images, f"{asked.precision} loss")
    loss = measure(given, run(whole["single"], measured.images, "fp32"), measured.labels)
    require_loss(loss, asked.precision, asked.max_top1_loss)
    return loss


def _reduced(checkpoint: Checkpoint, whole: Parts, calibration: Calibration | None) -> Parts:
    """The graphs in int8, or without a calibration in fp16."""
    if calibration is None:
        towers, single = tower_graphs(checkpoint, half=True), single_graph(checkpoint, half=True)
        return {"towers": towers, "single": [single]}
    from alexnet_export.quantization import quantized  # noqa: PLC0415

    return {
        layout: [quantized(graph, checkpoint.dialect, calibration) for graph in graphs]
        for layout, graphs in whole.items()
    }


def _split(
    parts: Parts, images: Images, precision: Precision
) -> tuple[dict[Layout, Answers], Parity]:
    """Both layouts' answers, proven equal within the precision's limits."""
    towers = run(parts["towers"], images, f"towers, {precision}")
    single = run(parts["single"], images, f"single, {precision}")
    parity = compare(towers, single, precision)
    require(parity, precision)
    return {"towers": towers, "single": single}, parity
