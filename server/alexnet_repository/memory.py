"""Keep the memory of one step, of training or of an export, for the next."""

from __future__ import annotations

import ctypes
import os

# Numbers of glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_memory() -> None:
    """Have the allocator keep freed memory, in 2 MiB pages; call before the first tensor.

    A training step allocates and frees hundreds of megabytes.  glibc gives blocks of that size
    back to the system at once, and touching them anew costs a page fault each 4 KiB: measured, a
    third of a step's processor time, and half of a deploy's.  Other C libraries than glibc are
    left as they are.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # read by torch at its first tensor
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
