"""The page of an evaluation: figures, the confusion matrix, and pictures of what was wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from alexnet_client.evaluation.accuracy import Answer, ClassFigures, Evaluation, Share
from alexnet_client.evaluation.outcome import Outcome
from alexnet_client.evaluation.retrieval import METRICS, Retrieval
from alexnet_client.page import document, facts, percent, scrolling, table, text

MAX_TABLE_CLASSES = 40  # beyond, the confusion matrix is a drawing
MAX_MISTAKES = 15  # pairs of classes


def evaluation_page(outcome: Outcome, shown: int, source: Callable[[str], str]) -> Iterator[str]:
    """Yield the page, piece by piece.

    Args:
        outcome: what is shown.
        shown: how many pictures that were wrong, at most.
        source: what an ``<img>`` shows for a picture's file name.
    """

    def body() -> Iterator[str]:
        yield facts(outcome.about)
        for remark in outcome.remarks:
            yield f'<p class="wrong">{text(remark)}</p>\n'
        if outcome.evaluation is not None:
            yield from accuracy_sections(outcome.evaluation)
        if outcome.retrieval is not None:
            yield from retrieval_sections(outcome.retrieval)
        if outcome.evaluation is not None:
            yield from _wrong(outcome.evaluation, shown, source)
        if outcome.failed:
            yield f"<h2>Without an answer: {len(outcome.failed):,}</h2>\n"
            head = ("picture", "why")
            yield table("Pictures that could not be used", head, outcome.failed.items(), texts=2)

    return document(f"Evaluation of {outcome.folder}", body())


def accuracy_sections(evaluation: Evaluation) -> Iterator[str]:
    """Yield accuracy, classes and the confusion matrix, from `<h2>` to `<h2>`."""
    yield "<h2>Accuracy</h2>\n"
    named = (("top-1", evaluation.top1), ("top-5", evaluation.top5))
    yield f'<ul class="figures">{"".join(_figure(*one) for one in named)}</ul>\n'
    yield (
        '<p class="quiet">The interval is Wilson’s, of 95 %: it holds for pictures drawn '  # noqa: RUF001
        "independently from those the model will meet.</p>\n"
    )
    yield "<h2>Classes</h2>\n"
    head: tuple[str, ...] = ("class", "pictures", "recall", "said to be it", "precision")
    rows = [
        (
            one.label,
            f"{one.count:,}",
            percent(one.recall),
            f"{one.answered:,}",
            percent(one.precision),
        )
        for one in evaluation.classes
    ]
    yield table("Every class that a picture is of, or was said to be", head, rows)
    yield "<h2>What is taken for what</h2>\n"
    mistakes = [(*pair, f"{count:,}") for *pair, count in evaluation.mistakes[:MAX_MISTAKES]]
    if mistakes:
        head = ("class", "taken for", "pictures")
        yield table("The most frequent mistakes", head, mistakes, texts=2)
    yield "<h3>Confusion matrix</h3>\n"
    large = len(evaluation.classes) > MAX_TABLE_CLASSES
    yield (_drawn if large else _matrix)(evaluation)


def _figure(name: str, share: Share) -> str:
    low, high = share.interval
    return (
        f"<li>{name}<strong>{percent(share.share)}</strong>"
        f"{percent(low)} to {percent(high)}<br>{share.right:,} of n = {share.n:,}</li>"
    )


def _shade(one: ClassFigures, count: int) -> float:
    return count / one.count if one.count else 0.0


def _matrix(evaluation: Evaluation) -> str:
    """Return the matrix as a table: a row for each class, shaded by the share of its pictures."""
    classes = evaluation.classes
    head = "".join(f'<th scope="col">{text(one.label)}</th>' for one in classes)
    rows = []
    for one in classes:
        counts = [evaluation.confusion.get((one.label, other.label), 0) for other in classes]
        cells = "".join(
            f'<td class="cell" style="--share:{_shade(one, count):.3f}">{count:,}</td>'
            for count in counts
        )
        rows.append(f'<tr><th scope="row">{text(one.label)}</th>{cells}</tr>\n')
    caption = "Rows: the class of the pictures; columns: what they were said to be"
    return scrolling(
        "Confusion matrix",
        f'<table class="matrix"><caption>{caption}</caption><thead><tr><th scope="col">class</th>'
        f"{head}</tr></thead>\n<tbody>{''.join(rows)}</tbody></table>",
    )


def _drawn(evaluation: Evaluation) -> str:
    """Return the matrix as a drawing, for more classes than a table can show at once."""
    place = {one.label: number for number, one in enumerate(evaluation.classes)}
    side = len(place)
    cells = "".join(
        f'<rect x="{place[predicted]}" y="{place[label]}" width="1" height="1" '
        f'opacity="{max(0.15, _shade(evaluation.classes[place[label]], count)):.2f}">'
        f"<title>{text(label)} taken for {text(predicted)}: {count:,}</title></rect>"
        for (label, predicted), count in sorted(evaluation.confusion.items())
    )
    name = (
        f"Confusion matrix of {side:,} classes, in the order of the table of classes. Rows: the "
        "class of the pictures; columns: what they were said to be. On the diagonal is what is "
        "right; the most frequent mistakes stand in the table above."
    )
    return (
        f'<p>{name}</p>\n<svg viewBox="0 0 {side} {side}" role="img" '
        f'aria-label="{name}">{cells}</svg>\n'
    )


def retrieval_sections(found: Retrieval) -> Iterator[str]:
    """Yield how well features find pictures of the same class, under its `<h2>`."""
    yield "<h2>Finding pictures of the same class</h2>\n"
    yield (
        f"<p>Each of {found.queries:,} pictures was compared by its features with the other "
        f"{found.pictures - 1:,}. In a random order a share of {percent(found.chance)} would be of "
        f"its class. {found.alone:,} have no other of their class, and were not looked for.</p>\n"
    )
    ks = list(found.found[METRICS[0]].precision_at)
    head = ("metric", *(f"precision@{k}" for k in ks), "mean average precision")
    rows = []
    for metric in METRICS:
        one = found.found[metric]
        shares = [percent(one.precision_at[k]) for k in ks]
        rows.append((metric, *shares, percent(one.mean_average_precision)))
    yield table("How well the features find pictures of the same class", head, rows)


def _wrong(evaluation: Evaluation, shown: int, source: Callable[[str], str]) -> Iterator[str]:
    count = len(evaluation.wrong)
    yield f"<h2>What was wrong: {count:,} pictures</h2>\n"
    if not count:
        yield "<p>Nothing.</p>\n"
        return
    some = "" if count <= shown else f", the first {shown:,} of them"
    yield f"<p>The surest mistakes first{some}.</p>\n"
    yield '<ul class="pictures">\n'
    for answer in islice(evaluation.wrong, shown):
        yield _picture(answer, source(answer.filename))
    yield "</ul>\n"


def _picture(answer: Answer, source: str) -> str:
    bars = "".join(
        f'<li style="--share:{one.probability:.4f}"'
        f"{' class=is-right' if one.label == answer.label else ''}>"
        f"<span>{text(one.label)}</span><span>{percent(one.probability)}</span></li>"
        for one in answer.predictions
    )
    return (
        f'<li><img src="{text(source)}" loading="lazy" alt="A picture of the class '
        f'{text(answer.label)}, taken for {text(answer.first)}">'
        f'<p><span class="right">{text(answer.label)}</span> taken for '
        f'<span class="wrong">{text(answer.first)}</span><br>'
        f'<span class="quiet">{text(answer.filename)}</span></p>'
        f'<ol class="bars">{bars}</ol></li>\n'
    )
