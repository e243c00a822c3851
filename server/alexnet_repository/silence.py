"""What we run reports to nobody."""

from __future__ import annotations

import os


def keep_silent() -> None:
    """Have ONNX Runtime tell its makers nothing; call before it is imported.

    From 1.29 on its import opens a database of events under ``~/.cache`` and sends them, unless
    this is set.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
