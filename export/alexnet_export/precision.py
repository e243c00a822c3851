"""The precision of the deployed graphs: which there are, where each runs, and what it costs.

A precision is set by hand, or follows from the checkpoint and the devices; it stands in the
manifest, and nothing takes it over from a processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from alexnet_export.checkpoint import Checkpoint
from alexnet_export.errors import PrecisionError
from alexnet_export.loss import Loss
from alexnet_export.parity import Answers
from alexnet_repository.golden import cosines

Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
MAX_TOP1_LOSS = 0.5
MIN_COSINE = 0.99  # where the loss cannot be measured

Labels = npt.NDArray[np.int64]


def require_device(precision: Precision, devices: tuple[str, ...]) -> None:
    """Raise PrecisionError where ``precision`` makes no sense on one of ``devices``."""
    # fp16 on the CPU is let through: slow there, but it rehearses the graphs of a GPU machine.
    odd = [device for device in devices if device != "cpu"]
    if precision == "int8" and odd:
        raise PrecisionError(
            f"int8 runs on cpu, not on {', '.join(odd)}: ONNX Runtime has no int8 convolutions for "
            "CUDA and would be slower than fp32; take --precision fp16, or --devices cpu"
        )


def best_precision(
    checkpoints: Sequence[Checkpoint], devices: tuple[str, ...], max_top1_loss: float
) -> Precision:
    """int8 on CPUs where every checkpoint knows its ranges and loses no more by them, else fp32."""
    known = [checkpoint.compression for checkpoint in checkpoints]
    is_as_good = all(each and each.loss.top1_loss <= max_top1_loss for each in known)
    return "int8" if is_as_good and set(devices) == {"cpu"} else "fp32"


def measure(given: Answers, fp32: Answers, labels: Labels | None) -> Loss:
    """Measure answers against those of fp32 on the same pictures, of classes ``labels`` [n]."""
    agreement = float(
        np.mean(given.probabilities.argmax(axis=1) == fp32.probabilities.argmax(axis=1))
    )
    shares: dict[str, float | None] = dict.fromkeys(("top1_fp32", "top1", "top5_fp32", "top5"))
    loss = 100 * (1 - agreement)
    if labels is not None:
        before, after = (_top(answers, labels, 1) for answers in (fp32, given))
        five_before, five_after = (_top(answers, labels, 5) for answers in (fp32, given))
        shares = {
            "top1_fp32": before,
            "top1": after,
            "top5_fp32": five_before,
            "top5": five_after,
        }
        loss = 100 * (before - after)
    cosine = 0.0
    if np.isfinite(given.features).all() and np.isfinite(given.probabilities).all():
        cosine = float(np.mean(cosines(given.features, fp32.features)))
    else:
        loss = 100.0  # a number passed the largest of its kind, which argmax would hide
    return Loss(
        pictures=len(given.features),
        top1_agreement=agreement,
        top1_loss=round(loss, 6),
        features_cosine=cosine,
        **shares,
    )


def require(loss: Loss, precision: Precision, max_top1_loss: float) -> None:
    """Raise PrecisionError where ``precision`` loses more than ``max_top1_loss`` points."""
    if loss.top1_loss <= max_top1_loss:
        return
    of = (
        f"another likeliest class than fp32 for {1 - loss.top1_agreement:.1%}"
        if loss.top1 is None
        else f"top-1 {loss.top1:.1%} instead of fp32's {loss.top1_fp32:.1%}"
    )
    raise PrecisionError(
        f"{precision} gives {of} of {loss.pictures} pictures: {loss.top1_loss:.2f} points lost, at "
        f"most {max_top1_loss:g} are allowed (--max-top1-loss); nothing was deployed. More "
        f"pictures (--pictures FOLDER; one of {loss.pictures} is {100 / loss.pictures:.2f} points) "
        "measure it better"
    )


def require_alike(given: Answers, fp32: Answers, precision: Precision) -> None:
    """Raise PrecisionError where the features point elsewhere than in fp32.

    For pictures that a loss means nothing on: drawn ones show at least what overflows or vanishes.
    """
    least = 0.0  # where a number passed the largest of its kind
    if np.isfinite(given.features).all() and np.isfinite(given.probabilities).all():
        least = float(np.min(cosines(given.features, fp32.features)))
    if least < MIN_COSINE:
        raise PrecisionError(
            f"{precision} gives features whose cosine with fp32's is only {least:.4f} (limit "
            f"{MIN_COSINE:g}) for one of {len(fp32.features)} pictures; nothing was deployed"
        )


def _top(answers: Answers, labels: Labels, count: int) -> float:
    chosen = np.argsort(-answers.probabilities, axis=1, kind="stable")[:, :count]
    return float(np.mean((chosen == labels[:, None]).any(axis=1)))
