"""What became of an evaluation: its figures, what is left out of them and why, as text and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from alexnet_client.evaluation.accuracy import Evaluation, Share
from alexnet_client.evaluation.retrieval import Retrieval
from alexnet_client.names import printable
from alexnet_client.page import percent
from alexnet_client.report import table
from alexnet_client.results import ModelCard

_LONGEST_LIST_SHOWN = 20  # labels, mistakes


@dataclass
class Outcome:
    """An evaluation of a folder.

    Attributes:
        folder: whose class folders were taken.
        server: the address that answered.
        card: the model.
        views: how many views of each picture were averaged.
        passed_over: how many pictures lie in no class folder.
        unknown: labels that the model does not have, with how many pictures of each; they count
            in the retrieval alone.
        failed: why a picture has no answer, by its name.
        evaluation: how right the labels are; None where they were not asked for.
        retrieval: what the features find; None where it was not asked for, or nothing can be found.
    """

    folder: str
    server: str
    card: ModelCard
    views: int
    passed_over: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    retrieval: Retrieval | None = None

    @property
    def about(self) -> list[tuple[str, object]]:
        """Name and value of what identifies the evaluation."""
        return [
            ("folder", self.folder),
            ("server", self.server),
            ("model", f"{self.card.name}, version {self.card.version}"),
            ("digest", self.card.digest),
            ("precision", self.card.precision),
            ("classes", f"{len(self.card.classes):,}"),
            ("views", self.views),
        ]

    @property
    def remarks(self) -> list[str]:
        """What the figures leave out, a sentence each."""
        remarks = []
        if self.unknown:
            named = [f"{name} ({count:,})" for name, count in sorted(self.unknown.items())]
            more = ", ..." if len(named) > _LONGEST_LIST_SHOWN else ""
            remarks.append(
                "the model does not know these labels of the folder; their "
                f"{self.unknown.total():,} pictures count in the retrieval alone: "
                f"{', '.join(named[:_LONGEST_LIST_SHOWN])}{more}"
            )
        if self.failed:
            remarks.append(
                f"pictures without an answer, which count in no figure: {len(self.failed):,}"
            )
        if self.passed_over:
            remarks.append(
                "pictures passed over, as they do not lie directly in a class folder, "
                f"FOLDER/<class>/: {self.passed_over:,}"
            )
        return remarks

    def as_json(self) -> dict[str, Any]:
        """Return everything but the single pictures."""
        card = self.card
        return {
            "folder": self.folder,
            "server": self.server,
            "model": {"name": card.name, "version": card.version, "digest": card.digest},
            "views": self.views,
            "passed_over": self.passed_over,
            "unknown_labels": dict(self.unknown),
            "failed": len(self.failed),
            "evaluation": self.evaluation and self.evaluation.as_json(),
            "retrieval": self.retrieval and self.retrieval.as_json(),
        }

    def lines(self) -> Iterator[str]:
        """Yield the figures for a terminal."""
        if self.evaluation is not None:
            yield from _accuracy_lines(self.evaluation)
        if self.retrieval is not None:
            yield from _retrieval_lines(self.retrieval)


def _accuracy_lines(evaluation: Evaluation) -> Iterator[str]:
    for name, share in (("top-1", evaluation.top1), ("top-5", evaluation.top5)):
        yield f"{name}  {percent(share.share)}  {_interval(share)}"
    yield ""
    head = ("class", "pictures", "recall", "precision")
    rows = [
        (printable(one.label), f"{one.count:,}", percent(one.recall), percent(one.precision))
        for one in evaluation.classes
    ]
    yield from table([head, *rows], right=(1, 2, 3))
    mistakes = evaluation.mistakes[:_LONGEST_LIST_SHOWN]
    if mistakes:
        yield ""
        pairs = [(printable(one), printable(other), f"{n:,}") for one, other, n in mistakes]
        yield from table([("class", "taken for", "pictures"), *pairs], right=(2,))


def _interval(share: Share) -> str:
    low, high = share.interval
    return f"(95 % interval {percent(low)} to {percent(high)}; n = {share.n:,})"


def _retrieval_lines(found: Retrieval) -> Iterator[str]:
    yield ""
    yield (
        f"retrieval by features: {found.queries:,} queries among {found.pictures:,} pictures, "
        f"{found.alone:,} alone in their class; by chance {percent(found.chance)}"
    )
    by_metric: Mapping[str, Any] = found.found
    ks = [f"precision@{k}" for k in next(iter(found.found.values())).precision_at]
    rows = [
        (
            metric,
            *(percent(share) for share in one.precision_at.values()),
            percent(one.mean_average_precision),
        )
        for metric, one in by_metric.items()
    ]
    head = ("metric", *ks, "mean average precision")
    yield from table([head, *rows], right=range(1, len(head)))
