"""The commit point of a deploy: two folders are exchanged by one call."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from alexnet_export.errors import DeployError
from alexnet_repository.durable import sync

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # renameat2(2)
NEEDS = (
    "two folders are exchanged, so it must lie on a local filesystem (ext4, xfs, ...) and not be "
    "a mount point itself: deploy to a folder inside the mount"
)


def switch(stage: Path, root: Path) -> None:
    """Put ``stage`` in the place of ``root`` in one step; the former root is then in ``stage``.

    Raises DeployError where the filesystem cannot exchange two folders.
    """
    for place in (stage, *stage.rglob("*")):
        sync(place)
    root.mkdir(parents=True, exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.renameat2(
        _AT_FDCWD, os.fsencode(stage), _AT_FDCWD, os.fsencode(root), _RENAME_EXCHANGE
    )
    if result != 0:
        code = ctypes.get_errno()
        refused = code in (errno.EINVAL, errno.ENOSYS, errno.EXDEV, errno.EBUSY)
        hint = f"; {NEEDS}" if refused else ""
        raise DeployError(f"{root} cannot be switched: {os.strerror(code)}{hint}")
    try:
        sync(root.parent)
    except OSError as error:
        raise DeployError(
            f"{root} was switched, but may not outlive a loss of power: {error}"
        ) from error
