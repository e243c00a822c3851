"""What the parts of an averaged network are called in a repository."""

from __future__ import annotations

AVERAGE = "net_average"  # behind all members' in the order of names


def member_name(number: int) -> str:
    """What the names of a member's parts begin with; members count from 1."""
    return f"net{number:02d}_"
