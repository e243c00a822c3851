"""Who may ask for what."""

from __future__ import annotations

from flask import Request


class Access:
    """Lets everybody do everything."""

    def require(self, request: Request) -> None:
        """Raise KeyMissing or Forbidden where the sender may not do this."""
