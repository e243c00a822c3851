"""Start NVIDIA's Triton on a model repository, on this machine's CPUs, without Docker.

The server is NVIDIA's own binary, out of the wheel that ``wheel.txt`` names.  Its ``onnxruntime``
backend is ours (``onnxruntime/model.py`` says what differs from NVIDIA's container).
"""

from __future__ import annotations

import argparse
import ctypes.util
import os
import secrets
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
WHEEL = Path(sys.prefix, "triton")
SERVER = WHEEL / "pytriton" / "tritonserver"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LOOPBACK = "127.0.0.1"
NOT_TO_BE_HAD = 3
SHARED_BYTES = 40 * 1024 * 1024  # of each instance, taken from memory at once
_EPILOG = """examples:
  python deploy/local_triton/start.py --repository model_repository
  python deploy/local_triton/start.py --model-control explicit     then: alexnet-export reload

exit codes: Triton's own (0 stopped, 1 a model does not load), 2 usage, 3 Triton cannot be had here
"""


class TritonMissingError(Exception):
    """The wheel cannot be fetched, or this Python cannot run its backend; the message says why."""


def main() -> None:
    """Fetch the wheel if it is not there yet, then become Triton."""
    options = _options()
    try:
        fetch()
        place_backends()
    except TritonMissingError as error:
        print(f"local Triton: {error}", file=sys.stderr)  # noqa: T201 (a command)
        sys.exit(NOT_TO_BE_HAD)
    if not options.fetch_only:
        arguments = command(options)
        os.execve(arguments[0], arguments, environment(options.threads))  # noqa: S606


def fetch() -> None:
    """Install the wheel into ``.venv/triton``, whole or not at all.

    Raises TritonMissingError where pip cannot get it.
    """
    if SERVER.is_dir():
        return
    print("local Triton: fetching NVIDIA's tritonserver (55 MB)", file=sys.stderr)  # noqa: T201
    with tempfile.TemporaryDirectory(prefix="triton.", dir=WHEEL.parent) as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        what = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement"]
        got = subprocess.run(  # noqa: S603
            [*pip, *what, HERE / "wheel.txt", "--target", Path(folder, "triton")],
            capture_output=True,
            text=True,
            check=False,
        )
        if got.returncode != 0:
            raise TritonMissingError(
                f"the wheel in {HERE / 'wheel.txt'} cannot be installed: it needs the network, "
                f"Linux on x86-64 and glibc 2.35 or later. pip said: {got.stderr.strip()[-500:]}"
            )
        if not SERVER.is_dir():  # another start may have been first
            Path(folder, "triton").rename(WHEEL)


def place_backends() -> None:
    """Complete the wheel's backend folder: the Python stub of this Python, and our backend.

    Copies, because Triton refuses links.  Raises TritonMissingError where the stub cannot run.
    """
    stub = SERVER / "python_backend_stubs" / PYTHON / "triton_python_backend_stub"
    if not stub.is_file():
        raise TritonMissingError(f"the wheel has no Python backend for Python {PYTHON}")
    shared = Path(sysconfig.get_config_var("LIBDIR"), f"libpython{PYTHON}.so.1.0")
    if not (shared.exists() or ctypes.util.find_library(f"python{PYTHON}")):
        raise TritonMissingError(
            f"this Python has no shared library ({shared}), which Triton's Python backend needs: "
            f"install libpython{PYTHON}, or make .venv with a Python built with --enable-shared"
        )
    _copy(stub, SERVER / "backends" / "python" / stub.name)
    _copy(HERE / "onnxruntime" / "model.py", SERVER / "backends" / "onnxruntime" / "model.py")


def command(options: argparse.Namespace) -> list[str]:
    """Triton's command line: loopback only, ready when every model is, nothing guessed."""
    # Nobody is told this key, so nobody can use what it locks.
    locked = f"shared-memory,trace,logging:local={secrets.token_hex()}"
    explicit = options.model_control == "explicit"
    return [
        str(SERVER / "bin" / "tritonserver"),
        f"--model-repository={options.repository.resolve()}",
        f"--backend-directory={SERVER / 'backends'}",
        # A region of shared memory that has to grow while it is in use now and then ends Triton
        # (a lock_exception of Boost); one of this size holds what a step reads and gives of a batch
        # of 64: at most 34 MB, views of 227 and what a tower of Caffe's network has behind conv2.
        f"--backend-config=python,shm-default-byte-size={SHARED_BYTES}",
        "--backend-config=python,stub-timeout-seconds=120",
        "--disable-auto-complete-config",
        "--strict-readiness=true",
        "--exit-on-error=true",
        f"--model-control-mode={options.model_control}",
        *(["--load-model=*"] if explicit else []),
        *(f"--{kind}-address={LOOPBACK}" for kind in ("http", "grpc", "metrics")),
        f"--http-port={options.http_port}",
        f"--grpc-port={options.grpc_port}",
        f"--metrics-port={options.metrics_port}",
        f"--grpc-restricted-protocol={locked}",
        f"--http-restricted-api={locked}",
        "--allow-gpu-metrics=false",
    ]


def environment(threads: int) -> dict[str, str]:
    """What Triton and its backend's processes see: this .venv's Python and the wheel's libraries.

    ``threads`` are those of ONNX Runtime in each instance.
    """
    libraries = (WHEEL / "nvidia_pytriton.libs", sysconfig.get_config_var("LIBDIR"))
    return os.environ | {
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        # The Python inside the stub takes its packages from the first python3 on the path.
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "ONNXRUNTIME_THREADS": str(threads),
        "ORT_DISABLE_TELEMETRY": "1",  # its makers would hear of it (alexnet_repository.silence)
    }


def _copy(source: Path, target: Path) -> None:
    """Copy in one step, so that a Triton that starts at the same time sees a whole file."""
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="triton.", dir=WHEEL.parent) as folder:
        shutil.copy2(source, Path(folder, "copy"))
        Path(folder, "copy").replace(target)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Start NVIDIA's Triton on a model repository, on CPUs, without Docker.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--repository", type=Path, default="model_repository", metavar="FOLDER")
    for kind, port in (("http", 8000), ("grpc", 8001), ("metrics", 8002)):
        parser.add_argument(f"--{kind}-port", type=int, default=port, metavar="PORT")
    parser.add_argument(
        "--model-control",
        choices=("none", "explicit"),
        default="none",
        help="explicit: models are loaded and unloaded on request (alexnet-export reload)",
    )
    # The two towers run side by side.
    parser.add_argument(
        "--threads",
        type=int,
        default=max(1, (os.cpu_count() or 1) // 2),
        metavar="N",
        help="threads of ONNX Runtime in each model (default: half the cores)",
    )
    parser.add_argument("--fetch-only", action="store_true", help="only fetch Triton, then end")
    return parser.parse_args()


if __name__ == "__main__":
    main()
