"""What `alexnet score` gets out of a server, over what the server can do.

    .venv/bin/python -m benchmarks.score
    .venv/bin/python -m benchmarks.score --repository model_repository --seconds 60
    .venv/bin/python -m benchmarks.score --shrink photos/      what --shrink costs, on these photos

What the server can do is the highest rate of an open loop (tests/load) that it sustains: requests
of one picture on a fixed schedule, of which at most one in a hundred is refused. Then the command
scores a folder of the same pictures, and then the open loop is asked again. All share the cores.
The command's time is that from its start to its end, the search for the best rate included.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.arguments import add_out, parser_of
from benchmarks.result import RESULTS, keep, measured_on
from tests.load.offered import Offering
from tests.load.pictures import write_photos
from tests.load.report import Report
from tests.running_server import RunningServer, clean_environment, command, running_server

GATE = 16
PHOTOS = 32
_LOOP_SECONDS = 10.0
_STEP = 1.05
_MAX_REFUSED = 0.01
_RESULTS = RESULTS / "score.json"


def main() -> None:
    """Measure, print the table and write it as JSON."""
    arguments = _arguments()
    result = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    result |= measured_on("httpx", "openvino", "waitress")
    with tempfile.TemporaryDirectory(prefix="alexnet-score-") as name:
        folder = Path(name)
        with running_server(arguments.repository, folder / "index.sqlite") as server:
            if arguments.shrink is not None:
                result["shrink"] = _shrink(server, arguments.shrink, folder)
            else:
                result["rate"] = _rate(server, folder, arguments.seconds)
    sys.stdout.write(_text(result))
    keep(result, arguments.out)


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--seconds", type=float, default=60.0, help="of scoring, about (60)")
    parser.add_argument("--shrink", type=Path, metavar="FOLDER", help="measure --shrink instead")
    add_out(parser, _RESULTS)
    return parser.parse_args()


def _rate(server: RunningServer, folder: Path, seconds: float) -> dict[str, Any]:
    samples = write_photos(folder, PHOTOS)
    offering = Offering(server, samples, watch=("/livez",))
    with tqdm(total=4, disable=None) as progress:
        closed = offering.by(GATE, _LOOP_SECONDS).accepted_per_s
        progress.update()
        before = _sustained(offering, closed)
        progress.update()
        count = round(max(before, closed) * seconds)
        pictures = folder / "pictures"
        pictures.mkdir()
        for number in range(count):
            os.link(samples[number % PHOTOS], pictures / f"{number:07}.jpg")
        spent_s, summary = _score(server, pictures, folder / "out.jsonl")
        progress.update()
        after = _sustained(offering, closed)
        progress.update()
    assert summary["labelled"] == count
    able = max(before, after)
    return {
        "pictures": count,
        "open_loop_sustained_per_s": [before, after],
        "closed_loop_per_s": closed,
        "score_per_s": round(count / spent_s, 1),
        "score_over_open_loop": round(count / spent_s / able, 3),
        "score_over_closed_loop": round(count / spent_s / closed, 3),
        "requests": summary["requests"],
    }


def _sustained(offering: Offering, guess: float) -> float:
    """The highest rate, in steps of a twentieth, that the server answers all but refused ones."""
    rate = guess
    while not _is_sustained(offering.at(rate, _LOOP_SECONDS)):
        rate /= _STEP
    if rate == guess:
        while _is_sustained(offering.at(rate * _STEP, _LOOP_SECONDS)):
            rate *= _STEP
    return round(rate, 1)


def _is_sustained(report: Report) -> bool:
    answers = {status: times.n for status, times in report.times.items()}
    return answers.get("200", 0) >= (1 - _MAX_REFUSED) * sum(answers.values())


def _score(
    server: RunningServer, pictures: Path, out: Path, *flags: str
) -> tuple[float, dict[str, Any]]:
    began_s = time.monotonic()
    done = subprocess.run(  # noqa: S603  our own command
        [
            *(command("alexnet"), "score", str(pictures), "--out", str(out), "--json"),
            *("--server", server.url, *flags),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=clean_environment(),
    )
    return time.monotonic() - began_s, json.loads(done.stdout)


def _shrink(server: RunningServer, photos: Path, folder: Path) -> dict[str, Any]:
    """How far labels and features of shrunk pictures are from those of the originals."""
    found = {}
    for name, flags in (("whole", ()), ("shrunk", ("--shrink",))):
        out, features = folder / f"{name}.jsonl", folder / f"{name}.npy"
        _score(server, photos, out, "--features", str(features), *flags)
        lines = [json.loads(line) for line in out.read_bytes().splitlines()]
        found[name] = lines, np.load(features, mmap_mode="r")
    (whole, rows), (shrunk, shrunk_rows) = found["whole"], found["shrunk"]
    same = [
        a["predictions"][0]["class_id"] == b["predictions"][0]["class_id"]
        for a, b in zip(whole, shrunk, strict=True)
    ]
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(shrunk_rows, axis=1)
    cosine = np.einsum("nf,nf->n", rows, shrunk_rows) / lengths
    whole_bytes, shrunk_bytes = _bytes([line["path"] for line in whole])
    shutil.rmtree(folder / "whole.jsonl.run")
    return {
        "photos": len(same),
        "same_top1": round(float(np.mean(same)), 4),
        "cosine_mean": round(float(cosine.mean()), 5),
        "cosine_p1": round(float(np.percentile(cosine, 1)), 5),
        "cosine_min": round(float(cosine.min()), 5),
        "bytes_whole": whole_bytes,
        "bytes_shrunk": shrunk_bytes,
    }


def _bytes(paths: list[str]) -> tuple[int, int]:
    from alexnet_client.scoring.shrink import load  # noqa: PLC0415  needs the extra

    whole = sum(Path(path).stat().st_size for path in paths)
    return whole, sum(len(load(path).content) for path in paths)


def _text(result: dict[str, Any]) -> str:
    about = result["machine"]
    lines = [f"{about['processor']}, {about['cores']} cores, Python {about['python']}"]
    for part in ("rate", "shrink"):
        lines += [f"{name:<28}{value}" for name, value in result.get(part, {}).items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
