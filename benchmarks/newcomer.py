"""With the README alone: every way it shows, walked in a fresh clone, each step timed.

    .venv/bin/python -m benchmarks.newcomer --photos photos

The commands are the README's own lines, found in it; ``--photos`` stands for the folder that a
reader scores.  Packages come from pip's cache where it has them.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyarrow import parquet

from benchmarks.arguments import add_out, parser_of
from benchmarks.result import RESULTS, heading, keep, measured_on
from tests.newcomer.make_serve import ROOT, Made, fresh_serve, serve_again
from tests.running_server import clean_environment

_BLOCKS = re.findall(
    r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
)
_LINES = [line for block in _BLOCKS for line in block.splitlines()]


def main() -> None:
    """Walk, print each step's seconds and keep them."""
    options = _arguments()
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="alexnet-newcomer-") as folder:
        clone = Path(folder) / "clone"
        _ask(clone, options.photos.resolve(), seconds)
        _train(clone, seconds)
        rows = parquet.read_metadata(clone / "results.parquet").num_rows
    result: dict[str, Any] = {
        **measured_on("pip", "openvino", "torch"),
        "n": 1,
        "scored_photos": rows,
        "seconds": seconds,
    }
    steps = [f"{name:<54}{spent_s:>7.1f} s" for name, spent_s in seconds.items()]
    sys.stdout.write("\n".join([heading(result, f"{rows} photos scored"), *steps, ""]))
    keep(result, options.out)


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photos to score")
    add_out(parser, RESULTS / "newcomer.json")
    return parser.parse_args()


def _ask(clone: Path, photos: Path, seconds: dict[str, float]) -> None:
    """What is served without training."""
    began = time.monotonic()
    with contextmanager(fresh_serve)(clone) as made:
        _, store, search, *_ = [line for line in _LINES if line.startswith("curl -F image")]
        classify = next(line for line in _LINES if line.startswith("curl"))
        _run(classify, clone, made)
        seconds["a served model: clone, `make serve`, one answer"] = time.monotonic() - began
        with _timed("a search: two pictures stored, one asked", seconds):
            _run(store, clone, made)
            _run(search, clone, made)
        (clone / "photos").symlink_to(photos)
        with _timed("a scored folder: the client in its own environment", seconds):
            _run("python3 -m venv client-only", clone, made)
            _run(f"client-only/bin/{_line('pip install')}", clone, made)
        with _timed("a scored folder: its photos", seconds):
            _run(f"client-only/bin/{_line('alexnet score')}", clone, made)


def _train(clone: Path, seconds: dict[str, float]) -> None:
    """A model of one's own, and the repository that a Triton on two GPUs serves."""
    with _timed("a trained model: `make setup`, PyTorch", seconds):
        _run("make setup", clone)
    with _timed("a trained model: the digits drawn", seconds):
        _run(_line(".venv/bin/alexnet-train digits"), clone)
    with _timed("a trained model: trained, deployed, serving", seconds):
        make, target, *words = shlex.split(_line("make serve DATA=data/digits"))
        with contextmanager(serve_again)(clone, *words) as made:
            assert (make, target) == ("make", "serve")
            assert "runs/digits" in made.messages
    with _timed("a Triton repository for two GPUs", seconds):
        _run(_line(".venv/bin/alexnet-export deploy runs/digits"), clone)


def _line(start: str) -> str:
    """The README's one line that begins so."""
    (found,) = [line for line in _LINES if line.startswith(start)]
    return found


def _run(line: str, clone: Path, made: Made | None = None) -> None:
    """Run a line in the clone, against its server where it names one."""
    if made is not None:
        line = re.sub(r"(http://)?localhost:8080", made.url, line)
    words = ["--fail", "--silent", "--show-error"] if line.startswith("curl") else []
    done = subprocess.run(  # noqa: S603 - the README's own
        [*shlex.split(line), *words],
        cwd=clone,
        env=clean_environment() | {"MAKEFLAGS": ""},
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{line}: exit code {done.returncode}")


@contextmanager
def _timed(step: str, seconds: dict[str, float]) -> Iterator[None]:
    began = time.monotonic()
    yield
    seconds[step] = time.monotonic() - began


if __name__ == "__main__":
    main()
