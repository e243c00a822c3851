"""A process that holds one engine alone and measures one step of it.

    python -m benchmarks.searching.alone JOB.json

JOB.json is a ``Job``; the answer is written beside it, as JOB.answer.json: what was measured, or
``failed`` and why.  ``benchmarks.search`` runs it, with the Python where the engine is installed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.searching import load
from benchmarks.searching.engine import Engine, load_engine
from benchmarks.searching.features import NEAREST, Features, Refused

BATCH = 256
_CLIENTS = (1, 8, 32)
_BESIDE = 8
_PAUSES_S = (0.0, 0.5)  # of those who search beside inserts


@dataclass(frozen=True)
class Job:
    """A step (build, open or search) of one engine on the features in ``features``."""

    engine: str
    step: str
    features: str
    pictures: int
    folder: str
    seconds: float
    rounds: int
    beside: bool

    def write(self, path: Path) -> None:
        """For the process that does it."""
        path.write_text(json.dumps(asdict(self)))


def main() -> None:
    """Do the job and write the answer."""
    path = Path(sys.argv[1])
    job = Job(**json.loads(path.read_text()))
    try:
        answer = _STEPS[job.step](job)
    except ImportError as error:
        answer = {"failed": f"not installed in {sys.prefix}: {error}"}
    except Refused as error:
        answer = {"failed": str(error)}
    except Exception as error:  # noqa: BLE001 (the process's boundary: the table names it)
        answer = {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    path.with_suffix(".answer.json").write_text(json.dumps(answer))


def _engine(job: Job) -> tuple[Engine, Features]:
    features = Features(Path(job.features), job.pictures)
    return load_engine(job.engine, Path(job.folder), features), features


def _build(job: Job) -> dict[str, Any]:
    """Insert everything, BATCH at a time from one thread."""
    engine, features = _engine(job)
    _require_memory(engine)
    created_s = _timed(engine.create)
    added_s = 0.0
    for start in tqdm(range(0, job.pictures, BATCH), f"{job.engine} insert", disable=None):
        batch = features.read(start, BATCH)
        keys = np.arange(start, start + len(batch))
        began = time.perf_counter()
        engine.add(keys, batch)
        added_s += time.perf_counter() - began
    finished_s = _timed(engine.finish)
    engine.close()
    return {
        "durable": engine.durable,
        "settings": engine.settings,
        "versions": {name: version(name) for name in engine.distributions},
        "batch": BATCH,
        "inserts_per_s": round(job.pictures / added_s),
        "create_s": round(created_s, 1),
        "finish_s": round(finished_s, 1),
        "build_memory_mb": memory_mb()["peak"],
    }


def _open(job: Job) -> dict[str, Any]:
    """Seconds until the first answer, without the interpreter's start and the imports."""
    engine, features = _engine(job)
    return {"reopen_s": _opened_s(engine, features)}


def _search(job: Job) -> dict[str, Any]:
    engine, features = _engine(job)
    empty = memory_mb()
    found: dict[str, Any] = {"reopen_warm_s": _opened_s(engine, features)}
    queries = features.queries()
    steps = tqdm(total=4 + len(_CLIENTS), desc=f"{job.engine} search", disable=None)

    def measured(name: str, what: Any) -> None:  # noqa: ANN401 (whatever JSON takes)
        found[name] = what
        steps.update()

    measured("recall_at_10", load.recall(engine, queries, features.nearest()))
    measured("alone", load.latency(engine, queries, job.rounds))
    counted = []
    for clients in _CLIENTS:
        rates = load.throughput(engine, queries, clients, job.seconds)
        counted.append(rates | {"memory_mb": memory_mb()["anonymous"]})
        measured("at_once", counted)
    found["memory_mb"] = memory_mb() | {"before_opening": empty["anonymous"]}
    measured("cold", load.cold_latency(engine, queries, Path(job.folder)))
    if job.beside:
        beside = []
        for number, pause_s in enumerate(_PAUSES_S):
            first_key = (2 + number) * features.pictures
            seconds = 2 * job.seconds
            beside.append(
                load.inserting_beside(
                    engine, features, _BESIDE, seconds, first_key=first_key, pause_s=pause_s
                )
            )
        measured("inserts_beside", beside)
        found["memory_mb"]["beside"] = memory_mb()["anonymous"]
    steps.close()
    engine.close()
    return found


_STEPS: dict[str, Callable[[Job], dict[str, Any]]] = {
    "build": _build,
    "open": _open,
    "search": _search,
}


def memory_mb() -> dict[str, int]:
    """This process's memory: its own, with mapped files, and the most that was with them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kb = {
        name: int(text.split()[0])
        for name, _, text in (line.partition(":") for line in lines)
        if name.startswith(("Rss", "VmRSS", "VmHWM"))
    }
    return {
        "anonymous": round((kb["RssAnon"] + kb["RssShmem"]) * 1024 / 1e6),
        "resident": round(kb["VmRSS"] * 1024 / 1e6),
        "peak": round(kb["VmHWM"] * 1024 / 1e6),
    }


def _require_memory(engine: Engine) -> None:
    lines = Path("/proc/meminfo").read_text().splitlines()
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    # A vector that grows is there twice while it moves; the page cache wants some too.
    if (need := engine.memory_bytes()) > 0.8 * free:
        raise Refused(f"needs {need / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free")


def _opened_s(engine: Engine, features: Features) -> float:
    query = features.queries()[0]
    began = time.perf_counter()
    engine.open()
    engine.search(query, NEAREST)
    return round(time.perf_counter() - began, 2)


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
