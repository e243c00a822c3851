"""Drops the files of a folder, its argument, from the page cache."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    for path in Path(sys.argv[1]).rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())  # what is not on disk yet cannot be dropped
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
