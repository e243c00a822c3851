"""The figures of an evaluation: accuracy, classes, calibration, and what features find.

What they mean, and their page, are the client's (``alexnet evaluate`` asks a server for the same).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alexnet_client.evaluation.accuracy import TOP, Answer, Evaluation
from alexnet_client.evaluation.page import accuracy_sections, retrieval_sections
from alexnet_client.evaluation.retrieval import Retrieval, retrieval
from alexnet_client.page import percent, table
from alexnet_client.results import Prediction
from alexnet_training.evaluation.answers import Answers
from alexnet_training.evaluation.calibration import Calibration, calibration

_KS = (1, 5, 10)


@dataclass(frozen=True)
class Scores:
    """``retrieval`` is None where no class has two photos."""

    evaluation: Evaluation
    calibration: Calibration
    retrieval: Retrieval | None

    def summary(self) -> dict[str, Any]:
        """What fits one line."""
        top1, top5 = self.evaluation.top1, self.evaluation.top5
        found = self.retrieval.found if self.retrieval else {}
        return {
            "top1": top1.share,
            "top5": top5.share,
            "n": top1.n,
            "top1_interval": list(top1.interval),
            "negative_log_likelihood": self.calibration.negative_log_likelihood,
            "calibration_error": self.calibration.expected_error,
            "mean_average_precision": {
                metric: one.mean_average_precision for metric, one in found.items()
            },
        }

    def as_json(self) -> dict[str, Any]:
        """Every figure."""
        return {
            **self.evaluation.as_json(),
            "calibration": self.calibration.as_json(),
            "retrieval": self.retrieval and self.retrieval.as_json(),
        }

    def sections(self) -> Iterator[str]:
        """HTML, for a page."""
        yield from accuracy_sections(self.evaluation)
        yield from _calibration_section(self.calibration)
        if self.retrieval:
            yield from retrieval_sections(self.retrieval)


def scores(
    answers: Answers,
    labels: npt.NDArray[np.int64],
    names: Sequence[str],
    classes: tuple[str, ...],
) -> Scores:
    """Score ``answers`` to ``n`` photos, called ``names``, against class numbers [n]."""
    of_classes = [classes[label] for label in labels]
    return Scores(
        Evaluation.of(photo_answers(answers, labels, names, classes)),
        calibration(answers.probabilities, labels),
        retrieval(answers.features, of_classes, _KS),
    )


def photo_answers(
    answers: Answers,
    labels: npt.NDArray[np.int64],
    names: Sequence[str],
    classes: tuple[str, ...],
) -> list[Answer]:
    """The likeliest classes of each photo; among equals the lower class number is first."""
    best = np.argsort(-answers.probabilities, axis=1, kind="stable")[:, :TOP].tolist()
    return [
        Answer(name, classes[label], tuple(_prediction(row, each, classes) for each in ranked))
        for name, label, row, ranked in zip(names, labels, answers.probabilities, best, strict=True)
    ]


def _prediction(
    row: npt.NDArray[np.float32], class_id: int, classes: tuple[str, ...]
) -> Prediction:
    return Prediction(classes[class_id], class_id, float(row[class_id]))


def _calibration_section(found: Calibration) -> Iterator[str]:
    yield "<h2>How far its sureness can be believed</h2>\n"
    yield (
        f"<p>On average, sureness and share of right answers are "
        f"{percent(found.expected_error)} apart. Negative log likelihood: "
        f"{found.negative_log_likelihood:.3f}.</p>\n"
    )
    rows = [
        (
            f"{percent(one.low)} to {percent(one.high)}",
            f"{one.n:,}",
            percent(one.sureness),
            percent(one.right),
        )
        for one in found.bins
    ]
    head = ("probability of the first answer", "photos", "on average", "right")
    yield table("Photos by how sure the first answer was", head, rows)
