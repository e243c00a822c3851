"""A Triton for one test: it is killed at the end, which nothing here looks at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local_triton.running import RunningTriton, running_triton


@contextmanager
def short_lived_triton(
    root: Path, log: Path, model_control: str = "none"
) -> Iterator[RunningTriton]:
    """Start Triton on ``root`` for as long as the context lasts.

    An orderly stop takes 3 s.  It takes 30 s where Triton 2.51 refused requests to an ensemble of
    parallel steps: it counts them as under way for ever, and waits for them to end.
    """
    with running_triton(root, log, model_control) as triton:
        try:
            yield triton
        finally:
            triton.process.kill()
