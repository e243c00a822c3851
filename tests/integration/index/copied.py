"""``python -m tests.integration.index.copied SOURCE TARGET BATCH MILLISECONDS``: a copy that dies.

It is killed that long after its batch of that number has begun to be written.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from alexnet_server.index.contents import bindings
from alexnet_server.index.copying import copy
from alexnet_server.index.opening import open_index
from alexnet_server.index.records import Record


def place(url: str) -> str | Path:
    return url if url.startswith("milvus://") else Path(url)


def main(source_url: str, target_url: str, batch: int, delay_ms: float) -> None:
    (binding,) = bindings(place(source_url))
    source = open_index(place(source_url), binding)
    target = open_index(place(target_url), binding)
    restore, count = target.restore, 0

    def restore_and_die(records: Sequence[Record]) -> int:
        nonlocal count
        count += 1
        if count == batch:
            kill = (os.getpid(), signal.SIGKILL)
            threading.Timer(delay_ms / 1000, os.kill, kill).start()
        return restore(records)

    target.restore = restore_and_die
    copy(source, target, lambda _: None)
    threading.Event().wait()  # the kill comes


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
