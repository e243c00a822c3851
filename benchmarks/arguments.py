"""A benchmark's command line."""

from __future__ import annotations

import argparse
from pathlib import Path

MEASURED = "exit codes: 0 measured, 2 wrong arguments"


def parser_of(text: str | None, epilog: str = MEASURED) -> argparse.ArgumentParser:
    """A parser whose ``--help`` shows ``text``, the benchmark's docstring."""
    return argparse.ArgumentParser(
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=epilog,
    )


def add_out(parser: argparse.ArgumentParser, default: Path | None) -> None:
    """The flag that says where the result is kept."""
    parser.add_argument("--out", type=Path, default=default, help="the JSON file")
