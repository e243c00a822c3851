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


def features(client: Client, photos: list[FolderPicture]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of length 1, float32 [n, 4096], and labels [n]; photos that cannot be read are told."""
    rows, labels = [], []
    answers = client.features_each([one.path for one in photos])
    for photo, answer in zip(photos, answers, strict=True):
        if answer.vector is None:
            print(f"left out: {answer.error}")
            continue
        rows.append(answer.vector / np.linalg.norm(answer.vector))
        labels.append(photo.label)
    return np.array(rows), np.array(labels)


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
    """Learn from one folder, say what is in another, and how often that is right."""
    parser = argparse.ArgumentParser(description="A classifier without training.")
    parser.add_argument("learn", type=Path, help="a folder for each class")
    parser.add_argument("ask", type=Path, help="photos to name; in class folders: to measure")
    parser.add_argument("--k", type=int, default=5, help="how many vote (5)")
    parser.add_argument("--per-class", type=int, metavar="N", help="learn from so many of each")
    parser.add_argument("--server", help="its address (http://127.0.0.1:8080)")
    options = parser.parse_args()
    with Client(options.server) as client:
        known, labels = features(client, labelled(options.learn, options.per_class))
        print(f"learned from {len(known)} photos of {len(set(labels))} classes")
        asked, truth = features(client, list(walk(options.ask)))
    said = vote(known, labels, asked, options.k)
    if any(label in set(labels) for label in truth):
        right = said == truth
        for name in sorted(set(labels)):
            own = truth == name
            print(f"{name:<16} {right[own].sum():>4} of {own.sum():>4}")
        print(f"right: {right.mean():.1%} of {len(right)}")
    else:
        for label in said:
            print(label)


if __name__ == "__main__":
    main()
