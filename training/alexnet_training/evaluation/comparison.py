"""Two networks of the same classes, photo by photo: where they say something else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alexnet_client.evaluation.accuracy import Answer
from alexnet_repository.golden import cosines
from alexnet_training.evaluation.answers import Answers
from alexnet_training.evaluation.scores import photo_answers


@dataclass(frozen=True)
class Comparison:
    """What two networks say to the same ``n`` photos.

    ``disagreements``: the photos whose likeliest class differs, as the first and the second answer
    them.  ``features_cosine`` is the mean over the photos.
    """

    n: int
    right: tuple[int, int]
    disagreements: tuple[tuple[Answer, Answer], ...]
    features_cosine: float

    @property
    def agreement(self) -> float:
        """The share of the photos whose likeliest class is the same."""
        return 1 - len(self.disagreements) / self.n

    def as_json(self) -> dict[str, Any]:
        """Every figure, and every disagreement."""
        return {
            "n": self.n,
            "right": list(self.right),
            "agreement": self.agreement,
            "features_cosine": self.features_cosine,
            "disagreements": [
                {
                    "filename": first.filename,
                    "label": first.label,
                    "first": asdict(first.predictions[0]),
                    "second": asdict(second.predictions[0]),
                }
                for first, second in self.disagreements
            ],
        }

    def markdown(self) -> Iterator[str]:
        """The figures in lines, and a row for each disagreement; what is right is bold."""
        same, (first, second) = self.n - len(self.disagreements), self.right
        yield f"{self.n} photos, {same} with the same likeliest class ({self.agreement:.1%})."
        shares = (f"the first {first} ({first / self.n:.2%})", f"{second} ({second / self.n:.2%})")
        yield f"Right: {shares[0]}, the second {shares[1]}."
        yield f"Mean cosine of the features: {self.features_cosine:.4f}."
        if self.disagreements:
            yield ""
            yield "| photo | its class | the first says | | the second says | |"
            yield "|---|---|---|---|---|---|"
        for pair in self.disagreements:
            said = " | ".join(_said(answer) for answer in pair)
            yield f"| {pair[0].filename} | {pair[0].label} | {said} |"


def compare(
    pair: tuple[Answers, Answers],
    labels: npt.NDArray[np.int64],
    names: Sequence[str],
    classes: tuple[str, ...],
) -> Comparison:
    """Compare what two networks answered to the photos ``names``, of class numbers [n]."""
    first, second = (photo_answers(answers, labels, names, classes) for answers in pair)
    both = list(zip(first, second, strict=True))
    return Comparison(
        n=len(both),
        right=(sum(one.is_right for one in first), sum(one.is_right for one in second)),
        disagreements=tuple((one, other) for one, other in both if one.first != other.first),
        features_cosine=float(np.mean(cosines(pair[0].features, pair[1].features))),
    )


def _said(answer: Answer) -> str:
    mark = "**" if answer.is_right else ""
    return f"{mark}{answer.first}{mark} | {answer.predictions[0].probability:.2f}"
