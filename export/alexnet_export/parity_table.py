"""Every way to run one checkpoint against one reference, as a table in the manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as triton
from tqdm import tqdm
from tritonclient.utils import InferenceServerException

from alexnet_export.checkpoint import write_whole
from alexnet_export.errors import ParityError, TritonError
from alexnet_export.graph import FEATURES, IMAGES, PROBABILITIES
from alexnet_export.parity import Answers, Images, compare
from alexnet_export.repository import locked
from alexnet_repository.files import ENSEMBLE, MANIFEST, read_manifest

_BATCH = 32
_TIMEOUT_S = 60.0


def ask_triton(address: str, images: Images, version: str) -> Answers:
    """What the Triton at ``HOST:PORT`` (gRPC) answers on uint8 [n, 224, 224, 3].

    Raises TritonError where it cannot be reached, lacks that version, or takes over a minute for
    a batch.
    """
    client = triton.InferenceServerClient(address)
    features, probabilities = [], []
    try:
        for start in tqdm(range(0, len(images), _BATCH), desc="triton", unit="batch", disable=None):
            batch = images[start : start + _BATCH]
            given = triton.InferInput(IMAGES, list(batch.shape), "UINT8")
            given.set_data_from_numpy(batch)
            answer = client.infer(
                ENSEMBLE, [given], model_version=version, client_timeout=_TIMEOUT_S
            )
            features.append(answer.as_numpy(FEATURES))
            probabilities.append(answer.as_numpy(PROBABILITIES))
    except InferenceServerException as error:
        raise TritonError(f"Triton at {address} did not answer: {error}") from error
    finally:
        client.close()
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


def record(root: Path, digest: str, table: dict[str, Any]) -> None:
    """Put the table into the deployed manifest.

    Raises ParityError where the repository holds another model, and RepositoryError.
    """
    with locked(root):
        manifest = read_manifest(root)
        require_model(manifest, digest)
        manifest["parity_table"] = table
        content = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
        write_whole(root / MANIFEST, content.encode())


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
