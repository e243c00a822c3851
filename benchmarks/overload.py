"""Four times what it can do is offered to a server, in an open loop on the same machine.

    .venv/bin/python -m benchmarks.overload
    .venv/bin/python -m benchmarks.overload --repository model_repository --seconds 30

First beside a backend (tests/fakes) of a fixed 200 pictures a second, with small pictures: what the
gate is worth.  Then the embedded engine, with pictures like clothing photos: its capacity is what
as many callers get as the gate lets in.  Each is offered half its capacity, then four times, then
half again.  The generator (tests/load) shares the cores; its CPU time is stated.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.arguments import add_out, parser_of
from benchmarks.result import RESULTS, keep, measured_on
from tests.fakes.running_triton import RunningFake
from tests.load.offered import Offering
from tests.load.pictures import write_photos, write_small
from tests.load.report import Report, Times
from tests.narrow_repository import deploy_narrow
from tests.running_server import running_server

FIXED = 200  # pictures a second, one after the other
# A place in line is 5 ms beside the fixed backend: 8 of them, and the last waits 40 ms.
FIXED_GATE = 8
# Six requests a core: of 16, each waits behind two whole passes, 5.8 to 8.2 times as long as at
# half load over six runs; of 12, 6.2 times, and as many are answered.
GATE = 12
_HALF_SECONDS = 10.0
_NOBODY = Times(0, 0.0, 0.0, 0.0)
_RESULTS = RESULTS / "overload.json"


def main() -> None:
    """Measure, print the table and write it as JSON."""
    arguments = _arguments()
    with (
        tempfile.TemporaryDirectory(prefix="alexnet-overload-") as folder,
        tqdm(total=7, disable=None) as progress,
    ):
        with _fixed(Path(folder)) as beside:
            fixed = _measure(beside, FIXED, arguments.seconds, progress)
        with _real(arguments.repository, Path(folder)) as embedded:
            embedded.by(GATE, _HALF_SECONDS / 2)  # warm
            capacity = embedded.by(GATE, _HALF_SECONDS).accepted_per_s
            progress.update()
            real = _measure(embedded, capacity, arguments.seconds, progress)
    result = {
        **measured_on("openvino", "waitress", "flask"),
        "gates": {"fixed_backend": FIXED_GATE, "real_engine": GATE},
        "fixed_backend": fixed,
        "real_engine": real,
    }
    sys.stdout.write(_text(result))
    keep(result, arguments.out)


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--seconds", type=float, default=30.0, help="of overload (30)")
    add_out(parser, _RESULTS)
    return parser.parse_args()


@contextmanager
def _fixed(folder: Path) -> Iterator[Offering]:
    fake = RunningFake(deploy_narrow(folder))
    fake.start()
    flags = ("--engine", f"triton://127.0.0.1:{fake.port}", "--max-requests", str(FIXED_GATE))
    try:
        with running_server(folder / "repository", folder / "fixed.sqlite", *flags) as server:
            fake.switch(pictures_per_s=FIXED)
            yield Offering(server, write_small(folder, 8))
    finally:
        fake.kill()


@contextmanager
def _real(repository: Path, folder: Path) -> Iterator[Offering]:
    flags = ("--max-requests", str(GATE))
    with running_server(repository, folder / "real.sqlite", *flags) as server:
        yield Offering(server, write_photos(folder, 8))


def _measure(
    offering: Offering, capacity: float, seconds: float, progress: tqdm[Any]
) -> dict[str, Any]:
    """Half the capacity, four times the capacity, and half again."""
    half = offering.at(capacity / 2, _HALF_SECONDS)
    progress.update()
    over = offering.at(4 * capacity, seconds)
    progress.update()
    after = offering.at(capacity / 2, _HALF_SECONDS)
    progress.update()
    refused = over.times.get("503 overloaded", _NOBODY)
    return {
        "capacity_per_s": capacity,
        "accepted_over_capacity": round(over.accepted_per_s / capacity, 3),
        "p99_over_half_load": round(_answered(over).p99_ms / _answered(half).p99_ms, 2),
        "refused_p99_ms": refused.p99_ms,
        "watched_p99_ms": max(times.p99_ms for times in over.watched.values()),
        "other_statuses": sorted(set(over.times) - {"200", "503 overloaded"}),
        "rss_growth_mb": round(over.rss_mb[1] - half.rss_mb[1], 1),
        "back_to_normal_s": after.last_refusal_s,
        "generator_cores": round(over.generator_cpu_s / over.seconds, 2),
        "server_cores": round(over.server_cpu_s / over.seconds, 2),
        "half": _plain(half),
        "over": _plain(over),
        "after": _plain(after),
    }


def _answered(report: Report) -> Times:
    return report.times.get("200", _NOBODY)


def _plain(report: Report) -> dict[str, Any]:
    """The report, with the paths that were looked at in place of addresses with random ports."""
    found = asdict(report)
    found["watched"] = {
        "/" + url.split("/", 3)[3]: times for url, times in found["watched"].items()
    }
    return found


def _text(result: dict[str, Any]) -> str:
    machine = result["machine"]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}",
        "",
        f"{'':<34}{'fixed backend':>14}{'real engine':>14}",
    ]
    for name, key in (
        ("capacity, pictures/s", "capacity_per_s"),
        ("answered at 4x, of capacity", "accepted_over_capacity"),
        ("p99 answered, over half load", "p99_over_half_load"),
        ("p99 refused, ms", "refused_p99_ms"),
        ("p99 /livez /readyz /metrics, ms", "watched_p99_ms"),
        ("memory grew by, MB", "rss_growth_mb"),
        ("back to normal after, s", "back_to_normal_s"),
        ("cores used by the server", "server_cores"),
        ("cores used by the generator", "generator_cores"),
        ("other statuses", "other_statuses"),
    ):
        fixed, real = result["fixed_backend"][key], result["real_engine"][key]
        lines.append(f"{name:<34}{fixed!s:>14}{real!s:>14}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
