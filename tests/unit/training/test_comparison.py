"""Two networks photo by photo: figures against NumPy, and the whole command."""

import json
from dataclasses import replace

import numpy as np
import pytest

from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_training.cli import main
from alexnet_training.evaluation.answers import Answers
from alexnet_training.evaluation.comparison import compare
from tests.random_checkpoint import NARROW, write_random_checkpoint
from tests.unit.training.conftest import trained_run

CLASSES = ("hat", "shoe", "skirt")
N = 50


@pytest.fixture(scope="module")
def pair():
    chance = np.random.default_rng(3)
    first = chance.dirichlet(np.ones(3), N).astype(np.float32)
    second = (0.7 * first + 0.3 * chance.dirichlet(np.ones(3), N)).astype(np.float32)
    features = chance.normal(size=(2, N, 16)).astype(np.float32)
    return Answers(first, features[0]), Answers(second, features[1])


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(4).integers(0, 3, N)


def test_figures_are_those_of_numpy(pair, labels):
    found = compare(pair, labels, [f"{row}.jpg" for row in range(N)], CLASSES)
    said = [answers.probabilities.argmax(1) for answers in pair]
    others = np.flatnonzero(said[0] != said[1])
    assert 5 < len(others) < N / 2
    assert found.right == tuple(int((one == labels).sum()) for one in said)
    assert found.agreement == pytest.approx((said[0] == said[1]).mean())
    unit = [one.features / np.linalg.norm(one.features, axis=1, keepdims=True) for one in pair]
    assert found.features_cosine == pytest.approx((unit[0] * unit[1]).sum(1).mean(), abs=1e-6)
    assert [first.filename for first, _ in found.disagreements] == [f"{row}.jpg" for row in others]
    for row, (first, second) in zip(others, found.disagreements, strict=True):
        assert first.label == second.label == CLASSES[labels[row]]
        assert (first.first, second.first) == tuple(CLASSES[one[row]] for one in said)


def test_what_is_right_is_bold(pair, labels):
    found = compare(pair, labels, [f"{row}.jpg" for row in range(N)], CLASSES)
    lines = list(found.markdown())
    assert lines[0].startswith(f"{N} photos, {N - len(found.disagreements)} with the same")
    rows = lines[-len(found.disagreements) :]
    for line, (first, second) in zip(rows, found.disagreements, strict=True):
        assert line.startswith(f"| {first.filename} | {first.label} | ")
        assert [f"**{one.first}**" in line for one in (first, second)] == [
            first.is_right,
            second.is_right,
        ]


def test_the_same_answers_make_no_table(pair, labels):
    found = compare((pair[0], pair[0]), labels, [""] * N, CLASSES)
    assert found.agreement == 1
    assert not any(line.startswith("|") for line in found.markdown())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return trained_run(tmp_path_factory.mktemp("trained"), "--epochs=1", "--no-report")


def test_the_command_compares_a_run_with_another_network(narrow, trained, tmp_path, capsys):
    run, photos = trained / "run", trained / "photos"
    known, _ = load_checkpoint(run)
    turned = {**known.tensors}
    for part in ("fc8.weight", "fc8.bias"):
        turned[part] = known.tensors[part][::-1]  # what was one class is the other
    other = tmp_path / "other"
    other.mkdir()
    save_checkpoint(replace(known, tensors=turned), other)
    capsys.readouterr()
    told = tmp_path / "told.json"
    assert main(["compare", str(run), str(other), str(photos), f"--json={told}"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("8 photos, 0 with the same likeliest class (0.0%).")
    written = json.loads(told.read_text())
    assert sum(written["right"]) == 8
    assert len(written["disagreements"]) == 8
    assert printed.count("\n| ") - 1 == 8
    one = written["disagreements"][0]
    assert one["filename"].startswith(f"validation/{one['label']}/")
    assert {one["first"]["label"], one["second"]["label"]} == {"brick", "sky"}


def test_networks_of_other_classes_are_not_compared(narrow, trained, tmp_path, capsys):
    run = trained / "run"
    other = tmp_path / "other"
    other.mkdir()
    write_random_checkpoint(NARROW, other)
    assert main(["compare", str(run), str(other), str(trained / "photos")]) == 1
    assert "the same classes in the same order" in capsys.readouterr().err
