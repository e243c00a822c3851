"""A real Triton on this machine, measured with NVIDIA's own perf_analyzer and real pictures.

``python -m benchmarks.triton --pictures FOLDER [--repository model_repository]``

Starts the local Triton (deploy/local_triton) on the repository, asks it for one picture a request
at rising concurrency, and writes benchmarks/results/triton.json: throughput, latency percentiles,
and from Triton's own statistics how long requests waited and were computed in each part.  The peer
of the same run is the same graphs on ONNX Runtime in this process, one picture at a time.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from deploy.local_triton.running import running_triton
from tqdm import tqdm
from tritonclient.grpc import service_pb2, service_pb2_grpc

from alexnet_pixels.decode import decode
from alexnet_pixels.views import views
from alexnet_repository.repository import Repository, open_repository
from alexnet_server.engine.local import LocalNetwork
from benchmarks.result import RESULTS, keep, machine

HERE = Path(__file__).resolve().parent
RESULT = RESULTS / "triton.json"
ANALYZER = Path(sys.prefix, "perf_analyzer")
CONCURRENCY = (1, 2, 4, 8)
WINDOWS = 3
PICTURES = 64
PEER_PICTURES = 100


def main() -> None:
    """Measure, write the result, print a line a measurement."""
    options = _options()
    repository = open_repository(options.repository)
    pictures = _pictures(options.pictures, repository.view_side)
    binary = install_analyzer()
    with tempfile.TemporaryDirectory(prefix="perf_analyzer.") as folder:
        data = Path(folder, "pictures.json")
        data.write_text(json.dumps({"data": [_as_request(picture) for picture in pictures]}))
        with running_triton(options.repository, Path(folder, "log")) as triton:
            measure = _measurement(binary, triton.grpc, data, options.window_s)
            runs = [measure(level) for level in tqdm(CONCURRENCY, disable=None)]
            versions = {"triton": _triton_version(triton.grpc), "perf_analyzer": "2.41.0"}
    peer = _peer(repository, pictures)
    best = max(run["pictures_per_s"] for run in runs)
    result = {
        "machine": {"cpu": machine()["processor"], "cores": os.cpu_count()},
        "versions": versions | {"onnxruntime": version("onnxruntime")},
        "model": repository.manifest["model"] | {"layout": repository.manifest["layout"]},
        "pictures": len(pictures),
        "triton": runs,
        "in_process_one_at_a_time": peer,
        "best_throughput_against_in_process": round(best / peer["pictures_per_s"], 3),
    }
    keep(result, RESULT)
    for run in (*runs, peer):
        sys.stdout.write(_line(run))
    sys.stdout.write(f"written to {RESULT}\n")


def install_analyzer() -> Path:
    """Fetch perf_analyzer into ``.venv/perf_analyzer`` if it is not there; returns the binary."""
    binary = ANALYZER / "bin" / "perf_analyzer"
    if not binary.is_file():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        what = ["--only-binary=:all:", "--requirement", HERE / "perf_analyzer.txt"]
        subprocess.run([*pip, *what, "--target", ANALYZER], check=True)  # noqa: S603
    # The two libraries it needs and the wheel lacks came with Triton's, under longer names.
    libraries = ANALYZER / "lib"
    libraries.mkdir(exist_ok=True)
    for name, pattern in (("libb64.so.0d", "libb64-*"), ("libcudart.so.12", "libcudart-*.so.12*")):
        (found,) = Path(sys.prefix, "triton", "nvidia_pytriton.libs").glob(pattern)
        (libraries / name).unlink(missing_ok=True)
        (libraries / name).symlink_to(found)
    return binary


def _measurement(
    binary: Path, address: str, data: Path, window_s: float
) -> Callable[[int], dict[str, Any]]:
    """What measures one concurrency: perf_analyzer's requests in three windows of equal length."""
    command = [
        *(str(binary), "-m", "alexnet", "-i", "grpc", "-u", address, "--input-data", str(data)),
        *("--measurement-interval", str(round(window_s * 1000)), "--max-trials", str(WINDOWS)),
        # Three windows, however far apart: the figures below show the spread.
        *("--stability-percentage", "999"),
    ]
    environment = os.environ | {"LD_LIBRARY_PATH": str(ANALYZER / "lib")}

    def measure(level: int) -> dict[str, Any]:
        before = _statistics(address)
        export = data.with_name(f"export{level}.json")  # it overwrites none
        ended = subprocess.run(  # noqa: S603
            [*command, "--concurrency-range", str(level), "--profile-export-file", export],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if ended.returncode != 0:
            said = (ended.stdout + ended.stderr)[-500:]
            sys.exit(f"perf_analyzer ended with {ended.returncode}: {said}")
        parts = _parts(before, _statistics(address))
        (experiment,) = json.loads(export.read_text())["experiments"]
        times = np.array(
            [(r["timestamp"], r["response_timestamps"][-1]) for r in experiment["requests"]]
        )
        first, *_, last = experiment["window_boundaries"]
        done = times[(times[:, 1] >= first) & (times[:, 1] <= last)]
        figures = _figures(f"Triton, {level} at once", (done[:, 1] - done[:, 0]) / 1e6)
        figures["pictures_per_s"] = round(len(done) / (last - first) * 1e9, 1)
        return {"concurrency": level, **figures, "parts": parts}

    return measure


def _figures(name: str, latencies_ms: np.ndarray) -> dict[str, Any]:
    percentiles = {
        f"p{p}_ms": round(float(np.percentile(latencies_ms, p)), 2) for p in (90, 95, 99)
    }
    median = round(float(np.median(latencies_ms)), 2)
    return {"name": name, "n": len(latencies_ms), "median_ms": median, **percentiles}


def _statistics(address: str) -> dict[str, Any]:
    with grpc.insecure_channel(address) as channel:
        triton = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        found = triton.ModelStatistics(service_pb2.ModelStatisticsRequest(), timeout=10)
    return {each.name: each for each in found.model_stats if each.inference_count}


def _parts(before: dict[str, Any], after: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Of each part: pictures a pass, and milliseconds a request waited and was computed."""
    parts = {}
    for name, stats in after.items():
        former = before.get(name, service_pb2.ModelStatistics())
        passes = stats.execution_count - former.execution_count
        if name != "alexnet" and passes:
            parts[name] = {
                "pictures_a_pass": round(
                    (stats.inference_count - former.inference_count) / passes, 2
                ),
                "queue_ms": _mean_ms(stats, former, "queue"),
                "compute_input_ms": _mean_ms(stats, former, "compute_input"),
                "compute_ms": _mean_ms(stats, former, "compute_infer"),
                "compute_output_ms": _mean_ms(stats, former, "compute_output"),
            }
    return parts


def _mean_ms(stats: Any, former: Any, kind: str) -> float:  # noqa: ANN401 (a generated type)
    """Mean time of a request in ``kind`` since ``former``."""
    now, then = (getattr(each.inference_stats, kind) for each in (stats, former))
    return round((now.ns - then.ns) / max(1, now.count - then.count) / 1e6, 2)


def _peer(repository: Repository, pictures: np.ndarray) -> dict[str, Any]:
    """The same repository in the embedded engine, one picture after the other."""
    engine = LocalNetwork(repository)
    latencies = []
    for number in range(PEER_PICTURES + 10):
        row = number % len(pictures)
        begun = time.perf_counter()
        engine.run(pictures[row : row + 1])
        latencies.append((time.perf_counter() - begun) * 1000)
    warm = np.array(latencies[10:])
    figures = _figures("in process, one at a time", warm)
    return figures | {"pictures_per_s": round(1000 / float(warm.mean()), 1)}


def _pictures(folder: Path, side: int) -> np.ndarray:
    """The centres of the first photos in ``folder``, uint8 [n, side, side, 3]."""
    kinds = {".jpg", ".jpeg", ".png", ".webp"}
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in kinds)[:PICTURES]
    if not paths:
        sys.exit(f"{folder} holds no photos")
    return np.concatenate([views(decode(path.read_bytes()), 1, side) for path in paths])


def _as_request(picture: np.ndarray) -> dict[str, Any]:
    return {"images": {"b64": base64.b64encode(picture.tobytes()).decode()}}


def _triton_version(address: str) -> str:
    with grpc.insecure_channel(address) as channel:
        triton = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        return str(triton.ServerMetadata(service_pb2.ServerMetadataRequest(), timeout=10).version)


def _line(run: dict[str, Any]) -> str:
    return (
        f"{run['name']:28} n {run['n']:5}   median {run['median_ms']:7.1f} ms   "
        f"p99 {run['p99_ms']:7.1f} ms   {run['pictures_per_s']:6.1f} pictures/s\n"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--pictures", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--window-s", type=float, default=5.0, help="of three windows each")
    return parser.parse_args()


if __name__ == "__main__":
    main()
