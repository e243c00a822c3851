"""The command ``alexnet-train``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from alexnet_export.errors import ExportError
from alexnet_repository.errors import RepositoryError
from alexnet_repository.memory import keep_memory
from alexnet_repository.silence import keep_silent
from alexnet_training.commands import (
    codes,
    compare,
    compress,
    digits,
    evaluate,
    fit,
    parity,
    report,
)
from alexnet_training.commands.flags import EPILOG
from alexnet_training.errors import Interrupted, RecipeError, TrainingError

_COMMANDS = (fit, evaluate, compare, report, compress, parity, codes, digits)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    keep_memory()
    keep_silent()
    run: Callable[[argparse.Namespace], None] = options.run
    try:
        run(options)
    except RecipeError as error:
        print(f"alexnet-train: {error}", file=sys.stderr)
        return 2
    except Interrupted as stopped:
        print(f"alexnet-train: {stopped}", file=sys.stderr)
        return 130
    except KeyboardInterrupt:
        print("alexnet-train: interrupted", file=sys.stderr)
        return 130
    except (TrainingError, ExportError, RepositoryError, OSError) as error:
        print(f"alexnet-train: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alexnet-train",
        description="Train AlexNet on folders of photos.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
