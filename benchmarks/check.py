r"""Whether we still stand to others as recorded: a short run of both comparisons.

    .venv/bin/python -m benchmarks.check --pictures photos/validation \
        --peers-python /tmp/peers/bin/python

Ratios to peers of the same run are compared with those in benchmarks/results, not speeds, which
are the machine's.  A ratio more than 15 % below the recorded one fails.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.arguments import parser_of
from benchmarks.result import RESULTS

WORSE = 0.15
_EXITS = "exit codes: 0 as recorded, 1 a ratio is worse or nothing was compared, 2 wrong arguments"


def main() -> None:
    """Run both, print every ratio with what is recorded, and fail where one is worse."""
    arguments = _arguments()
    shared = ["--pictures", str(arguments.pictures), "--checkpoint", str(arguments.checkpoint)]
    if arguments.calibration:
        shared += ["--calibration", str(arguments.calibration)]
    if arguments.repositories:
        shared += ["--repositories", str(arguments.repositories)]
    serve = ["--rounds", "3", "--seconds", "3", "--clients", "32"]
    if arguments.peers_python:
        serve += ["--peers-python", str(arguments.peers_python)]
    jobs = {"engine": ["--rounds", "5", "--batches", "1", "32"], "serve": serve}
    is_well = True
    for name, flags in jobs.items():
        recorded = _ratios(arguments.results / f"{name}.json")
        lines, is_as_recorded = compared(recorded, _found(name, [*shared, *flags]))
        sys.stdout.write("".join(f"{name}: {line}\n" for line in lines))
        is_well = is_well and is_as_recorded
    sys.exit(0 if is_well else 1)


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__, _EXITS)
    parser.add_argument("--pictures", type=Path, required=True, help="folder of labelled photos")
    parser.add_argument("--calibration", type=Path, help="photos to calibrate int8 on")
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/clothing"))
    parser.add_argument("--peers-python", type=Path, help="see benchmarks.serve")
    parser.add_argument("--repositories", type=Path, help="folder that keeps what is deployed")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of what is recorded")
    return parser.parse_args()


def compared(recorded: Mapping[str, float], found: Mapping[str, float]) -> tuple[list[str], bool]:
    """A line a recorded ratio, and whether all of them are found and none is worse.

    A ratio is worse below 1 - WORSE of what is recorded; higher is better for all of them.
    """
    if not recorded:
        return ["nothing is recorded: run the benchmark first"], False
    lines, is_well = [], True
    for name, before in recorded.items():
        now = found.get(name)
        if now is None:
            lines.append(f"MISSING  {name}: recorded {before:.3f}, not measured now")
            is_well = False
        elif now < (1 - WORSE) * before:
            lines.append(f"WORSE    {name}: recorded {before:.3f}, found {now:.3f}")
            is_well = False
        else:
            lines.append(f"ok       {name}: recorded {before:.3f}, found {now:.3f}")
    return lines, is_well


def _ratios(path: Path) -> dict[str, float]:
    if not path.is_file():
        return {}
    return dict(json.loads(path.read_text()).get("ratios", {}))


def _found(name: str, flags: list[str]) -> dict[str, float]:
    """The ratios of a run of ``benchmarks.<name>`` in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="alexnet-check-") as folder:
        out = Path(folder, "found.json")
        command = [sys.executable, "-m", f"benchmarks.{name}", *flags, "--out", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        return _ratios(out)


if __name__ == "__main__":
    main()
