"""What a manifest must have, and what it says of its making."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import onnx
import pytest

from alexnet_export import verify
from alexnet_export.checkpoint import load_checkpoint
from alexnet_export.dialects import DIALECTS
from alexnet_repository.errors import RepositoryError
from tests.random_checkpoint import CLASSES, NARROW


@pytest.mark.parametrize("key", sorted(verify.MANIFEST_KEYS - {"model", "classes", "files"}))
def test_an_incomplete_manifest_is_named(key: str, root: Path) -> None:
    path = root / "alexnet" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest[key]
    path.write_text(json.dumps(manifest))
    with pytest.raises(RepositoryError, match=rf"manifest\.json has no {key}"):
        verify.verify(root)


def test_the_manifest_says_where_all_comes_from(deployed: Path) -> None:
    manifest = json.loads((deployed / "alexnet" / "manifest.json").read_text())
    assert set(manifest) >= verify.MANIFEST_KEYS
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DIALECTS, NARROW.name, NARROW)
        _, digest = load_checkpoint(deployed.parent / "run")
    assert manifest["model"] == {"name": "alexnet", "version": "1", "digest": digest}
    assert manifest["classes"] == list(CLASSES)
    assert manifest["metrics"] == {"top1": 0.25, "top5": 0.75, "n": 12}
    exporters = {"alexnet-export", "numpy", "onnx", "onnxruntime", "python"}
    assert set(manifest["versions"]) == exporters
    assert manifest["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert manifest["versions"]["onnx"] == onnx.__version__
