"""The repositories that are measured: a checkpoint in each precision and layout."""

from __future__ import annotations

from pathlib import Path

from alexnet_export.deploy import Deployment, deploy
from alexnet_export.precision import Precision
from alexnet_export.proof import LAYOUTS, Layout

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")


def deployed(
    checkpoint: Path,
    folder: Path,
    calibration: Path | None,
    layouts: tuple[Layout, ...] = LAYOUTS,
) -> dict[str, Path]:
    """Deploy below ``folder`` what is not there yet; the roots by ``"<precision> <layout>"``.

    int8 takes minutes, as it is calibrated and proven: a folder that stays spares the next run
    them.  Raises ExportError where the checkpoint cannot be deployed.
    """
    roots = {}
    for precision in PRECISIONS:
        for layout in layouts:
            root = folder / f"{precision}-{layout}"
            wanted = Deployment(
                root,
                layout=layout,
                precision=precision,
                calibration=calibration if precision == "int8" else None,
                max_top1_loss=100.0,  # engine.py measures it, and nothing is to be refused for it
            )
            deploy(checkpoint, wanted)
            roots[f"{precision} {layout}"] = root
    return roots
