"""``alexnet-export``: checkpoints into a served model repository."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from alexnet_export.commands import deploy, import_network, reload, rollback, show, verify
from alexnet_export.errors import ExportError
from alexnet_repository.errors import RepositoryError
from alexnet_repository.memory import keep_memory
from alexnet_repository.silence import keep_silent

if TYPE_CHECKING:
    from alexnet_export.importing.download import RemoteFile

_OF_A_REPOSITORY = (deploy, show, verify, rollback, reload)
_EPILOG = """examples:
  alexnet-export deploy runs/flowers --repository model_repository
  alexnet-export deploy runs/flowers --devices cuda:0,cuda:1     two GPUs, a tower each
  alexnet-export import caffe --download             ImageNet's thousand classes
  alexnet-export show --repository model_repository
  alexnet-export verify                              would a server start on it?
  alexnet-export rollback                            back to the version before
  alexnet-export reload --triton localhost:8001      a running Triton to what is deployed now

exit codes: 0 done, 1 refused or failed (the message says why), 2 usage, 130 Ctrl-C;
import also 3: the network is closed
"""


def main(
    arguments: list[str] | None = None, published: Mapping[str, RemoteFile] | None = None
) -> int:
    """Run the command line; returns the exit code.

    ``published`` is the table of the files that ``import`` knows (importing/published.py where
    none is given): tests name their own.
    """
    options = _parser(published).parse_args(arguments)
    keep_memory()
    keep_silent()
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read has read enough (show | head); the interpreter's last flush must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ExportError, RepositoryError, OSError) as error:
        print(f"alexnet-export: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("alexnet-export: interrupted", file=sys.stderr)
        return 130


def _parser(published: Mapping[str, RemoteFile] | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alexnet-export",
        description="Turn checkpoints into ONNX and a Triton model repository.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _OF_A_REPOSITORY:
        command.add(commands)
    for command_parser in commands.choices.values():
        command_parser.add_argument(
            "--repository", type=Path, default=Path("model_repository"), metavar="FOLDER"
        )
    import_network.add(commands, published)
    return parser
