"""A classifier of your own classes without training: the nearest labelled photos vote.

    .venv/bin/python examples/knn_classifier.py photos/train photos/validation --per-class 10

The features come from the server; what is learned is kept in two arrays.  A handful of photos a
class is enough to begin with.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from alexnet_client import Client, FolderPicture, walk


def labelled(folder: Path, per_class: int | None = None) -> list[FolderPicture]:
    """The photos that lie in a class folder, at most so many of each class."""
    seen: defaultdict[str, int] = defaultdict(int)
    found = []
    for one in walk(folder):
        if one.label is None or (per_class is not None and seen[one.label] >= per_class):
            continue
        seen[one.label] += 1
        found.append(one)
    return found


def features(client: Client, photos: list[FolderPicture]) -> tuple[np.ndarray, list[FolderPicture]]:
    """Rows of length 1, float32 [n, 4096], and whose they are; what cannot be read is told."""
    rows, usable = [], []
    answers = client.features_each([one.path for one in photos])
    for photo, answer in zip(photos, answers, strict=True):
        if answer.vector is None:
            print(f"left out: {answer.error}")
            continue
        rows.append(answer.vector / max(np.linalg.norm(answer.vector), 1e-12))
        usable.append(photo)
    if not rows:
        raise SystemExit("no photo that can be read: a folder for each class is expected")
    return np.array(rows), usable


def vote(known: np.ndarray, labels: np.ndarray, asked: np.ndarray, k: int) -> np.ndarray:
    """For each row of ``asked`` the label that most of its ``k`` nearest have, the nearer more."""
    likeness = asked @ known.T  # [asked, known]: cosines
    classes, numbers = np.unique(labels, return_inverse=True)
    nearest = np.argsort(-likeness, axis=1)[:, :k]
    votes = np.zeros((len(asked), len(classes)))
    for rank in range(nearest.shape[1]):
        column = nearest[:, rank]
        votes[np.arange(len(asked)), numbers[column]] += likeness[np.arange(len(asked)), column]
    return classes[votes.argmax(axis=1)]


def main() -> None:
    """Learn from one folder; say what is in another, and how often its folders agree."""
    parser = argparse.ArgumentParser(description="A classifier without training.")
    parser.add_argument("learn", type=Path, help="a folder for each class")
    parser.add_argument("ask", type=Path, help="photos to name; in class folders: to measure")
    parser.add_argument("--k", type=int, default=5, help="how many vote (5)")
    parser.add_argument("--per-class", type=int, metavar="N", help="learn from so many of each")
    parser.add_argument("--server", help="its address (http://127.0.0.1:8080)")
    options = parser.parse_args()
    with Client(options.server) as client:
        known, learned = features(client, labelled(options.learn, options.per_class))
        labels = np.array([one.label for one in learned])
        print(f"learned from {len(known)} photos of {len(set(labels))} classes")
        asked, photos = features(client, list(walk(options.ask)))
    said = vote(known, labels, asked, options.k)
    right = [one.label == label for one, label in zip(photos, said, strict=True)]
    measured = [own for own, one in zip(right, photos, strict=True) if one.label in set(labels)]
    for photo, label in zip(photos, said, strict=True):
        if photo.label != label:
            print(f"{label:<16} {photo.path}")
    if measured:
        print(f"right: {np.mean(measured):.1%} of {len(measured)}; above are the others")


if __name__ == "__main__":
    main()
