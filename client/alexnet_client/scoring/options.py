"""The options of ``alexnet score``."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from alexnet_client.commands import options as take
from alexnet_client.commands.declaration import Option, option
from alexnet_client.scoring import table
from alexnet_client.scoring.inputs import STDIN

MAX_WAIT_S = 86_400.0
_TRITON = re.compile(r"grpc://[^/@?#\s]+:\d{1,5}")


def conflict(options: argparse.Namespace) -> str | None:
    """Say which options cannot be meant."""
    if options.triton is not None and not _TRITON.fullmatch(options.triton):
        return "--triton takes grpc://HOST:PORT"
    if options.source != STDIN and not Path(options.source).exists():
        return f"{options.source!a} is neither a folder nor a file"
    return _out_conflict(options)


def _out_conflict(options: argparse.Namespace) -> str | None:
    if not options.out.absolute().parent.is_dir():
        return f"--out {str(options.out)!a} is not in a folder that is there"
    if options.engine == "ray":
        is_wrong = options.features is not None or options.shrink or options.out.suffix
        said = "with --engine ray, --out is a folder, and --features and --shrink do not go"
        return said if is_wrong else None
    if options.out.suffix not in table.SUFFIXES:
        return f"--out must end in one of {', '.join(table.SUFFIXES)}"
    if options.features is not None and options.features.suffix != ".npy":
        return "--features must end in .npy"
    return None


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= MAX_WAIT_S:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to {MAX_WAIT_S:g} seconds")
    return seconds


OPTIONS: tuple[Option, ...] = (
    option(
        "source",
        metavar="FOLDER|LIST|-",
        completes="file",
        help="a folder; or a file with a path a line, or with a NUL after each; -: such a list on "
        "standard input",
    ),
    option(
        "--out",
        type=Path,
        required=True,
        completes="file",
        metavar="FILE",
        help="write here: results.jsonl, .csv, or .parquet (the extra [parquet]); with --engine "
        "ray, a folder",
    ),
    option(
        "--features",
        type=take.writable,
        completes="file",
        metavar="FILE.npy",
        help="write the features here too, float32 [pictures, 4096], a row for each line",
    ),
    option("--top-k", type=take.positive, default=5, help="labels a picture (default: 5)"),
    take.VIEWS,
    option(
        "--shrink",
        action="store_true",
        help="make pictures smaller before they are sent (the extra [shrink]); the answers differ "
        "a little",
    ),
    option(
        "--allow-model-change",
        action="store_true",
        help="go on where another model answers than the one of the first line, and note it in "
        "the lines it made",
    ),
    option(
        "--wait",
        type=_seconds,
        default=120.0,
        metavar="SECONDS",
        help="how long a server that goes away is waited for (default: 120)",
    ),
    option(
        "--triton",
        metavar="grpc://HOST:PORT",
        help="ask a Triton in place of a server (the extra [triton])",
    ),
    option(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="local: this machine sends (default); ray: all machines of a Ray cluster (the extra "
        "[ray])",
    ),
)
