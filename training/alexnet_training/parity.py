"""One checkpoint run in every way there is, from PyTorch to Triton, and how far they differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from alexnet_export.checkpoint import Checkpoint, load_checkpoint
from alexnet_export.graph import single_graph, tower_graphs
from alexnet_export.parity import Answers, Images, run
from alexnet_export.parity_table import ask_triton, parity_table, record, require_model
from alexnet_export.pictures import proof_views
from alexnet_repository.repository import open_repository
from alexnet_training.network import grouped, two_towers
from alexnet_training.photos.augmentation import network_input

REFERENCE = "PyTorch, grouped"
_BATCH = 8


def measure(
    place: Path,
    repository: Path,
    pictures: Path | None = None,
    triton: str | None = None,
    between: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Compare every way on up to 200 pictures and note the table in the manifest; returns it.

    All in float32 on the CPU; ``triton`` is the HOST:PORT of a Triton that serves ``repository``.
    ``between`` is called between batches, may raise to stop.  Raises ExportError, RepositoryError.
    """
    checkpoint, digest = load_checkpoint(place)
    deployed = open_repository(repository)
    require_model(deployed.manifest, digest)
    images = proof_views(place, pictures, checkpoint.dialect.image_side)
    ways = {
        REFERENCE: _in_torch(_grouped(checkpoint), checkpoint, images, REFERENCE, between),
        "PyTorch, two towers": _in_torch(
            _towers(checkpoint), checkpoint, images, "PyTorch, two towers", between
        ),
        "single graph, in process": run([single_graph(checkpoint)], images, "single"),
        "towers, in process": run(tower_graphs(checkpoint), images, "towers"),
    }
    if triton is not None:
        layout, precision = deployed.manifest["layout"], deployed.manifest["precision"]
        way = f"{layout} in Triton, {precision}"
        ways[way] = ask_triton(triton, images, deployed.version)
    table = parity_table(REFERENCE, ways)
    record(repository, table, deployed.manifest)
    return table


def _grouped(checkpoint: Checkpoint) -> grouped.Grouped:
    model = grouped.Grouped(checkpoint.dialect, len(checkpoint.classes))
    grouped.load_tensors(model, _tensors(checkpoint))
    return model


def _towers(checkpoint: Checkpoint) -> two_towers.TwoTowers:
    model = two_towers.TwoTowers(checkpoint.dialect, len(checkpoint.classes))
    two_towers.load_tensors(model, _tensors(checkpoint))
    return model


def _tensors(checkpoint: Checkpoint) -> two_towers.Tensors:
    return {name: torch.from_numpy(value) for name, value in checkpoint.tensors.items()}


@torch.inference_mode()
def _in_torch(
    model: torch.nn.Module,
    checkpoint: Checkpoint,
    images: Images,
    purpose: str,
    between: Callable[[], None],
) -> Answers:
    model.eval()
    mean = torch.from_numpy(checkpoint.mean.copy())
    features, probabilities = [], []
    for start in tqdm(range(0, len(images), _BATCH), desc=purpose, unit="batch", disable=None):
        between()
        answer = model(network_input(images[start : start + _BATCH], mean, checkpoint.scale))
        features.append(answer.features.numpy())  # [n, 4096]
        probabilities.append(answer.logits.softmax(dim=1).numpy())  # [n, classes]
    return Answers(np.concatenate(features), np.concatenate(probabilities))
