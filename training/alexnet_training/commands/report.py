"""``alexnet-train report``: a run as pictures and one page."""

from __future__ import annotations

import argparse
from pathlib import Path

from alexnet_training.commands.flags import Commands, add_command, add_photo_flags
from alexnet_training.interrupt import deferred_interrupts


def add(commands: Commands) -> None:
    """Add the subcommand and its flags."""
    parser = add_command(
        commands, "report", _run, "draw a run: RUN/report.html and RUN/figures/*.png"
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DATA",
        help="DATA/validation/<class>/*, or DATA/<class>/*: the photos to score and show (the up "
        "to 200 validation photos that the run has kept)",
    )
    add_photo_flags(parser)


def _run(options: argparse.Namespace) -> None:
    with deferred_interrupts("stopped") as between:
        from alexnet_training.device import choose_device  # noqa: PLC0415
        from alexnet_training.report_of_run import report_of_run  # noqa: PLC0415

        page = report_of_run(
            options.run_folder,
            options.data,
            choose_device(options.device),
            strict=options.strict,
            between=between,
        )
    print(page)
