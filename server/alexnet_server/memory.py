"""Give a picture's memory back to the system when the picture is done."""

from __future__ import annotations

import ctypes
import os

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8  # of glibc's malloc.h
# Below the 16 MiB blocks in which Pillow keeps a large picture, and above what a small one takes.
_THRESHOLD_BYTES = 4 * 1024 * 1024


def return_memory() -> None:
    """Have the allocator map blocks from 4 MiB on apart, so that they go when they are freed.

    Up to as much stays at the end of each heap: by default 128 KiB do, so that the pages of a
    picture were given back and asked for again with every request (70 page faults each).

    glibc begins so by itself, but raises the limit to the largest block it ever saw freed, up to
    32 MiB (mallopt(3)); loading a model does that.  Every heap then keeps what its largest picture
    took: measured with 12 pictures of 24 megapixels, 3.0 GB in place of 1.0.

    There is one heap a core, as no more threads run at a time.  By default there are eight a core
    (mallopt(3)), each with some 6 MiB that nothing is in and that come and go: 60 MB more on two
    cores, measured.  Other C libraries than glibc are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _THRESHOLD_BYTES)
        mallopt(_M_ARENA_MAX, os.cpu_count() or 1)
