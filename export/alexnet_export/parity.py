"""Proof of the split: towers and single give the same answers on real pictures.

In float32 they differ by the order of sums alone.  In fp16 a sum that lies between two numbers
may be rounded to either, and in int8 to either of two of 256 levels, which then goes on through
the layers behind: 5e-4 and 0 of the largest feature were measured on a trained network.  A part
that holds or reads the other tower's numbers differs by 0.4 and more.  What is finer (the biases
of fc6 swapped: 0.008) is caught before: a checkpoint's split is always proven in float32 first.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from alexnet_export.errors import ParityError
from alexnet_export.graph import FEATURES, IMAGES, PROBABILITIES, Graph

FEATURES_LIMITS = {"fp32": 1e-5, "fp16": 5e-3, "int8": 1e-2}
# Probabilities closer than this may change places in a top-5.
_TIES = {"fp32": 1e-6, "fp16": 1e-3, "int8": 1e-2}
_BATCH = 8

Images = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Answers:
    """``features`` float32 [n, 4096] and ``probabilities`` float32 [n, classes]."""

    features: Values
    probabilities: Values


@dataclass(frozen=True)
class Parity:
    """Towers against single; differences are the largest over all pictures and units."""

    pictures: int
    features_difference: float  # as a share of the largest feature
    probabilities_difference: float
    top5_agreement: float  # share of the pictures

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)


def run(graphs: list[Graph], images: Images, purpose: str) -> Answers:
    """Lead ``images`` uint8 [n, side, side, 3] through graphs in data order, on the CPU."""
    import onnxruntime  # noqa: PLC0415 (show, verify and rollback do without it)

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    sessions = [
        onnxruntime.InferenceSession(
            graph.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        for graph in graphs
    ]
    features, probabilities = [], []
    with tqdm(total=len(images), desc=purpose, unit="picture", disable=None) as progress:
        for start in range(0, len(images), _BATCH):
            values: dict[str, npt.NDArray[Any]] = {IMAGES: images[start : start + _BATCH]}
            for graph, session in zip(graphs, sessions, strict=True):
                given = {port.name: values[graph.value(port)] for port in graph.inputs}
                outputs = session.run([port.name for port in graph.outputs], given)
                values |= zip(map(graph.value, graph.outputs), outputs, strict=True)
            features.append(values[FEATURES])
            probabilities.append(values[PROBABILITIES])
            progress.update(len(values[IMAGES]))
    return Answers(np.concatenate(features), np.concatenate(probabilities))


def compare(towers: Answers, single: Answers, precision: str = "fp32") -> Parity:
    """Measure towers against single, both of ``precision``."""
    agrees = _same_top5(towers.probabilities, single.probabilities, _TIES[precision])
    return Parity(
        pictures=len(single.features),
        features_difference=float(
            np.abs(towers.features - single.features).max() / np.abs(single.features).max()
        ),
        probabilities_difference=float(np.abs(towers.probabilities - single.probabilities).max()),
        top5_agreement=float(np.mean(agrees)),
    )


def require(parity: Parity, precision: str = "fp32") -> None:
    """Raise ParityError where the split does not hold."""
    limit = FEATURES_LIMITS[precision]
    if not parity.features_difference <= limit or parity.top5_agreement < 1:
        raise ParityError(
            f"towers and single differ by {parity.features_difference:.2e} of the largest feature "
            f"(limit in {precision} {limit:.0e}) and agree on {parity.top5_agreement:.1%} of the "
            f"top-5 of {parity.pictures} pictures (needed: all); nothing was deployed"
        )


def _same_top5(towers: Values, single: Values, tie: float) -> npt.NDArray[np.bool_]:
    """Whether the towers' five best are single's, in order, up to ties; bool [n]."""
    chosen = np.argsort(-towers, axis=1, kind="stable")[:, :5]
    by_towers = np.take_along_axis(single, chosen, axis=1)
    by_single = -np.sort(-single, axis=1)[:, :5]
    return np.asarray((np.abs(by_towers - by_single) <= tie).all(axis=1))
