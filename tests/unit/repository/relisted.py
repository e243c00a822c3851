"""Files and manifests changed as someone with write access could."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def relist(root: Path, name: str) -> None:
    """Let the manifest agree with a changed file."""
    path = root / "alexnet" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = hashlib.sha256((root / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest))
