import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_fscore_support,
)

from alexnet_client.evaluation.accuracy import Answer, Evaluation, Share
from alexnet_client.evaluation.retrieval import retrieval
from alexnet_client.results import Prediction


def answer(label, *said, sure=0.5, name="a.jpg"):
    return Answer(name, label, tuple(Prediction(one, 0, sure) for one in said))


# R. Newcombe, Statistics in Medicine 17 (1998), table I, method 3
@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_wilsons(right, n, low, high):
    assert Share(right, n).interval == pytest.approx((low, high), abs=6e-5)


def test_figures_agree_with_scikit_learn():
    random = np.random.default_rng(7)
    names = np.array(["boot", "café", "dress", "hat"])
    truth, said = random.choice(names[:3], 200), random.choice(names, 200)
    evaluation = Evaluation.of([answer(one, other) for one, other in zip(truth, said, strict=True)])
    matrix = [[evaluation.confusion.get((a, b), 0) for b in names] for a in names]
    assert matrix == confusion_matrix(truth, said, labels=names).tolist()
    assert evaluation.top1.share == pytest.approx((truth == said).mean())
    precision, recall, _, counts = precision_recall_fscore_support(
        truth, said, labels=names, zero_division=0
    )
    classes = evaluation.classes
    assert [one.label for one in classes] == names.tolist()
    assert [one.precision for one in classes] == pytest.approx(precision.tolist())
    assert [one.recall or 0 for one in classes] == pytest.approx(recall.tolist())
    assert [one.count for one in classes] == counts.tolist()
    assert classes[3].recall is None  # no picture is of it
    assert sum(count for *_, count in evaluation.mistakes) == len(evaluation.wrong)


def test_top5_and_the_surest_mistake_first():
    evaluation = Evaluation.of(
        [
            answer("a", "b", "c", "d", "e", "a", sure=0.3, name="fifth"),
            answer("a", "b", "c", "d", "e", "f", sure=0.9, name="never"),
            answer("a", "a", "b", "c", "d", "e"),
        ]
    )
    assert (evaluation.top1.right, evaluation.top5.right, evaluation.top5.n) == (1, 2, 3)
    assert [one.filename for one in evaluation.wrong] == ["never", "fifth"]


def exact(features, labels, ks):
    """The figures by their definitions, one query at a time, in float64."""
    rows = features.astype(np.float64)
    found = {}
    for metric in ("l2", "cosine"):
        precision, average = {k: [] for k in ks}, []
        for query, row in enumerate(rows):
            others = np.delete(np.arange(len(rows)), query)
            if metric == "l2":
                distances = np.linalg.norm(rows[others] - row, axis=1)
            else:
                lengths = np.linalg.norm(rows[others], axis=1) * np.linalg.norm(row)
                distances = 1 - rows[others] @ row / lengths
            same = labels[others] == labels[query]
            if not same.any():
                continue
            ranked = same[np.argsort(distances)]
            for k in ks:
                precision[k].append(ranked[:k].mean())
            average.append(average_precision_score(same, -distances))
        found[metric] = ({k: np.mean(shares) for k, shares in precision.items()}, np.mean(average))
    return found


@pytest.mark.parametrize("block_bytes", [1, 10_000, 2**26])
def test_retrieval_agrees_with_its_definitions(block_bytes):
    random = np.random.default_rng(3)
    numbers = np.append(random.integers(0, 4, 60), 9)  # the last is alone in its class
    features = random.random((61, 32), dtype=np.float32) * random.integers(1, 5, (61, 1))
    features = (features + numbers[:, None] % 4 * 0.5).astype(np.float32)
    labels = np.array([f"class {number}" for number in numbers])
    done = []
    found = retrieval(
        features, labels.tolist(), (1, 5, 10), block_bytes=block_bytes, advance=done.append
    )
    assert (found.pictures, found.queries, found.alone, sum(done)) == (61, 60, 1, 60)
    assert len(done) == 60 if block_bytes == 1 else len(done) < 60
    for metric, (precision, average) in exact(features, labels, (1, 5, 10)).items():
        assert found.found[metric].precision_at == pytest.approx(precision)
        assert found.found[metric].mean_average_precision == pytest.approx(average)


def test_retrieval_of_the_same_pictures_in_two_classes_is_chance():
    features = np.ones((40, 8), dtype=np.float32) + np.eye(40, 8, dtype=np.float32)
    assert retrieval(features, [str(n) for n in range(40)], (1,)) is None
    found = retrieval(features[:4], ["a", "b", "a", "b"], (1, 9), max_queries=2)
    assert (found.queries, found.chance) == (2, pytest.approx(1 / 3))
    assert found.found["l2"].precision_at[9] is None  # there are but three others


def test_rows_of_zeros_are_ranked_too():
    features = np.zeros((4, 8), dtype=np.float32)
    features[:2, 0] = 1
    found = retrieval(features, ["a", "a", "b", "b"], (1,))
    assert found.found["l2"].precision_at[1] == 1.0
    assert np.isfinite(found.found["cosine"].mean_average_precision)
