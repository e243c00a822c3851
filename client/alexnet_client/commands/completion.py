"""The command ``completion``: a script that completes ``alexnet`` for a shell.

The script comes from the parser itself, so it knows what the help knows; shtab (the extra
``[completion]``) writes it.
"""

from __future__ import annotations

import argparse

from alexnet_client.client import Client
from alexnet_client.errors import ClientError
from alexnet_client.report import Report

SHELLS = ("bash", "zsh", "fish")


def completion(client: Client, options: argparse.Namespace, report: Report) -> None:
    """Write the script.

    Raises:
        ClientError: shtab is not installed.
    """
    del client
    try:
        import shtab  # noqa: PLC0415  an extra, that need not be here
    except ImportError as error:
        raise ClientError(
            "writing completions needs shtab: pip install './client[completion]'",
            code="missing_extra",
        ) from error
    script = str(shtab.complete(options.parser, shell=options.shell))
    report.write(script)
    if report.as_json:
        report.write_json({"shell": options.shell, "script": script})
