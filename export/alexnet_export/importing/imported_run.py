"""A public network as a run folder: its checkpoint, drawn pictures, and in its recipe whence it is.

A run folder that came of anything else is never written to.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from alexnet_export.checkpoint import (
    DIGEST_FILE,
    PICTURES_FILE,
    WEIGHTS_FILE,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from alexnet_export.errors import CheckpointError
from alexnet_export.importing.drawn_pictures import write_drawn_pictures

_KEY = "imported"
_OURS = {WEIGHTS_FILE, DIGEST_FILE, PICTURES_FILE}


@dataclass(frozen=True)
class Origin:
    """Whence a network is: ``sha256`` of the file, and of the mean image's if one was given.

    ``is_verified`` says whether it had to be the file as it was published.
    """

    source: str
    sha256: str
    mean_sha256: str | None
    is_verified: bool


def imported(folder: Path) -> tuple[Origin, str] | None:
    """Of what ``folder`` was imported, and its checkpoint's digest; None where it is new.

    Raises CheckpointError where it is damaged, and where it holds something else, which an import
    would replace.
    """
    if not (folder / WEIGHTS_FILE).is_file():
        # What an import that was stopped left behind is ours.
        odd = sorted({one.name.removesuffix(".part") for one in folder.glob("*")} - _OURS)
        if odd:
            raise CheckpointError(
                f"{folder} is not an imported network, it has {odd[0]}: name another with --out"
            )
        return None
    checkpoint, digest = load_checkpoint(folder)
    noted = checkpoint.recipe.get(_KEY)
    if not isinstance(noted, dict):
        raise CheckpointError(
            f"{folder} holds a trained network, no imported one: name another with --out"
        )
    try:
        return Origin(**noted), digest
    except TypeError as error:
        raise CheckpointError(f"{folder} does not say whence it is: {error}") from error


def write_imported(checkpoint: Checkpoint, origin: Origin, folder: Path) -> str:
    """Write the run folder; returns the checkpoint's digest.  Raises OSError.

    The checkpoint comes last: where one is, everything is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_drawn_pictures(folder)
    recipe = checkpoint.recipe | {_KEY: asdict(origin)}
    return save_checkpoint(replace(checkpoint, recipe=recipe), folder)
