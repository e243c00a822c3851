"""Which programs made a repository."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")


def exporter_versions() -> dict[str, str]:
    """Versions, for the manifest; of the two runtimes the one that is installed."""
    found = {name: version(name) for name in ("alexnet-export", "numpy", "onnx")}
    for name in _RUNTIMES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {"python": platform.python_version()}
