"""How much of a long fault test is run: a sample, or all of it (``make faults``)."""

from __future__ import annotations

import os
from typing import TypeVar

Amount = TypeVar("Amount")


def sized(sample: Amount, whole: Amount) -> Amount:
    """``whole`` where FAULTS=all is set, else ``sample``."""
    return whole if os.environ.get("FAULTS") == "all" else sample
