import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss, precision_recall_fscore_support

from alexnet_training.evaluation.answers import Answers
from alexnet_training.evaluation.averaging import averaged
from alexnet_training.evaluation.calibration import calibration
from alexnet_training.evaluation.scores import scores

CLASSES = ("hat", "shoe", "skirt")
N = 60


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(0).integers(0, 3, N)


@pytest.fixture(scope="module")
def answers(labels):
    chance = np.random.default_rng(1)
    logits = chance.normal(size=(N, 3)) + 1.2 * np.eye(3)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    features = chance.normal(size=(N, 16)) + 0.8 * np.eye(16)[labels]
    return Answers(probabilities.astype(np.float32), features.astype(np.float32))


@pytest.fixture(scope="module")
def scored(answers, labels):
    return scores(answers, labels, [f"{row}.jpg" for row in range(N)], CLASSES)


def test_every_class_has_the_precision_and_recall_that_scikit_learn_finds(scored, answers, labels):
    first = answers.probabilities.argmax(1)
    precision, recall, _, _ = precision_recall_fscore_support(labels, first)
    found = scored.evaluation.classes
    assert [one.precision for one in found] == pytest.approx(precision.tolist())
    assert [one.recall for one in found] == pytest.approx(recall.tolist())
    for row, column in ((0, 1), (2, 2)):
        count = int(((labels == row) & (first == column)).sum())
        assert scored.evaluation.confusion.get((CLASSES[row], CLASSES[column]), 0) == count


def test_mean_average_precision_is_the_mean_of_scikit_learns(scored, answers, labels):
    features = answers.features.astype(np.float64)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    l2 = -np.linalg.norm(features[:, None] - features[None], axis=2)
    for metric, likeness in (("l2", l2), ("cosine", unit @ unit.T)):
        each = []
        for query in range(N):
            others = np.arange(N) != query
            same = labels[others] == labels[query]
            each.append(average_precision_score(same, likeness[query][others]))
        found = scored.retrieval.found[metric].mean_average_precision
        assert found == pytest.approx(np.mean(each), abs=1e-5)
        assert scored.summary()["mean_average_precision"][metric] == found


def test_calibration_is_that_of_its_definition(scored, answers, labels):
    sure, right = answers.probabilities.max(1), answers.probabilities.argmax(1) == labels
    error = 0.0
    for low in np.arange(10) / 10:
        inside = (sure > low) & (sure <= low + 0.1)
        if inside.any():
            error += inside.mean() * abs(sure[inside].mean() - right[inside].mean())
    found = scored.calibration
    assert found.expected_error == pytest.approx(error, abs=1e-6)
    expected = log_loss(labels, answers.probabilities)
    assert found.negative_log_likelihood == pytest.approx(expected, rel=1e-5)
    assert sum(one.n for one in found.bins) == N


def test_calibration_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [1.0, 0.0]], dtype=np.float32)
    found = calibration(probabilities, np.array([0, 1, 1, 0]))
    assert [(one.low, one.high, one.n) for one in found.bins] == [
        (0.5, 0.6, 1),
        (0.8, 0.9, 2),
        (0.9, 1.0, 1),
    ]
    assert [one.right for one in found.bins] == [1.0, 0.5, 1.0]
    assert found.expected_error == pytest.approx((0.4 + 2 * 0.4 + 0.0) / 4)


def test_a_class_that_is_never_the_answer_costs_much_but_not_infinity():
    found = calibration(np.array([[1.0, 0.0]], dtype=np.float32), np.array([1]))
    assert 80 < found.negative_log_likelihood < 100


def test_the_line_and_the_whole_are_json(scored):
    line = json.loads(json.dumps(scored.summary()))
    assert set(line["mean_average_precision"]) == {"l2", "cosine"}
    low, high = line["top1_interval"]
    assert 0 < low < line["top1"] < high < 1
    whole = json.loads(json.dumps(scored.as_json()))
    assert whole["top1"]["n"] == N
    assert whole["retrieval"]["l2"]["precision_at"].keys() == {"1", "5", "10"}
    assert whole["calibration"]["bins"][0]["n"] > 0


def test_averaged_are_the_probabilities_and_the_first_ones_features(answers):
    other = Answers(answers.probabilities[:, ::-1], answers.features + 1)
    found = averaged([answers, other])
    mean = (answers.probabilities + other.probabilities) / 2
    np.testing.assert_allclose(found.probabilities, mean, rtol=1e-6)
    assert found.features is answers.features
