"""How often a model's first, or one of its first five, answers is right, and where it errs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from alexnet_client.results import Prediction

TOP = 5
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Answer:
    """What the model said of a picture whose class is known.

    Attributes:
        filename: where the picture is.
        label: its class.
        predictions: at most five, the likeliest first; among equals the lower class number.
    """

    filename: str
    label: str
    predictions: tuple[Prediction, ...]

    @property
    def first(self) -> str:
        """The likeliest label."""
        return self.predictions[0].label

    @property
    def is_right(self) -> bool:
        """Whether the likeliest label is the picture's class."""
        return self.first == self.label


@dataclass(frozen=True)
class Share:
    """``right`` of ``n`` pictures; ``n`` is at least 1."""

    right: int
    n: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.right / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the share, each end 0 to 1 (E. B. Wilson, 1927).

        It holds for pictures drawn independently from those the model will meet.
        """
        z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
        middle = (self.share + z**2 / (2 * self.n)) / (1 + z**2 / self.n)
        spread = self.share * (1 - self.share) / self.n + z**2 / (4 * self.n**2)
        half = z / (1 + z**2 / self.n) * math.sqrt(spread)
        return max(0.0, middle - half), min(1.0, middle + half)

    def as_json(self) -> dict[str, Any]:
        """Return ``{"share", "right", "n", "interval"}``."""
        ends = {"low": self.interval[0], "high": self.interval[1], "confidence": CONFIDENCE}
        return {"share": self.share, "right": self.right, "n": self.n, "interval": ends}


@dataclass(frozen=True)
class ClassFigures:
    """One class: ``count`` pictures are of it, ``answered`` were said to be, ``right`` are both."""

    label: str
    count: int
    answered: int
    right: int

    @property
    def precision(self) -> float | None:
        """The share of those said to be of this class that are; None where none was."""
        return self.right / self.answered if self.answered else None

    @property
    def recall(self) -> float | None:
        """The share of those of this class that were said to be; None where there is none."""
        return self.right / self.count if self.count else None

    def as_json(self) -> dict[str, Any]:
        """Return every figure by its name."""
        return vars(self) | {"precision": self.precision, "recall": self.recall}


@dataclass(frozen=True)
class Evaluation:
    """The figures of one or more answers.

    Attributes:
        top1: how often the first answer is right.
        top5: how often one of the first five is.
        classes: those that a picture is of, or was said to be, by name.
        confusion: how many pictures of a class (first) were said to be of a class (second).
        wrong: the answers whose first label is wrong, the surest of them first.
    """

    top1: Share
    top5: Share
    classes: tuple[ClassFigures, ...]
    confusion: Mapping[tuple[str, str], int]
    wrong: tuple[Answer, ...]

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> Evaluation:
        """Count.

        Raises:
            ValueError: there are no answers.
        """
        if not answers:
            raise ValueError("there is no answer to evaluate")
        confusion = Counter((answer.label, answer.first) for answer in answers)
        among = sum(
            answer.label in [one.label for one in answer.predictions[:TOP]] for answer in answers
        )
        wrong = [answer for answer in answers if not answer.is_right]
        wrong.sort(key=lambda answer: -answer.predictions[0].probability)
        return cls(
            top1=Share(len(answers) - len(wrong), len(answers)),
            top5=Share(among, len(answers)),
            classes=_classes(confusion),
            confusion=confusion,
            wrong=tuple(wrong),
        )

    @property
    def mistakes(self) -> list[tuple[str, str, int]]:
        """Class, what it was said to be, how often; the most frequent first."""
        wrong = [(one, other, n) for (one, other), n in self.confusion.items() if one != other]
        return sorted(wrong, key=lambda mistake: (-mistake[2], mistake[:2]))

    def as_json(self) -> dict[str, Any]:
        """Return all figures; of the confusion matrix, which is mostly zeros, what is not zero."""
        return {
            "top1": self.top1.as_json(),
            "top5": self.top5.as_json(),
            "classes": [one.as_json() for one in self.classes],
            "confusion": [
                {"label": label, "predicted": predicted, "count": count}
                for (label, predicted), count in sorted(self.confusion.items())
            ],
        }


def _classes(confusion: Mapping[tuple[str, str], int]) -> tuple[ClassFigures, ...]:
    counts: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    for (label, predicted), count in confusion.items():
        counts[label] += count
        answered[predicted] += count
    return tuple(
        ClassFigures(name, counts[name], answered[name], confusion.get((name, name), 0))
        for name in sorted(counts | answered)
    )
