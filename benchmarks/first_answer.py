"""From nothing to the first answer: `git clone`, `make serve`, and a sample picture's label.

    .venv/bin/python -m benchmarks.first_answer

Each round clones this checkout's last commit into an empty folder and follows the README there,
with an environment of its own, set up from pip's cache: one round before the first fills that. It
fails where the median is above a minute, the deploy above ten seconds, or the environment above
600 MB.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.arguments import add_out, parser_of
from benchmarks.result import RESULTS, heading, keep, measured_on
from tests.newcomer.make_serve import Made, fresh_serve

_LIMITS_S = {"first answer": 60.0, "deploy": 10.0}
_MAX_BYTES = 600_000_000
_SAMPLES = "server/alexnet_server/page/samples"


def main() -> int:
    """Measure, print and keep it; 1 where a limit is passed."""
    options = _arguments()
    rounds = [_round() for _ in range(options.rounds + 1)][1:]
    steps = {step: [each["seconds"][step] for each in rounds] for step in rounds[0]["seconds"]}
    result: dict[str, Any] = {
        **measured_on("pip", "openvino"),
        "n": len(rounds),
        "seconds": {
            step: {"median": statistics.median(all_s), "all": all_s}
            for step, all_s in steps.items()
        },
        "bytes_of_environment": rounds[-1]["bytes_of_environment"],
    }
    lines = [heading(result)]
    for step, found in result["seconds"].items():
        spread = f"{min(found['all']):.1f} to {max(found['all']):.1f}"
        lines.append(f"{step:<16}{found['median']:>6.1f} s  ({spread})")
    lines.append(f"environment     {result['bytes_of_environment'] / 1e6:>6.0f} MB\n")
    sys.stdout.write("\n".join(lines))
    keep(result, options.out)
    is_late = any(result["seconds"][step]["median"] > most for step, most in _LIMITS_S.items())
    return 1 if is_late or result["bytes_of_environment"] > _MAX_BYTES else 0


def _arguments() -> argparse.Namespace:
    codes = "exit codes: 0 within the limits, 1 above one, 2 wrong arguments"
    parser = parser_of(__doc__, codes)
    parser.add_argument("--rounds", type=int, default=3, help="that count (3)")
    add_out(parser, RESULTS / "first_answer.json")
    return parser.parse_args()


def _round() -> dict[str, Any]:
    """One clone and its answer: when each step ended, and what lies on the disk."""
    with tempfile.TemporaryDirectory(prefix="alexnet-newcomer-") as folder, _fresh(folder) as made:
        began = time.monotonic()
        answer_s = made.heard[-1][0]
        picture = next((made.folder / _SAMPLES).glob("*.jpg"))
        given = httpx.post(f"{made.url}/classify", files={"image": picture.read_bytes()})
        given.raise_for_status()
        marks = [0.0, *map(made.second_of, ("Setting up .venv", "No model is", "deployed: "))]
        marks += [made.second_of("serving "), answer_s + time.monotonic() - began]
        names = ("clone", "set-up", "deploy", "start", "answer")
        steps = {
            name: end - start for name, start, end in zip(names, marks, marks[1:], strict=False)
        }
        return {
            "seconds": {**steps, "first answer": marks[-1]},
            "bytes_of_environment": bytes_below(made.folder / ".venv"),
        }


@contextmanager
def _fresh(folder: str) -> Iterator[Made]:
    yield from fresh_serve(Path(folder) / "clone")


def bytes_below(folder: Path) -> int:
    """Of all files of a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
