"""Every way to run one checkpoint against one reference, as a table in the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from alexnet_export.control import Control
from alexnet_export.errors import ParityError
from alexnet_export.parity import Answers, Images, compare
from alexnet_export.repository import locked, rewrite_manifest
from alexnet_repository.files import PARITY_TABLE, read_manifest

_BATCH = 32
# What tells whether the deploy that was measured is still there.
_DEPLOYED = ("model", "layout", "precision", "devices")
_TIMEOUT_S = 60.0


def ask_triton(address: str, images: Images, version: str) -> Answers:
    """What the Triton at ``HOST:PORT`` (gRPC) answers on uint8 [n, side, side, 3].

    Raises TritonError where it cannot be reached, lacks that version, or takes over a minute for
    a batch.
    """
    starts = tqdm(range(0, len(images), _BATCH), desc="triton", unit="batch", disable=None)
    with Control(address, _TIMEOUT_S) as triton:
        answers = [triton.answers(images[start : start + _BATCH], version) for start in starts]
    features, probabilities = zip(*answers, strict=True)
    return Answers(np.concatenate(features), np.concatenate(probabilities))


def parity_table(reference: str, ways: Mapping[str, Answers]) -> dict[str, Any]:
    """Each way's largest differences from ``ways[reference]``, as JSON values."""
    known = ways[reference]
    rows = {
        name: {
            key: value
            for key, value in compare(found, known).as_json().items()
            if key != "pictures"
        }
        for name, found in ways.items()
        if name != reference
    }
    return {"pictures": len(known.features), "reference": reference, "ways": rows}


def require_model(manifest: Mapping[str, Any], digest: str) -> None:
    """Raise ParityError unless the manifest is of the checkpoint with that sha256."""
    found = manifest["model"]["digest"]
    if found != digest:
        raise ParityError(
            f"the repository holds the model {found[:12]} and the checkpoint is {digest[:12]}: "
            "deploy it first; nothing was noted"
        )


def record(repository: Path, table: dict[str, Any], measured: Mapping[str, Any]) -> None:
    """Put the table into the deployed manifest, which servers take for the same deploy.

    ``measured`` is the manifest that was there when the table was measured.  Raises ParityError
    where another deploy came meanwhile, RepositoryError, and DeployError where it cannot be
    written.
    """
    root = repository.resolve()  # a link stays a link, and the lock is that of a deploy
    with locked(root, may_be_new=False):
        manifest = read_manifest(root)
        _require_same(manifest, measured)
        rewrite_manifest(root, manifest | {PARITY_TABLE: table})


def _require_same(found: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
    if any(found.get(key) != measured.get(key) for key in _DEPLOYED):
        now = f"{found['model']['version']} ({found.get('layout')}, {found.get('precision')})"
        raise ParityError(
            f"version {measured['model']['version']} was measured, but meanwhile version {now} was "
            "deployed: measure again; nothing was noted"
        )


def markdown(table: dict[str, Any]) -> str:
    """The table for a document."""
    lines = [
        f"| against {table['reference']}, {table['pictures']} pictures "
        "| features, of the largest | probabilities | same top-5 |",
        "|---|---|---|---|",
        *(
            f"| {name} | {row['features_difference']:.1e} | "
            f"{row['probabilities_difference']:.1e} | {row['top5_agreement']:.1%} |"
            for name, row in table["ways"].items()
        ),
    ]
    return "\n".join(lines)
