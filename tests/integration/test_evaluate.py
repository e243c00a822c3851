"""`alexnet evaluate` against the real server: figures as the parts of it give them one by one."""

import json

import numpy as np
import pytest

from alexnet_client import Client, cli, walk
from alexnet_training.evaluation.answers import accuracy


def test_figures_are_those_of_the_pictures_one_by_one(serving, photos, tmp_path, capsys):
    found = [picture for picture in walk(photos) if picture.path.name != "broken.jpg"]
    paths = [picture.path for picture in found]
    labels = np.array([serving.classes.index(picture.label) for picture in found])
    with Client(serving.url) as client:
        before = client.count()
        said = client.classify(paths, top_k=len(serving.classes))
        rows = client.features(paths).astype(np.float64)
        out = tmp_path / "report.html"
        command = ["evaluate", str(photos), "--json", "--k", "2", "--out", str(out)]
        assert cli.main([*command, "--server", serving.url]) == 1  # broken.jpg has no answer
        assert client.count() == before  # nothing of it is stored
    document = json.loads(capsys.readouterr().out)
    probabilities = np.zeros((len(paths), len(serving.classes)), dtype=np.float32)
    for row, result in zip(probabilities, said, strict=True):
        for one in result.predictions:
            row[one.class_id] = one.probability
    expected = accuracy(probabilities, labels)
    figures = document["evaluation"]
    assert figures["top1"]["share"] == pytest.approx(expected.top1)
    assert figures["top5"]["share"] == pytest.approx(expected.top5)
    assert figures["top1"]["n"] == expected.n == len(paths)
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :2]
    precision = (labels[nearest] == labels[:, None]).mean()
    assert document["retrieval"]["l2"]["precision_at"]["2"] == pytest.approx(precision)
    assert document["failed"] == 1
    assert out.read_text().count("<h2>") >= 5
