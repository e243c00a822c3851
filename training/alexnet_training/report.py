"""A run as pictures: PNG files and one page that holds them all.

``RUN/figures/*.png`` and ``RUN/report.html``, which needs nothing beside it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alexnet_client.page import document, facts, percent, table, text, write
from alexnet_export.checkpoint import Checkpoint, write_whole
from alexnet_pixels.square import Pixels
from alexnet_training.evaluation.answers import Answers
from alexnet_training.evaluation.scores import Scores
from alexnet_training.figures.bars import bars
from alexnet_training.figures.confusion import confusion, reliability
from alexnet_training.figures.curves import curves
from alexnet_training.figures.kernels import kernels
from alexnet_training.figures.neighbours import neighbours
from alexnet_training.figures.sheet import png, spread

FIGURES_FOLDER = "figures"
REPORT_FILE = "report.html"
_SHOWN, _QUERIES = 10, 5


@dataclass(frozen=True)
class Shown:
    """The photos of a report and what the network says of them.

    ``whence`` says in words which photos they are; ``labels``: int64 [n].
    """

    whence: str
    pixels: Pixels
    labels: npt.NDArray[np.int64]
    answers: Answers
    scores: Scores


@dataclass(frozen=True)
class _Drawing:
    name: str
    title: str
    about: str
    draw: Callable[[], Any]


def write_report(
    folder: Path,
    checkpoint: Checkpoint,
    metrics: Mapping[str, Any],
    shown: Shown,
    between: Callable[[], None] = lambda: None,
) -> Path:
    """Draw everything into ``folder`` and give the page's path.

    ``between`` is called between figures and may raise to stop.  Raises OSError (no space).
    """
    place = folder / FIGURES_FOLDER
    place.mkdir(exist_ok=True)
    drawn = []
    for drawing in _drawings(checkpoint, metrics, shown):
        between()
        content = png(drawing.draw())
        write_whole(place / f"{drawing.name}.png", content)
        drawn.append((drawing, content))
    page = folder / REPORT_FILE
    title = f"Report of {folder.name}"
    write(page, document(title, _body(checkpoint, metrics, shown, drawn)))
    return page


def _drawings(
    checkpoint: Checkpoint, metrics: Mapping[str, Any], shown: Shown
) -> Iterator[_Drawing]:
    seed, classes = int(metrics["recipe"].get("seed", 0)), checkpoint.classes
    some = spread(shown.labels, _SHOWN, seed)
    asked = spread(shown.labels, _QUERIES, seed)
    probabilities, features = shown.answers.probabilities, shown.answers.features
    first = checkpoint.dialect.convolutions[0].name
    weight = checkpoint.tensors[f"{first}.weight"]
    yield _Drawing(
        "curves",
        "Learning curves",
        "Loss on the training photos and accuracy on the validation photos after each epoch, both "
        "in the precision of the training; all other figures here are computed in fp32.",
        lambda: curves(metrics["history"]),
    )
    yield _Drawing(
        "kernels",
        f"The {len(weight)} kernels of {first}",
        f"{weight.shape[2]}x{weight.shape[3]} pixels each, tower by tower, as in the paper's "
        "figure 3. Each is scaled by its own largest weight; grey is zero.",
        lambda: kernels(weight, checkpoint.dialect.towers),
    )
    yield _Drawing(
        "bars",
        "Photos and the five likeliest classes",
        "Above a photo stands its class; green is right, red a first answer that is wrong. The "
        "photos were drawn by the seed, spread over the classes.",
        lambda: bars(shown.pixels[some], probabilities[some], shown.labels[some], classes),
    )
    yield _Drawing(
        "neighbours",
        "Photos and their nearest",
        "On the left a photo, then the six whose features are nearest to its own, with their "
        "Euclidean distance (section 6.1). Green is of the same class.",
        lambda: neighbours(shown.pixels, features, shown.labels, classes, asked),
    )
    yield _Drawing(
        "confusion",
        "What is taken for what",
        "Rows: the class of a photo; columns: the first answer; photos are counted.",
        lambda: confusion(probabilities, shown.labels, classes),
    )
    yield _Drawing(
        "calibration",
        "Sureness and being right",
        "The share of right answers by the probability of the first answer; on the line a network "
        "is as sure as it is right.",
        lambda: reliability(shown.scores.calibration),
    )


def _body(
    checkpoint: Checkpoint,
    metrics: Mapping[str, Any],
    shown: Shown,
    drawn: list[tuple[_Drawing, bytes]],
) -> Iterator[str]:
    summary = shown.scores.summary()
    history = metrics["history"]
    yield facts(
        [
            ("network", f"{checkpoint.dialect.name}, {len(checkpoint.classes):,} classes"),
            ("what it knows", checkpoint.about),
            ("sha256", metrics["digest"]),
            ("epochs", f"{len(history):,} of {metrics['recipe']['epochs']:,}"),
            ("training photos", f"{metrics['training_photos']:,}"),
            ("photos of this report", f"{len(shown.labels):,}: {shown.whence}"),
            ("top-1", percent(summary["top1"])),
            *(
                (f"mean average precision, {metric}", f"{value:.3f}")
                for metric, value in summary["mean_average_precision"].items()
            ),
        ]
    )
    for drawing, content in drawn:
        source = "data:image/png;base64," + base64.b64encode(content).decode()
        yield f"<h2>{text(drawing.title)}</h2>\n<p>{text(drawing.about)}</p>\n"
        yield f'<p class="drawing"><img src="{source}" alt="{text(drawing.about)}"></p>\n'
    yield from shown.scores.sections()
    yield "<h2>Recipe</h2>\n"
    yield table("Every key of the recipe", ("key", "value"), sorted(metrics["recipe"].items()))
