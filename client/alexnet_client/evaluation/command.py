"""The command ``evaluate``: a labelled folder against the server; nothing is stored there."""

from __future__ import annotations

import argparse
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from alexnet_client import page
from alexnet_client.client import Client
from alexnet_client.commands.pictures import pictures_of
from alexnet_client.errors import ClientError
from alexnet_client.evaluation.accuracy import Answer, Evaluation
from alexnet_client.evaluation.answers import Wanted, answered
from alexnet_client.evaluation.outcome import Outcome
from alexnet_client.evaluation.page import evaluation_page
from alexnet_client.evaluation.retrieval import MAX_QUERIES, retrieval
from alexnet_client.folder import FolderPicture
from alexnet_client.names import printable
from alexnet_client.progress import Progress
from alexnet_client.report import Report
from alexnet_client.thumbnail import image_source

KS = (1, 5, 10)
SHOWN = 100  # pictures on the page


def evaluate(client: Client, options: argparse.Namespace, report: Report) -> None:
    """Write top-1, top-5, figures by class and what the features find; with --out a page."""
    folder = options.folder
    if (folder / "validation").is_dir():
        folder = folder / "validation"
        report.say(f"evaluating {printable(str(folder))}, the half kept for it")
    card = client.model()
    outcome = Outcome(printable(str(folder)), client.url, card, options.views)
    found = list(pictures_of([str(folder)], report))
    pictures = [picture for picture in found if picture.metadata["path"].count("/") == 1]
    outcome.passed_over = len(found) - len(pictures)
    known = {_plain(name): name for name in card.classes}
    if not options.retrieval_only:
        outcome.unknown = Counter(_label(one) for one in pictures if _label(one) not in known)
    if not pictures:
        raise ClientError(
            f"no picture lies in a class folder of {outcome.folder}: FOLDER/<class>/<picture>",
            code="no_labelled_pictures",
        )
    if outcome.unknown.total() == len(pictures):
        raise _none_known(outcome, card.classes)
    with TemporaryDirectory(prefix="alexnet-evaluate-", ignore_cleanup_errors=True) as place:
        _ask(
            client,
            options,
            report,
            outcome=outcome,
            pictures=pictures,
            known=known,
            features=Path(place, "features"),
        )
    _tell(outcome, options, report)


def _ask(
    client: Client,
    options: argparse.Namespace,
    report: Report,
    *,
    outcome: Outcome,
    pictures: Sequence[FolderPicture],
    known: dict[str, str],
    features: Path,
) -> None:
    """Fill the outcome; the rows of the features go through a file, as they may be many."""
    answers: list[Answer] = []
    labels: list[str] = []
    wanted = Wanted(not options.retrieval_only, not options.no_retrieval, options.views)
    with features.open("wb") as rows:
        for one in answered(client, pictures, wanted, report):
            label = known.get(_label(one.picture), _label(one.picture))
            labels.append(label)
            if one.vector is not None:
                one.vector.astype("<f4", copy=False).tofile(rows)
            if one.predictions and _label(one.picture) in known:
                answers.append(Answer(str(one.picture.path), label, one.predictions))
            if report.as_json:
                report.results.append(
                    {
                        "filename": str(one.picture.path),
                        "label": label,
                        "predictions": [vars(prediction) for prediction in one.predictions],
                    }
                )
    if answers:
        outcome.evaluation = Evaluation.of(answers)
    if wanted.features and labels:
        matrix = np.memmap(features, "<f4", "r").reshape(len(labels), -1)
        report.progress = Progress(min(len(labels), MAX_QUERIES))
        ks = sorted(set(options.k or KS))
        outcome.retrieval = retrieval(matrix, labels, ks, advance=report.progress.advance)
        report.progress.clear()


def _tell(outcome: Outcome, options: argparse.Namespace, report: Report) -> None:
    outcome.failed = report.failures
    for remark in outcome.remarks:
        report.say(remark)
    if outcome.retrieval is None and not options.no_retrieval:
        report.say("no two pictures of one class have an answer: nothing is to be found")
    report.write(*outcome.lines())
    out: Path | None = options.out
    if out is not None:
        pieces = evaluation_page(outcome, options.shown, lambda one: image_source(Path(one), out))
        page.write(out, pieces)
        report.say(f"wrote {printable(str(out))}")
    if report.as_json:
        report.write_json({**outcome.as_json(), "results": report.results})


def _label(picture: FolderPicture) -> str:
    return _plain(picture.label or "")


def _plain(name: str) -> str:
    """Return a name as it is compared: macOS gives the letters of folders' names in parts."""
    return unicodedata.normalize("NFC", printable(name))


def _none_known(outcome: Outcome, classes: Sequence[str]) -> ClientError:
    shown = ", ".join(printable(name) for name in classes[:5])
    labels = ", ".join(sorted(outcome.unknown)[:5])
    return ClientError(
        f"none of the folder's {len(outcome.unknown):,} labels ({labels}...) is one of the model's "
        f"{len(classes):,} classes ({shown}...): name the class folders as the model does, or give "
        "--retrieval-only, which needs no classes",
        code="no_known_label",
    )


def conflict(options: argparse.Namespace) -> str | None:
    """Say which options leave nothing to do."""
    if options.retrieval_only and options.no_retrieval:
        return "--retrieval-only and --no-retrieval leave nothing to evaluate"
    return None
